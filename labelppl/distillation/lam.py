"""Choosing lambda by held-out negative log-likelihood.

For every fold: the label model is refitted on the other cases (by the caller's `refit`), step 1
is trained on its soft labels, then the path lambda = inf, large, ..., small, 0 is followed, each
value starting from the weights of the one before, so that the path costs little more than one
training. Held-out cases are scored by -log q(y) on their hard labels. The largest lambda
whose mean is within one standard error of the smallest, paired over cases, is chosen: with few cases
the minimum itself is mostly noise. Folds keep groups (patients) whole and classes in
proportion.

With a validation split that has labels, that split is scored instead and no fold is made: nothing
of it was used to fit labels or weights.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import nn

from ..arrays import Array
from ..errors import InputError
from ..runs import write_text
from ..split import held_out_folds
from ..students.logits import log_odds
from ..targets.target_data import TargetData
from ..training.held import Held, predict_logits
from ..training.loop import Trained
from ..training.schedule import Schedule
from ..training.source import Source
from .folds import Folds, Followed
from .function_prior import StepTwoPrior
from .prior_options import GRID, LAM_FOLDS, descending

if TYPE_CHECKING:
    from ..softlabels import SoftLabels

Refit: TypeAlias = "Callable[[Array], SoftLabels]"
"""Training rows (cases,) int64 -> their soft labels, in that order, from those rows alone."""

FEWEST_EPOCHS = 2
FEWEST_PER_CLASS = 2


@dataclass(frozen=True)
class LamChoice:
    """lam: the chosen one. grid: the candidates, large to small.

    nll: (folds, candidates), held-out mean NLL in nats. cases: (folds,), how many were held out.
    se: (candidates,), standard error of the mean NLL over cases. source: `cross-validation`,
    `validation` or `evidence`. refitted: whether the label model was refitted inside the folds; else its soft
    labels (leave-one-out by default) were taken as they are. evidence: (candidates,), log evidence
    of the linearised student, or None. A choice by the `evidence` holds nothing out: one candidate, no nll, cases or se.
    """

    lam: float
    grid: tuple[float, ...]
    nll: tuple[tuple[float, ...], ...]
    cases: tuple[int, ...]
    se: tuple[float, ...]
    source: str
    refitted: bool
    evidence: tuple[float, ...] | None = None

    @property
    def mean(self) -> tuple[float, ...]:
        """Held-out NLL per candidate over all held-out cases."""
        if not self.cases:
            return ()
        weights = np.asarray(self.cases) / sum(self.cases)
        return tuple(float(v) for v in weights @ np.asarray(self.nll))

    def record(self) -> dict[str, Any]:
        """What student.json says about it."""
        return {**asdict(self), "mean": self.mean}

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> LamChoice:
        """The inverse of `record`. Raises ValueError, TypeError or KeyError where it is none."""
        plain = {k: v for k, v in record.items() if k != "mean"}
        plain["lam"] = float(plain["lam"])
        plain["nll"] = tuple(tuple(map(float, row)) for row in plain["nll"])
        for name in ("grid", "se", "evidence"):
            plain[name] = None if plain[name] is None else tuple(map(float, plain[name]))
        plain["cases"] = tuple(plain["cases"])
        return cls(**plain)

    def save(self, path: Path) -> None:
        """Write it, so that a resumed run need not choose again."""
        write_text(path, json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> LamChoice | None:
        """A choice made before, or None. Raises InputError for a damaged file."""
        if not path.is_file():
            return None
        try:
            return cls.of_record(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path}: is not a choice of lambda ({error}); remove it") from error


@dataclass(frozen=True)
class Job:
    """What the choice needs to train: all of it about training cases, in one order.

    network: a function that makes the untrained network. step1: trains it in place on
    (network, images, evidence, held-out cases that its curve is measured on, or None). prior: that of step 2 around it, any strength, from the same three.
    step2: trains it in place on (network, images, evidence, prior, schedule).
    """

    source: Source
    evidence: TargetData
    groups: Array | None
    network: Callable[[], nn.Module]
    step1: Callable[[nn.Module, Source, TargetData, Held | None], Trained]
    prior: Callable[[nn.Module, Source, TargetData], StepTwoPrior]
    step2: Callable[[nn.Module, Source, TargetData, StepTwoPrior, Schedule], None]
    schedule: Schedule


def path_schedule(schedule: Schedule, candidates: int) -> Schedule:
    """The schedule of step 2 spread over the path: every candidate gets its share, two at least."""
    share = math.ceil(schedule.epochs / max(1, candidates))
    return replace(schedule, epochs=max(FEWEST_EPOCHS, share), patience=None)


def follow_path(
    job: Job,
    network: nn.Module,
    source: Source,
    evidence: TargetData,
    grid: Sequence[float],
    held: Source,
    hard: torch.Tensor,
) -> Followed:
    """What the students along the path say of the held cases.

    network: after step 1, theta_p; it ends at the last candidate. hard: (held cases,) int64.
    """
    centre = job.prior(network, source, evidence)
    share = path_schedule(job.schedule, sum(not math.isinf(lam) for lam in grid))
    device = next(network.parameters()).device
    scores, odds = [], []
    for lam in grid:
        if not math.isinf(lam):
            job.step2(network, source, evidence, replace(centre, lam=lam), share)
        logits = predict_logits(network, held, device).double().cpu()
        picked = logits.softmax(1).gather(1, hard.cpu()[:, None]).squeeze(1)
        scores.append(-picked.clamp_min(1e-12).log().numpy())
        odds.append(log_odds(logits).numpy())
    return Followed(np.stack(scores), np.stack(odds))


def folds_of(hard: Array, groups: Array | None, folds: int, seed: int) -> list[Array]:
    """Held-out labelled rows of each fold; as many folds as the rarest class allows, at most `folds`.

    Raises InputError where a class has fewer than two labelled groups.
    """
    labelled = np.flatnonzero(hard >= 0)
    names = np.arange(len(hard)) if groups is None else np.asarray(groups)
    rarest = min(
        len(np.unique(names[labelled][hard[labelled] == k])) for k in np.unique(hard[labelled])
    )
    if rarest < FEWEST_PER_CLASS:
        raise InputError(
            "lambda: a class has fewer than two labelled training groups, too few to "
            "cross-validate; give --lam a number"
        )
    parts = held_out_folds(hard[labelled], names[labelled], min(folds, rarest), seed)
    return [labelled[held_out] for held_out in parts]


def choose_by_folds(
    job: Job,
    *,
    grid: Sequence[float] = GRID,
    folds: int = LAM_FOLDS,
    refit: Refit | None = None,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
    finished: Folds | None = None,
) -> LamChoice:
    """Grouped cross-validation over the training cases of `job`.

    finished: folds that an interrupted choice has finished, and where those of this one are kept.
    """
    candidates = descending(grid)
    finished = finished or Folds()
    hard = job.evidence.hard.cpu().numpy()
    scores, sizes = [], []
    parts = folds_of(hard, job.groups, folds, seed)
    for number, test in enumerate(parts):
        sizes.append(len(test))
        known = finished.scores(test)
        if known is not None:
            scores.append(known)
            continue
        say(f"lambda: fold {number + 1} of {len(parts)}")
        rows, evidence = fold_evidence(job, test, refit)
        network = job.network()
        images = job.source.take(torch.from_numpy(rows))
        job.step1(network, images, evidence, None)
        held = job.source.take(torch.from_numpy(test))
        truth = torch.from_numpy(hard[test])
        followed = follow_path(job, network, images, evidence, candidates, held, truth)
        scores.append(followed.scores)
        finished.add(test, followed)
    return _choice(candidates, scores, sizes, "cross-validation", refit is not None)


def fold_evidence(job: Job, test: Array, refit: Refit | None) -> tuple[Array, TargetData]:
    """The rows of a fold's training cases, no group of which is held out, and their evidence."""
    out = np.isin(np.arange(len(job.evidence)), test)
    if job.groups is not None:
        out |= np.isin(job.groups, np.asarray(job.groups)[test])
    rows = np.flatnonzero(~out)
    evidence = job.evidence.take(torch.from_numpy(rows).to(job.evidence.hard.device))
    return rows, evidence if refit is None else _relabelled(evidence, refit(rows))


def _relabelled(evidence: TargetData, labels: SoftLabels) -> TargetData:
    """The same cases with other soft labels."""
    device = evidence.hard.device
    draws = None if labels.draws is None else torch.as_tensor(labels.draws, dtype=torch.float32)
    return replace(
        evidence,
        soft=torch.as_tensor(labels.probs, dtype=torch.float64, device=device),
        mean_log=torch.as_tensor(labels.mean_log, dtype=torch.float64, device=device),
        draws=None if draws is None else draws.to(device),
        log_weights=None,
    )


def choose_by_validation(
    job: Job,
    theta_p: nn.Module,
    held: Source,
    hard: torch.Tensor,
    *,
    grid: Sequence[float] = GRID,
) -> LamChoice:
    """One path from theta_p, scored on validation cases. hard: (held cases,) int64, -1 skipped."""
    candidates = descending(grid)
    labelled = (hard >= 0).nonzero().squeeze(1).cpu()
    scores = follow_path(
        job,
        copy.deepcopy(theta_p),
        job.source,
        job.evidence,
        candidates,
        held.take(labelled),
        hard[labelled],
    ).scores
    return _choice(candidates, [scores], [len(labelled)], "validation", True)


def _choice(
    grid: tuple[float, ...], scores: list[Array], sizes: list[int], source: str, refitted: bool
) -> LamChoice:
    every = np.concatenate(scores, axis=1)
    mean = every.mean(1)
    spread = every.std(1, ddof=1) / math.sqrt(every.shape[1]) if every.shape[1] > 1 else mean * 0
    best = _one_standard_error(every)
    return LamChoice(
        grid[best],
        grid,
        tuple(tuple(float(v) for v in s.mean(1)) for s in scores),
        tuple(sizes),
        tuple(float(v) for v in spread),
        source,
        refitted,
    )


def _one_standard_error(scores: Array) -> int:
    """The first candidate, hence the largest lambda, whose mean is not a standard error worse than the smallest mean.

    scores: (candidates, held-out cases). The error is that of the paired difference (Breiman et al. 1984), so that a
    misleading theta_p is left as soon as the cases say so, and a good one is not left for noise.
    """
    worse = scores - scores[int(np.argmin(scores.mean(1)))]
    error = worse.std(1, ddof=1) / math.sqrt(scores.shape[1]) if scores.shape[1] > 1 else 0.0
    return int(np.flatnonzero(worse.mean(1) <= error)[0])
