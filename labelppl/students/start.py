"""Starting weights of any network from a local safetensors file.

Keys are the network's own parameter names. Two things may differ: the last linear layer, which then keeps its random
start (the head is replaced), and the first convolution's channels: weights for colour are summed over the colours for
grey images, weights for grey are spread evenly over the colours.
"""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import InputError
from .weight_posterior import last_linear

COLOUR_CHANNELS = 3


def read_start(path: Path, what: str) -> dict[str, Tensor]:
    """The tensors of a safetensors file. Raises InputError where it is none."""
    if not path.is_file() or path.suffix != ".safetensors":
        raise InputError(f"{path}: no such safetensors file; expected weights of {what}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path}: is not a safetensors file ({error})") from error


def load_start(network: nn.Module, channels: int, path: Path) -> None:
    """Load the weights in `path` in place. Raises InputError where they are not the network's."""
    what = type(network).__name__
    state, own = read_start(path, what), network.state_dict()
    names = {id(module): name for name, module in network.named_modules()}
    layer = last_linear(network)
    head = (
        set()
        if layer is None
        else {f"{names[id(layer)]}.{p}".lstrip(".") for p in ("weight", "bias")}
    )
    first = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
    key = "" if first is None else f"{names[id(first)]}.weight".lstrip(".")
    if key in state and key in own and state[key].shape != own[key].shape:
        state[key] = _channels(state[key], channels)
    replaced = {k for k in head if k in state and k in own and state[k].shape != own[k].shape}
    state = {k: v for k, v in state.items() if k not in replaced}
    refuse_unfit(path, what, state, own, head)
    network.load_state_dict(state, strict=False)


def refuse_unfit(
    path: Path, what: str, state: dict[str, Tensor], own: dict[str, Tensor], head: set[str]
) -> None:
    """Raise InputError unless `state` has every weight of `own` but those of the head, and no other."""
    wrong = [k for k, v in state.items() if k in own and v.shape != own[k].shape]
    strange = sorted((set(state) - set(own) - head) | set(wrong))
    missing = sorted(k for k in set(own) - set(state) - head if not k.endswith("tracked"))
    if strange or missing:
        odd = f"unexpected {strange[0]!r}" if strange else f"missing {missing[0]!r}"
        raise InputError(
            f"{path}: is not the weights of {what} ({odd}, {len(strange) + len(missing)} in "
            f"all); expected the names and shapes of {what}"
        )


def _channels(kernel: Tensor, channels: int) -> Tensor:
    if kernel.shape[1] == COLOUR_CHANNELS and channels == 1:
        return kernel.sum(1, keepdim=True)
    if kernel.shape[1] == 1 and channels == COLOUR_CHANNELS:
        return kernel.expand(-1, COLOUR_CHANNELS, -1, -1) / COLOUR_CHANNELS
    return kernel
