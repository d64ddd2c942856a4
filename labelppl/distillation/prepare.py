"""From a cases table and soft labels to images with their evidence, in one order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..arrays import Array
from ..errors import InputError
from ..images.files import Files
from ..images.read import Images, Size, open_images
from ..runs import versions
from ..students.logits import outputs_for
from ..students.spec import Spec
from ..students.student import normalise
from ..table import match_ids
from ..targets.base import Target, TargetData
from ..training.held import Held
from ..training.source import Resident, Source
from ..training.stream import Streamed

if TYPE_CHECKING:
    from ..softlabels import SoftLabels
    from ..table import Cases


@dataclass(frozen=True, eq=False)
class Data:
    """Training images with their evidence in one order; validation images with their labels.

    mean, std: per channel over the training images, on the [0, 1] scale.
    """

    train: Images | Files
    mean: tuple[float, ...]
    std: tuple[float, ...]
    evidence: TargetData
    groups: Array | None
    classes: tuple[str, ...]
    val: Images | Files | None
    val_hard: Tensor | None


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the student is to be, and the images as batches. workers: processes that decode them
    where they are not in memory.
    """

    data: Data
    spec: Spec
    workers: int

    @cached_property
    def source(self) -> Source:
        """The training images."""
        return self._batches(self.data.train)

    @cached_property
    def held(self) -> Held | None:
        """The validation cases, or None."""
        if self.data.val is None or self.data.val_hard is None:
            return None
        return Held(self._batches(self.data.val), self.data.val_hard)

    def _batches(self, images: Images | Files) -> Source:
        def scaled(pixels: Tensor) -> Tensor:
            return normalise(pixels, self.spec)

        if isinstance(images, Files):
            return Streamed(images, scaled, self.workers)
        return Resident(torch.from_numpy(images.pixels), scaled)


def read_training_data(
    labels: SoftLabels,
    cases: Cases,
    votes: Array | None,
    size: Size,
    channels: int | None,
    keep_aspect: bool,
    limit: float,
) -> Data:
    """The training and validation cases, soft labels matched by id; test cases stay unread.

    limit: bytes of decoded pixels, both splits together, above which none is kept in memory.

    Raises InputError where images, training cases or their soft labels are missing.
    """
    if cases.images is None:
        raise InputError("cases: no column 'image'; expected one with the path of each image")
    if tuple(labels.classes) != tuple(cases.classes):
        raise InputError(
            f"labels: got the classes {list(labels.classes)}, expected {list(cases.classes)}"
        )
    rows = np.flatnonzero(cases.split == "train")
    if len(rows) == 0:
        raise InputError("cases: column 'split' has no 'train' row, expected at least one")
    ids = np.asarray(cases.ids)[rows]
    at = match_ids(ids, labels.ids)
    missing = np.flatnonzero(at < 0)
    if len(missing):
        raise InputError(
            f"labels: no soft label for training case {str(ids[missing[0]])!r} (and {len(missing) - 1} "
            "more); label the whole table"
        )
    hard = torch.from_numpy(np.asarray(cases.labels[rows], np.int64))
    draws = getattr(labels, "draws", None)
    weights = getattr(labels, "weights", None)
    evidence = TargetData(
        hard=hard,
        soft=torch.from_numpy(np.asarray(labels.probs, np.float64)[at]),
        draws=None if draws is None else _tensor(np.asarray(draws)[:, at]),
        log_weights=None if weights is None else _tensor(np.log(np.asarray(weights)[:, at])),
        votes=None if votes is None else _tensor(np.asarray(votes)[rows]),
    )
    held = np.flatnonzero(cases.split == "val")
    paths = [cases.images[i] for i in (*rows, *held)]
    n = len(rows)
    images, moments = open_images(
        paths, size=size, channels=channels, keep_aspect=keep_aspect, limit=limit, measured=n
    )
    mean, std = moments.mean_std(images.shape[0], images.full_scale)
    if not all(std):
        raise InputError("images: every training image is the same single colour")
    return Data(
        train=images.take(slice(n)),
        mean=mean,
        std=std,
        evidence=evidence,
        groups=None if cases.groups is None else np.asarray(cases.groups)[rows],
        classes=tuple(cases.classes),
        val=images.take(slice(n, None)) if len(held) else None,
        val_hard=torch.from_numpy(np.asarray(cases.labels[held], np.int64)) if len(held) else None,
    )


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def describe(data: Data, student: str, goal: Target, seed: int) -> Spec:
    """The student's spec: sizes and normalisation of the training images, prevalence of their labels."""
    channels, height, width = data.train.shape
    soft = data.evidence.soft
    assert soft is not None
    return Spec(
        architecture=student,
        classes=data.classes,
        channels=channels,
        height=height,
        width=width,
        outputs=outputs_for(len(data.classes), goal.needs_full_head),
        mean=data.mean,
        std=data.std,
        depth=data.train.depth,
        keep_aspect=data.train.keep_aspect,
        seed=seed,
        study_prevalence=tuple(map(float, soft.double().mean(0))),
        versions=versions(),
        head="dirichlet" if goal.name == "dirichlet" else "softmax",
    )
