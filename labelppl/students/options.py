"""What the student is and what it sees: one record for command line, TOML, `distill`, `compare` and the estimator.

A student is a name (`cnn`, `logistic`, `timm:NAME`), a `torch.nn.Module` that is copied and used as it is, or a factory

    factory(channels=C, outputs=m, image_size=(H, W)) -> torch.nn.Module

whose forward maps images (batch, C, H, W) to logits (batch, m). Two classes have one output, read as a sigmoid neuron,
unless the target needs two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from torch import Tensor, nn

from ..errors import InputError
from ..images.augment import augmentation, candidates, is_auto
from ..images.read import Size
from ..records import describe
from ..runs import sha256
from .pooling import POOLS, Pool
from .spec import OWN

#: One student has no other whose mean it could learn.
FEWEST_MEMBERS = 2


class Factory(Protocol):
    """Makes an untrained network."""

    def __call__(self, *, channels: int, outputs: int, image_size: tuple[int, int]) -> nn.Module:
        """A network for images (batch, channels, *image_size) with `outputs` logits."""


StudentLike: TypeAlias = str | nn.Module | Factory
Augment = Callable[[Tensor], Tensor]
AugmentLike: TypeAlias = str | Augment


@dataclass(frozen=True, eq=False)
class StudentOptions:
    """The student's network, its images and their augmentation.

    Args:
        student: `cnn` (the paper's), `logistic`, `timm:NAME`, a module or a factory.
        weights: A local safetensors file of starting weights, by the network's own parameter names; the last layer is
            left out where its size differs.
        mean: Per channel, what is subtracted from pixels on the [0, 1] scale; None takes the mean of the training
            images, or what the weights of a timm backbone were trained with.
        std: Per channel, what they are then divided by; None as for `mean`.
        frozen: Patterns of parameter names that do not learn, such as ``"features.*"``.
        rates: (pattern, factor): layers whose learning rate is the schedule's times the factor.
        image_size: Pixels, one side or (height, width); None keeps the files' own size.
        channels: 1 or 3; None takes 1 where every file is grey.
        keep_aspect: Whether images are padded, not stretched, to `image_size`.
        augment: A preset of `labelppl.images.augment`, `none`, `auto` (held-out cases choose), or a function from images (batch, channels, height,
            width) to such images.
        pool: How the logits of a case with several images become one: `mean`, or `attention`, for which the network gets
            one output more; see `labelppl.students.pooling`.
        ensemble: How many students with other seeds are trained first, whose mean the student learns beside its target; None
            trains none.
        stream: Whether images are decoded when needed; None streams what exceeds a quarter of the memory.
        workers: Processes that decode streamed images; None takes the cores but one.
        place: FILE.py:NAME where an object of the user's own comes from, for commands that read the student again.

    Raises:
        InputError: An unknown name, a mean without its std, a rate that is not positive.

    Examples:
        >>> from labelppl.students.options import StudentOptions
        >>> StudentOptions(image_size=64, augment="none").record()["student"]
        'cnn'
    """

    student: StudentLike = "cnn"
    weights: Path | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    frozen: tuple[str, ...] = ()
    rates: tuple[tuple[str, float], ...] = ()
    image_size: Size = None
    channels: int | None = None
    keep_aspect: bool = False
    augment: AugmentLike = "shift"
    pool: Pool = "mean"
    ensemble: int | None = None
    stream: bool | None = None
    workers: int | None = None
    place: str = ""

    def __post_init__(self) -> None:
        if not callable(self.student) and not isinstance(self.student, str):
            raise InputError(
                f"student: got {type(self.student).__name__}, expected a name, a torch.nn.Module or a factory"
            )
        if self.ensemble is not None and self.ensemble < FEWEST_MEMBERS:
            raise InputError(f"student: ensemble: got {self.ensemble}, expected 2 or more")
        if self.pool not in POOLS:
            raise InputError(f"student: pool: got {self.pool!r}, expected {' or '.join(POOLS)}")
        if (self.mean is None) != (self.std is None):
            raise InputError("student: mean and std: got one of the two, expected both or none")
        if self.std is not None and not all(value > 0 for value in self.std):
            raise InputError(f"student: std: got {list(self.std)}, expected positive numbers")
        if isinstance(self.augment, str):
            candidates(self.augment) if is_auto(self.augment) else augmentation(self.augment)
        elif not callable(self.augment):
            raise InputError(
                f"augment: got {type(self.augment).__name__}, expected a preset's name or a function of images"
            )

    @property
    def name(self) -> str:
        """How student.json names the network."""
        if isinstance(self.student, str):
            return self.student
        return f"{OWN}{self.place or describe(self.student)['name']}"

    def with_symmetries(self, symmetries: tuple[str, ...]) -> StudentOptions:
        """The same options, a preset that names no symmetry with these, which leave all measurements as they are."""
        augment = self.augment
        if not isinstance(augment, str) or augment == "none" or "+" in augment or not symmetries:
            return self
        return replace(self, augment="+".join((augment, *symmetries)))

    @property
    def augmentation(self) -> Augment | None:
        """The function that changes training images, None where nothing does."""
        return augmentation(self.augment) if isinstance(self.augment, str) else self.augment

    def record(self) -> dict[str, Any]:
        """All that decides the student: `stream` and `workers` change nothing but the time."""
        return {
            "student": describe(self.student),
            "weights": None if self.weights is None else sha256(self.weights),
            "mean": describe(self.mean),
            "std": describe(self.std),
            "frozen": list(self.frozen),
            "rates": describe(self.rates),
            "image_size": describe(self.image_size),
            "channels": self.channels,
            "keep_aspect": self.keep_aspect,
            "augment": describe(self.augment),
            "pool": self.pool,
            "ensemble": self.ensemble,
            "file": sha256(Path(self.place.rpartition(":")[0])) if self.place else None,
        }
