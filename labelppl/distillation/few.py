"""Few validation cases choose nothing by themselves: they join the training cases, and folds of all of them choose.

Below a hundred labelled validation cases the standard error of a held-out NLL is as large as what is to be told apart, so
that lambda and the number of epochs would hang on a handful of cases. Then step 1 is trained in each fold, and the path of
lambda starts after the number of epochs that the folds choose: the largest whose held-out NLL is neither a standard error nor .02
nats worse than the smallest. A curve of so few cases is mostly flat and its minimum mostly noise; a training that stops there, in the middle of
its schedule, may not have found what the others find.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..arrays import Floats
from ..runs import read_json
from ..table import Cases
from ..targets.target_data import TargetData
from ..training.held import Held
from .lam import Job, Refit, fold_evidence, folds_of

FEWEST_VALIDATION = 100
FLAT_CURVE = 0.02
"""Nats that a curve of a hundred cases moves up and down by, when nothing is learned or lost (docs/measured.md)."""


def with_few_validation(cases: Cases) -> Cases:
    """The cases, those for validation among the training ones where fewer than a hundred of them have a label."""
    held = cases.split == "val"
    labelled = int((cases.labels[held] >= 0).sum())
    if not 0 < labelled < FEWEST_VALIDATION:
        return cases
    return replace(cases, split=np.where(held, "train", cases.split), split_given=True)


@dataclass(frozen=True)
class EpochChoice:
    """epochs: how many step 1 runs. nll: (epochs,), held-out NLL in nats after each, over all folds."""

    epochs: int
    nll: tuple[float, ...]

    def record(self) -> dict[str, Any]:
        """What student.json says about it."""
        return asdict(self)

    @classmethod
    def load(cls, path: Path) -> EpochChoice | None:
        """A choice that an interrupted run made, or None."""
        saved = read_json(path)
        return cls(int(saved["epochs"]), tuple(map(float, saved["nll"]))) if saved else None


def choose_epochs(
    job: Job, *, folds: int, refit: Refit | None, seed: int, say: Callable[[str], None]
) -> EpochChoice:
    """The number of epochs of step 1 by grouped cross-validation over the training cases of `job`."""
    hard = job.evidence.hard.cpu().numpy()
    parts = folds_of(hard, job.groups, folds, seed)
    curves = []
    for number, test in enumerate(parts):
        say(f"epochs: fold {number + 1} of {len(parts)}")
        rows, evidence = fold_evidence(job, test, refit)
        held = Held(job.source.take(torch.from_numpy(test)), torch.from_numpy(hard[test]))
        done = job.step1(job.network(), job.source.take(torch.from_numpy(rows)), evidence, held)
        curves.append([epoch.val_nll for epoch in done.history])
    shares = np.array([len(test) for test in parts]) / sum(map(len, parts))
    return longest_of(np.array(curves), shares)


def longest_of(curves: Floats, shares: Floats) -> EpochChoice:
    """The last epoch that is neither a standard error nor `FLAT_CURVE` worse than the best.

    The error is that of the difference, over folds: so few that it can be large by chance, hence the other limit.
    curves: (folds, epochs), held-out NLL. shares: (folds,), of the held-out cases.
    """
    mean = shares @ curves
    worse = curves - curves[:, [int(np.argmin(mean))]]
    error = worse.std(0, ddof=1) / math.sqrt(len(curves))
    last = int(np.flatnonzero(shares @ worse <= np.minimum(error, FLAT_CURVE))[-1])
    return EpochChoice(last + 1, tuple(map(float, mean)))


def has_folds(evidence: TargetData, groups: Any) -> bool:
    """Whether every class that occurs has two labelled groups, so that folds can be made."""
    hard = evidence.hard.cpu().numpy()
    labelled = np.flatnonzero(hard >= 0)
    names = np.arange(len(hard)) if groups is None else np.asarray(groups)
    counts = [
        len(np.unique(names[labelled][hard[labelled] == k])) for k in np.unique(hard[labelled])
    ]
    return bool(counts) and min(counts) > 1
