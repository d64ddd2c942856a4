"""From a cases table and its labels to images with their evidence, in one order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..arrays import Array, Floats
from ..case_images import has_several, images_in_words
from ..errors import InputError
from ..images.by_case import ImagesByCase, OpenedCases, Pictures, digest_of_images, open_case_images
from ..images.files import Files
from ..images.read import Images
from ..runs import versions
from ..students.logits import outputs_for
from ..students.network import build_network
from ..students.options import StudentOptions
from ..students.spec import Spec
from ..students.student import normalise
from ..table import match_ids
from ..targets.base import Target
from ..targets.target_data import TargetData
from ..training.held import Held
from ..training.optimiser import freeze
from ..training.source import ByCase, ImageSource, Resident, Source
from ..training.stream import Streamed
from .interval import LabelOdds, label_odds
from .measured import measured_matrix

if TYPE_CHECKING:
    from ..softlabels import SoftLabels
    from ..table import Cases


@dataclass(frozen=True, eq=False)
class Data:
    """Training images with their evidence in one order; validation images with their labels.

    mean, std: per channel over the training images, on the [0, 1] scale. images: SHA-256 of all
    image files, training ones first. odds, val_odds: of the soft labels, where there are any.
    """

    train: Pictures
    mean: tuple[float, ...]
    std: tuple[float, ...]
    evidence: TargetData
    groups: Array | None
    classes: tuple[str, ...]
    val: Pictures | None
    val_hard: Tensor | None
    images: str
    odds: LabelOdds | None
    val_odds: LabelOdds | None


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the student is to be, and the images as batches. workers: processes that decode them
    where they are not in memory.
    """

    data: Data
    options: StudentOptions
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

    def network(self, seed: int | None = None) -> nn.Module:
        """A new network, its frozen layers frozen. seed: of its random weights, None: the run's own."""
        options, spec = self.options, self.spec
        network = build_network(
            options.student,
            spec.shape,
            seed=spec.seed if seed is None else seed,
            weights=options.weights,
        )
        freeze(network, options.frozen)
        return network

    def _batches(self, cases: Pictures) -> Source:
        images = cases.images if isinstance(cases, ImagesByCase) else cases
        source = self._source_of(images)
        if isinstance(cases, ImagesByCase):
            return ByCase(source, cases.starts, self.options.pool)
        if self.options.pool == "attention":
            return ByCase(source, np.arange(len(cases) + 1), "attention")
        return source

    def _source_of(self, images: Images | Files) -> ImageSource:
        def scale(pixels: Tensor) -> Tensor:
            return normalise(pixels, self.spec)

        if isinstance(images, Files):
            return Streamed(images, scale, self.workers)
        return Resident(torch.from_numpy(images.pixels), scale)


def refuse_mixing(goal: Target, cases: Cases) -> None:
    """InputError where a target mixes the images of cases, and a case has several."""
    if goal.needs_one_image and cases.images is not None and has_several(cases.images):
        raise InputError(
            f"target {goal.name}: mixes the images of two cases, and there are {images_in_words(cases.images)}; expected one image "
            "for each case; choose another --target"
        )


def read_training_data(
    labels: SoftLabels | None,
    cases: Cases,
    votes: Array | None,
    options: StudentOptions,
    limit: float,
    opened: OpenedCases | None = None,
) -> Data:
    """The training and validation cases, soft labels matched by id; test cases stay unread.

    labels: None where there is no p(Y|Z). votes: (cases, classes) counts, aligned with `cases`, or None. limit: bytes of
    decoded pixels, both splits together, above which none is kept in memory. opened: the images of all `cases`, in their
    order, with the moments of the training ones; None: they are opened here.

    Raises InputError where images, training cases or their soft labels are missing.
    """
    if cases.images is None:
        raise InputError("cases: no column 'image'; expected one with the path of each image")
    rows = np.flatnonzero(cases.split == "train")
    if len(rows) == 0:
        raise InputError("cases: column 'split' has no 'train' row, expected at least one")
    evidence = _evidence(labels, cases, votes, rows)
    held = np.flatnonzero(cases.split == "val")
    paths = [cases.images[i] for i in (*rows, *held)]
    n = len(rows)
    if opened is None:
        images, moments = open_case_images(
            paths,
            size=options.image_size,
            channels=options.channels,
            keep_aspect=options.keep_aspect,
            limit=limit,
            measured=np.arange(len(paths)) < n,
        )
    else:
        images, moments = opened.images.take(np.concatenate([rows, held])), opened.moments
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
        images=digest_of_images(paths),
        odds=None if labels is None else label_odds(labels, cases.ids[rows]),
        val_odds=None if labels is None else label_odds(labels, cases.ids[held]),
    )


def describe_images(data: Data) -> dict[str, Any]:
    """What student.json says about the training images; how many each case has, where one has several."""
    images = data.train.images if isinstance(data.train, ImagesByCase) else data.train
    held = {"images": "streamed" if isinstance(images, Files) else "in memory"}
    if not isinstance(data.train, ImagesByCase):
        return held
    counts = data.train.counts
    return {
        **held,
        "images_per_case": {
            "least": int(counts.min()),
            "most": int(counts.max()),
            "images": int(counts.sum()),
        },
    }


def _evidence(
    labels: SoftLabels | None, cases: Cases, votes: Array | None, rows: Array
) -> TargetData:
    """What is known of the labels of the training cases `rows`."""
    hard = torch.from_numpy(np.asarray(cases.labels[rows], np.int64))
    counts = None if votes is None else _tensor(np.asarray(votes)[rows])
    matrix = measured_matrix(cases, rows)
    measured = None if matrix is None else torch.from_numpy(matrix)
    if labels is None:
        return TargetData(hard=hard, votes=counts, measured=measured, classes=len(cases.classes))
    if tuple(labels.classes) != tuple(cases.classes):
        raise InputError(
            f"labels: got the classes {list(labels.classes)}, expected {list(cases.classes)}"
        )
    at = match_ids(cases.ids[rows], labels.ids)
    missing = np.flatnonzero(at < 0)
    if len(missing):
        raise InputError(
            f"labels: no soft label for training case {str(cases.ids[rows[missing[0]]])!r} (and {len(missing) - 1} "
            "more); label the whole table"
        )
    return TargetData(
        hard=hard,
        soft=torch.from_numpy(np.asarray(labels.probs, np.float64)[at]),
        draws=None if labels.draws is None else _tensor(np.asarray(labels.draws)[:, at]),
        mean_log=torch.from_numpy(np.asarray(labels.mean_log, np.float64)[at]),
        votes=counts,
        measured=measured,
    )


def _tensor(array: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def spec_of(data: Data, options: StudentOptions, goal: Target, seed: int) -> Spec:
    """The student's spec: sizes and normalisation of its images, prevalence of the training labels."""
    channels, height, width = data.train.shape
    mean, std = _normalisation(data, options, channels)
    return Spec(
        architecture=options.name,
        classes=data.classes,
        channels=channels,
        height=height,
        width=width,
        outputs=outputs_for(len(data.classes), goal.needs_full_head),
        mean=mean,
        std=std,
        pool=options.pool,
        depth=data.train.depth,
        keep_aspect=data.train.keep_aspect,
        seed=seed,
        study_prevalence=tuple(map(float, _prevalence(data.evidence))),
        versions=versions(),
        head=goal.head,
    )


def _normalisation(
    data: Data, options: StudentOptions, channels: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and sd per channel: as stated, else those of a timm backbone's weights, else of the training images."""
    if options.mean is not None and options.std is not None:
        for name, values in (("mean", options.mean), ("std", options.std)):
            if len(values) != channels:
                raise InputError(
                    f"student: {name}: got {len(values)} numbers, expected one for each of {channels} channels"
                )
        return options.mean, options.std
    student = options.student
    if options.weights is not None and isinstance(student, str) and student.startswith("timm:"):
        from ..students.timm import timm_normalisation

        known = timm_normalisation(student, channels)
        if known is not None:
            return known
    return data.mean, data.std


def _prevalence(evidence: TargetData) -> Floats:
    """p(Y) of the training cases (classes,): of soft labels, else of votes, else of hard labels."""
    if evidence.soft is not None:
        return evidence.soft.double().mean(0).numpy()
    labelled = evidence.hard[evidence.hard >= 0]
    if len(labelled):
        counts = torch.bincount(labelled, minlength=evidence.classes).double()
        return (counts / counts.sum()).numpy()
    assert evidence.votes is not None
    votes = evidence.votes[evidence.votes.sum(1) > 0].double()
    return (votes / votes.sum(1, keepdim=True)).mean(0).numpy()
