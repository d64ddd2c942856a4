"""From a cases table and soft labels to images with their evidence, in one order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from labelppl.distillation.held import Held
from labelppl.distillation.source import Resident
from labelppl.distillation.targets.base import Evidence, Target
from labelppl.errors import InputError
from labelppl.images.read import Images, Size, read_images
from labelppl.runs import versions
from labelppl.students.logits import outputs_for
from labelppl.students.spec import Spec

if TYPE_CHECKING:
    from labelppl.softlabels import SoftLabels
    from labelppl.table import Cases

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class Data:
    """Training images with their evidence in one order; validation images with their labels."""

    train: Images
    evidence: Evidence
    groups: Array | None
    classes: tuple[str, ...]
    val: Images | None
    val_hard: Tensor | None


@dataclass(frozen=True, eq=False)
class Prepared:
    """The training images as batches, and what the student is to be."""

    source: Resident
    data: Data
    spec: Spec

    def held_images(self) -> Resident:
        """The validation images."""
        assert self.data.val is not None
        return Resident(torch.from_numpy(self.data.val.pixels), self.source.normalise)

    def held(self) -> Held | None:
        """The validation cases, or None."""
        if self.data.val is None or self.data.val_hard is None:
            return None
        return Held(self.held_images(), self.data.val_hard)


def read(
    labels: SoftLabels,
    cases: Cases,
    votes: Array | None,
    size: Size,
    channels: int | None,
    keep_aspect: bool,
) -> Data:
    """The training and validation cases, soft labels matched by id; test cases stay unread.

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
    position = {str(name): i for i, name in enumerate(labels.ids)}
    missing = [str(cases.ids[i]) for i in rows if str(cases.ids[i]) not in position]
    if missing:
        raise InputError(
            f"labels: no soft label for training case {missing[0]!r} (and {len(missing) - 1} "
            "more); label the whole table"
        )
    at = np.array([position[str(cases.ids[i])] for i in rows])
    hard = torch.from_numpy(np.asarray(cases.labels[rows], np.int64))
    draws = getattr(labels, "draws", None)
    weights = getattr(labels, "weights", None)
    evidence = Evidence(
        hard=hard,
        soft=torch.from_numpy(np.asarray(labels.probs, np.float64)[at]),
        draws=None if draws is None else _tensor(np.asarray(draws)[:, at]),
        log_weights=None if weights is None else _tensor(np.log(np.asarray(weights)[:, at])),
        votes=None if votes is None else _tensor(np.asarray(votes)[rows]),
    )
    held = np.flatnonzero(cases.split == "val")
    paths = [cases.images[i] for i in (*rows, *held)]
    images = read_images(paths, size=size, channels=channels, keep_aspect=keep_aspect)
    n = len(rows)
    return Data(
        train=images.take(np.arange(n)),
        evidence=evidence,
        groups=None if cases.groups is None else np.asarray(cases.groups)[rows],
        classes=tuple(cases.classes),
        val=images.take(np.arange(n, len(paths))) if len(held) else None,
        val_hard=torch.from_numpy(np.asarray(cases.labels[held], np.int64)) if len(held) else None,
    )


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def describe(data: Data, student: str, goal: Target, seed: int) -> Spec:
    """The student's spec: sizes and normalisation of the training images, prevalence of their labels."""
    pixels = data.train.pixels
    scaled = pixels.astype(np.float64) / data.train.full_scale
    mean, std = scaled.mean((0, 2, 3)), scaled.std((0, 2, 3))
    if not (std > 0).all():
        raise InputError("images: every training image is the same single colour")
    soft = data.evidence.soft
    assert soft is not None
    return Spec(
        architecture=student,
        classes=data.classes,
        channels=pixels.shape[1],
        height=pixels.shape[2],
        width=pixels.shape[3],
        outputs=outputs_for(len(data.classes), goal.needs_full_head),
        mean=tuple(map(float, mean)),
        std=tuple(map(float, std)),
        depth=data.train.depth,
        keep_aspect=data.train.keep_aspect,
        seed=seed,
        study_prevalence=tuple(map(float, soft.double().mean(0))),
        versions=versions(),
        head="dirichlet" if goal.name == "dirichlet" else "softmax",
    )
