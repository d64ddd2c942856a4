"""How the whole job chooses lambda: what it trains inside a fold, and which cases judge it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import nn

from ..students.network import build_network
from ..targets.base import Target, TargetData
from ..targets.hard import Hard
from ..training.schedule import Schedule
from ..training.source import Source
from ..training.train import train
from ..training.weight_prior import WeightPrior
from .folds import Folds
from .lam import (
    Job,
    LamChoice,
    Refit,
    choose_by_folds,
    choose_by_validation,
    descending,
)
from .lam_evidence import log_evidence
from .prepare import Prepared

CHOICE, FOLDS_DONE = "checkpoint-lambda.json", "checkpoint-folds.json"


def choose(
    job: Job,
    theta_p: nn.Module,
    prepared: Prepared,
    grid: Sequence[float],
    folds: int,
    refit: Refit | None,
    seed: int,
    say: Callable[[str], None],
    *,
    folder: Path | None,
    resume: bool,
    writes: bool,
) -> LamChoice:
    """lambda by held-out NLL, and its evidence beside it where that is exact.

    folder: keeps the choice and, before it is made, its finished folds; resume: continue from them.
    writes: whether this process does so.
    """
    path = None if folder is None else folder / CHOICE
    known = LamChoice.load(path, grid) if path is not None and resume else None
    if known is not None:
        return known
    held = prepared.held
    if held is not None and bool((held.hard >= 0).any()):
        choice = choose_by_validation(job, theta_p, held.source, held.hard, grid=grid)
    else:
        finished = Folds(
            None if folder is None else folder / FOLDS_DONE,
            {"grid": descending(grid), "folds": folds, "seed": seed, **asdict(job.schedule)},
            resume=resume,
            writes=writes,
        )
        choice = choose_by_folds(
            job, grid=grid, folds=folds, refit=refit, seed=seed, say=say, finished=finished
        )
    choice = replace(choice, evidence=_evidence(job, theta_p, choice.grid))
    if path is not None and writes:
        choice.save(path)
    return choice


def _evidence(job: Job, theta_p: nn.Module, grid: Sequence[float]) -> tuple[float, ...] | None:
    """log Z per candidate under the plain prior, None where that is not the prior in use."""
    prior = job.prior(theta_p, job.source, job.evidence)
    if prior.exclude or prior.fisher is not None:
        return None
    seen = (job.evidence.hard >= 0).nonzero().squeeze(1)
    return log_evidence(theta_p, job.source.take(seen), job.evidence.hard[seen], grid)


def job_of(
    prepared: Prepared,
    evidence: TargetData,
    goal: Target,
    first: Schedule,
    second: Schedule,
    weights: Path | None,
    centre: Callable[[nn.Module, Source, TargetData], WeightPrior],
    freeze_norm: bool,
    options: dict[str, Any],
    progress: bool,
) -> Job:
    """What `distill` trains, for the choice of lambda to repeat in each fold: new weights, no checkpoints."""
    quiet = {**options, "resume": False}
    spec = prepared.spec

    def new() -> nn.Module:
        return build_network(spec.architecture, spec.shape, seed=spec.seed, weights=weights)

    def step1(network: nn.Module, source: Source, some: TargetData) -> None:
        train(
            network, source, some, copy.deepcopy(goal), first,
            progress=progress, step="step 1 of this fold", **quiet,
        )  # fmt: skip

    def step2(
        network: nn.Module, source: Source, some: TargetData, prior: WeightPrior, path: Schedule
    ) -> None:
        train(
            network, source, some, Hard(), path,
            prior=prior, freeze_norm=freeze_norm, step="step 2", **quiet,
        )  # fmt: skip

    return Job(prepared.source, evidence, prepared.data.groups, new, step1, centre, step2, second)
