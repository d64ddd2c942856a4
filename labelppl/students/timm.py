"""Any backbone of timm as a student, by its timm name; weights from a local safetensors file."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from ..errors import InputError
from .network import Shape
from .start import read_start, refuse_unfit

_LIBRARIES: list[
    torch.library.Library
] = []  #: schemas last as long as the library that defined them
OPERATORS = ("nms", "qnms")


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
    """timm, which has a model of that name, also beside a torchvision whose operators are missing.

    Raises InputError where there is no such model, or no timm.
    """
    try:
        mend_torchvision()
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


def timm_normalisation(
    name: str, channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and sd per channel that the weights of this backbone were trained with; None where timm has no word of it.

    Grey images get the mean over the colours.
    """
    from timm.models import get_pretrained_cfg

    known = get_pretrained_cfg(name.removeprefix("timm:"))
    if known is None:
        return None
    mean, std = tuple(known.mean), tuple(known.std)
    if channels == len(mean):
        return mean, std
    return (sum(mean) / len(mean),) * channels, (sum(std) / len(std),) * channels


def mend_torchvision() -> None:
    """torchvision, which timm imports, needs the schemas of its operators even where their code is not there."""
    try:
        import torchvision  # noqa: F401
    except ModuleNotFoundError:
        return
    except RuntimeError:
        for module in [m for m in sys.modules if m.split(".")[0] == "torchvision"]:
            del sys.modules[module]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in OPERATORS:
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _LIBRARIES.append(library)


def _load(network: nn.Module, name: str, channels: int, path: Path) -> None:
    from timm.models import adapt_input_conv

    state, own = read_start(path, f"timm:{name}"), network.state_dict()
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
    refuse_unfit(path, f"timm:{name}", state, own, head)
    network.load_state_dict(state, strict=False)
