"""A network from a name, a factory or a module: see `options` for what each is.

`cnn` is the paper's, `timm:NAME` any timm backbone, `logistic` is linear in the pixels, zero at first: logistic
regression under the same objectives.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ..errors import InputError
from ..seeds import stream
from .cnn import PaperCNN
from .start import load_start

STUDENT_NAMES = "cnn, logistic, timm:NAME, or your own FILE.py:NAME"


@dataclass(frozen=True)
class Shape:
    """What a network is built for. channels, height, width: of its images. outputs: its neurons."""

    channels: int
    height: int
    width: int
    outputs: int


def check_student(
    student: str | nn.Module | Callable[..., nn.Module], weights: Path | None = None
) -> None:
    """Raise InputError for a name that no network has, and for starting weights that are not there, before any work."""
    if isinstance(student, str):
        if student.startswith("timm:"):
            from .timm import import_timm_for

            import_timm_for(student.removeprefix("timm:"))
        elif student not in ("cnn", "logistic"):
            raise InputError(f"student: got {student!r}, expected {STUDENT_NAMES}")
    if weights is not None and not weights.is_file():
        raise InputError(
            f"{weights}: no such file; expected a local safetensors file with --weights"
        )


def build_network(
    student: str | nn.Module | Callable[..., nn.Module],
    shape: Shape,
    *,
    seed: int = 0,
    weights: Path | None = None,
) -> nn.Module:
    """A new network in channels-last memory, its random weights by `seed`.

    Args:
        student: A name, a module, which is copied, or a factory, called with channels, outputs and image_size.
        shape: Of the images and the outputs.
        seed: Of the random weights of a name or a factory.
        weights: A local safetensors file of starting weights.

    Raises:
        InputError: An unknown name, images that the network cannot take, another number of outputs, or weights that do
            not fit.
    """
    with stream(seed, "network").torch_default():
        if isinstance(student, str):
            network = _named(student, shape, weights)
        else:
            network = _own(student, shape)
            if weights is not None:
                load_start(network, shape.channels, weights)
    return network.to(memory_format=torch.channels_last)


def _named(name: str, shape: Shape, weights: Path | None) -> nn.Module:
    if name.startswith("timm:"):
        from .timm import timm_network

        return timm_network(name.removeprefix("timm:"), shape, weights)
    if name == "logistic":
        linear = nn.Linear(shape.channels * shape.height * shape.width, shape.outputs)
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
        network: nn.Module = nn.Sequential(nn.Flatten(), linear)
    elif name == "cnn":
        network = PaperCNN(
            channels=shape.channels, height=shape.height, width=shape.width, outputs=shape.outputs
        )
    else:
        raise InputError(f"student: got {name!r}, expected {STUDENT_NAMES}")
    if weights is not None:
        load_start(network, shape.channels, weights)
    return network


def _own(student: nn.Module | Callable[..., nn.Module], shape: Shape) -> nn.Module:
    """A network of the user's own, tried on two black images."""
    if isinstance(student, nn.Module):
        network = copy.deepcopy(student)
    else:
        name = getattr(student, "__name__", type(student).__name__)
        try:
            network = student(
                channels=shape.channels,
                outputs=shape.outputs,
                image_size=(shape.height, shape.width),
            )
        except TypeError as error:
            raise InputError(
                f"student {name}: cannot be called with channels, outputs and image_size ({error}); expected "
                "factory(*, channels, outputs, image_size) that returns a torch.nn.Module"
            ) from error
        if not isinstance(network, nn.Module):
            raise InputError(
                f"student {name}: returned {type(network).__name__}, expected a torch.nn.Module"
            )
    learning = network.training
    kind = f"{shape.channels}x{shape.height}x{shape.width}"
    try:
        with torch.inference_mode():
            tried = network.eval()(torch.zeros(2, shape.channels, shape.height, shape.width))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(
            f"student {type(network).__name__}: does not take images of {kind} ({first}); give --image-size, or mend "
            "its layers"
        ) from error
    network.train(learning)
    if not isinstance(tried, torch.Tensor) or tuple(tried.shape) != (2, shape.outputs):
        got = tuple(tried.shape) if isinstance(tried, torch.Tensor) else type(tried).__name__
        raise InputError(
            f"student {type(network).__name__}: two images of {kind} give {got}, expected logits of shape "
            f"(2, {shape.outputs}); two classes have one output, more classes one each, and --pool attention one more"
        )
    return network
