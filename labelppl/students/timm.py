"""Any backbone of timm as a student, by its timm name; weights from a local safetensors file."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import InputError
from .network import Shape


def timm_network(name: str, shape: Shape, weights: Path | None = None) -> nn.Module:
    """The backbone `name` with `shape.outputs` neurons, for images of `shape`.

    weights: the backbone's own names; the classifier in it is left out where its size differs, and
    a first convolution for colour is summed over colours for greyscale images. Without weights the
    backbone starts at random: nothing is downloaded.

    Raises InputError where timm is missing, does not know the name or cannot take the image size,
    and where the weights are not those of the backbone.
    """
    timm = import_timm_for(name)
    options: dict[str, Any] = {"num_classes": shape.outputs, "in_chans": shape.channels}
    try:
        network: nn.Module = timm.create_model(name, pretrained=False, **options)
        if getattr(network, "patch_embed", None) is not None:
            size = (shape.height, shape.width)
            network = timm.create_model(name, pretrained=False, img_size=size, **options)
    except (AssertionError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"student timm:{name}: cannot be built for {shape.channels}x{shape.height}x"
            f"{shape.width} images ({' '.join(str(error).split())})"
        ) from error
    if weights is not None:
        _load(network, name, shape.channels, weights)
    return network


def import_timm_for(name: str) -> ModuleType:
    """timm, which has a model of that name. Raises InputError where it has not, or where there is no timm."""
    try:
        import timm
    except (ImportError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"student timm:{name}: timm cannot be imported ({reason}); pip install 'labelppl[timm]'"
        ) from error
    if not timm.is_model(name):
        near = timm.list_models(f"*{name.split('.', maxsplit=1)[0][:8]}*")[:3]
        hint = f", for instance {', '.join(near)}" if near else ""
        raise InputError(f"student timm:{name}: unknown to timm; expected a model name{hint}")
    module: ModuleType = timm
    return module


def _load(network: nn.Module, name: str, channels: int, path: Path) -> None:
    from timm.models import adapt_input_conv

    if not path.is_file() or path.suffix != ".safetensors":
        raise InputError(f"{path}: no such safetensors file; expected weights of timm:{name}")
    try:
        state: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path}: is not a safetensors file ({error})") from error
    own = network.state_dict()
    described = network.pretrained_cfg
    classifier = described.get("classifier") or ()
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    head = {key for key in own if any(key.startswith(f"{h}.") for h in heads)}
    for key in head:
        if key in state and state[key].shape != own[key].shape:
            del state[key]
    first = described.get("first_conv")
    key = f"{first}.weight"
    if isinstance(first, str) and key in state and state[key].shape != own[key].shape:
        state[key] = adapt_input_conv(channels, state[key])
    wrong = [k for k, v in state.items() if k in own and v.shape != own[k].shape]
    strange = sorted((set(state) - set(own) - head) | set(wrong))
    missing = sorted(k for k in set(own) - set(state) - head if not k.endswith("tracked"))
    if strange or missing:
        odd = f"unexpected {strange[0]!r}" if strange else f"missing {missing[0]!r}"
        raise InputError(
            f"{path}: is not the weights of timm:{name} ({odd}, {len(strange) + len(missing)} in "
            "all); expected timm's own names and shapes"
        )
    network.load_state_dict(state, strict=False)
