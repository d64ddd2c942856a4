"""How the whole job chooses the epochs of step 1 and lambda: what it trains inside a fold, and which cases judge it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from ..runs import write_json
from ..seeds import stream
from ..students.interval import LogitInterval
from ..targets import make_target
from ..targets.base import Target
from ..targets.hard import Hard
from ..targets.target_data import TargetData
from ..training.held import Held
from ..training.loop import Trained
from ..training.schedule import Schedule
from ..training.source import ByCase, Source
from ..training.train import train
from ..training.weight_prior import WeightPrior
from .ensemble import EnsembleRecord, with_ensemble
from .few import EpochChoice, choose_epochs, has_folds
from .fisher import fisher_weights
from .folds import Folds
from .function_prior import FunctionPrior, StepTwoPrior, goal_under
from .interval import measure_interval, rows_of
from .lam import Job, LamChoice, Refit, choose_by_folds, choose_by_validation
from .lam_bound import choose_by_bound
from .lam_evidence import log_evidence
from .prepare import Prepared
from .prior_options import PriorOptions

CHOICE, FOLDS_DONE = "checkpoint-lambda.json", "checkpoint-folds.json"
EPOCHS = "checkpoint-epochs.json"


class Strength(NamedTuple):
    """lam: of step 2. choice: how it was chosen, None where it was not. notes: what to say of it.

    interval: of p(Y|X), where folds measured it.
    """

    lam: float
    choice: LamChoice | None = None
    notes: tuple[str, ...] = ()
    interval: LogitInterval | None = None


@dataclass(frozen=True, eq=False)
class Steps:
    """How both steps train. goal: what step 1 learns. options: of `train`, the same in both.

    epochs: after how many step 1 ends, where folds chose; None: after those of its schedule.
    """

    prepared: Prepared
    goal: Target
    first: Schedule
    second: Schedule
    prior: PriorOptions
    options: dict[str, Any]
    progress: bool
    epochs: int | None = None

    def centre(self, network: nn.Module, source: Source, evidence: TargetData) -> StepTwoPrior:
        """The prior around the network as it is, of infinite strength."""
        prior = self.prior
        if prior.space == "predictions":
            return FunctionPrior.around(network, float("inf"))
        weights = fisher_weights(network, source, evidence.hard) if prior.fisher else None
        return WeightPrior.around(
            network, float("inf"), layers=prior.layers, exclude=prior.free, fisher=weights
        )

    def beside_ensemble(
        self,
        source: Source,
        evidence: TargetData,
        held: Held | None,
        stop_after: int | None,
        *,
        options: dict[str, Any],
        folder: Path | None = None,
    ) -> tuple[Target, EnsembleRecord | None]:
        """What step 1 learns from these cases: the goal, beside the mean of an ensemble where there is to be one."""
        goal = make_target(self.goal)
        if self.prepared.options.ensemble is None:
            return goal, None
        return with_ensemble(
            goal, self.prepared, source, evidence, self.first, options,
            held=held, stop_after=stop_after, folder=folder, progress=self.progress,
        )  # fmt: skip

    def job(self, evidence: TargetData) -> Job:
        """What the choice of lambda repeats in each fold: new weights, no checkpoints."""
        quiet = {**self.options, "resume": False}

        def step1(
            network: nn.Module, source: Source, some: TargetData, held: Held | None
        ) -> Trained:
            stop_after = None if held is not None else self.epochs
            goal, _ = self.beside_ensemble(source, some, None, stop_after, options=quiet)
            return train(
                network, source, some, goal, self.first, held=held,
                keep_best=False, stop_after=stop_after,
                progress=self.progress, step="step 1 of this fold", **quiet,
            )  # fmt: skip

        def step2(
            network: nn.Module,
            source: Source,
            some: TargetData,
            prior: StepTwoPrior,
            path: Schedule,
        ) -> None:
            goal, weights = goal_under(prior)
            train(
                network, source, some, goal, path,
                prior=weights, freeze_norm=self.prior.freeze_norm, step="step 2", **quiet,
            )  # fmt: skip

        prepared = self.prepared
        return Job(
            prepared.source, evidence, prepared.data.groups, prepared.network, step1, self.centre,
            step2, self.second,
        )  # fmt: skip


def epochs_of(
    steps: Steps,
    evidence: TargetData,
    refit: Refit | None,
    say: Callable[[str], None],
    *,
    folder: Path | None,
    resume: bool,
    writes: bool,
) -> EpochChoice | None:
    """How long step 1 runs, by folds; None where a class is too small for folds."""
    data, seed = steps.prepared.data, steps.prepared.spec.seed
    if not has_folds(evidence, data.groups):
        return None
    path = None if folder is None else folder / EPOCHS
    known = EpochChoice.load(path) if path is not None and resume else None
    if known is not None:
        return known
    job, folds = steps.job(evidence), steps.prior.folds
    choice = choose_epochs(job, folds=folds, refit=refit, seed=seed, say=say)
    if path is not None and writes:
        write_json(path, choice.record())
    return choice


def strength_of(
    steps: Steps,
    network: nn.Module,
    evidence: TargetData,
    refit: Refit | None,
    say: Callable[[str], None],
    **resumed: Any,
) -> Strength:
    """lambda, how it was chosen, and what to say of it."""
    if not bool((evidence.hard >= 0).any()):
        note = "no training case has a hard label: step 2 was skipped, student = theta_p"
        return Strength(math.inf, None, (note,))
    if isinstance(steps.goal, Hard):
        note = "step 1 learnt the hard labels: step 2 has nothing to add and was skipped"
        return Strength(math.inf, None, (note,))
    if not isinstance(steps.prior.lam, str):
        return Strength(float(steps.prior.lam))
    choice, interval = choose(steps.job(evidence), network, steps, refit, say, **resumed)
    notes: tuple[str, ...] = ()
    if choice.source == "cross-validation" and not choice.refitted:
        notes = (
            "lambda was chosen with the soft labels at hand in every fold; the label model was not refitted",
        )
    return Strength(choice.lam, choice, notes, interval)


def choose(
    job: Job,
    theta_p: nn.Module,
    steps: Steps,
    refit: Refit | None,
    say: Callable[[str], None],
    *,
    folder: Path | None,
    resume: bool,
    writes: bool,
) -> tuple[LamChoice, LogitInterval | None]:
    """lambda by held-out NLL or by a bound of the evidence; beside it the Laplace evidence where that is exact.

    folder: keeps the choice and, before it is made, its finished folds; resume: continue from them.
    writes: whether this process does so. With folds, also the interval that they measured.
    """
    path = None if folder is None else folder / CHOICE
    prior, seed = steps.prior, steps.prepared.spec.seed
    finished = Folds(
        None if folder is None else folder / FOLDS_DONE,
        {"prior": prior.record(), "seed": seed, "schedule": job.schedule.record()},
        resume=resume,
        writes=writes,
    )
    known = LamChoice.load(path) if path is not None and resume else None
    if known is not None:
        return known, _interval(steps, known, finished)
    held = steps.prepared.held
    if prior.lam == "evidence":
        say("lambda: by the evidence")
        choice = choose_by_bound(job, theta_p, stream(seed, "lambda", "bound"))
    elif held is not None and bool((held.hard >= 0).any()):
        choice = choose_by_validation(job, theta_p, held.source, held.hard, grid=prior.grid)
    else:
        choice = choose_by_folds(
            job, grid=prior.grid, folds=prior.folds, refit=refit, seed=seed, say=say,
            finished=finished,
        )  # fmt: skip
    choice = replace(choice, evidence=_evidence(job, theta_p, choice.grid))
    if path is not None and writes:
        choice.save(path)
    return choice, _interval(steps, choice, finished)


def _interval(steps: Steps, choice: LamChoice, finished: Folds) -> LogitInterval | None:
    """What the students of the folds, at the chosen lambda, were from the soft labels of the cases held out from them."""
    odds = steps.prepared.data.odds
    if choice.source != "cross-validation" or odds is None:
        return None
    rows, said = finished.log_odds(choice.grid.index(choice.lam))
    return measure_interval(rows_of(odds, rows), said, choice.source)


def _evidence(job: Job, theta_p: nn.Module, grid: tuple[float, ...]) -> tuple[float, ...] | None:
    """log Z per candidate under the plain prior, None where that is not the prior in use."""
    if isinstance(job.source, ByCase):
        return None
    prior = job.prior(theta_p, job.source, job.evidence)
    if not isinstance(prior, WeightPrior):
        return None
    if prior.layers or prior.exclude or prior.fisher is not None:
        return None
    seen = (job.evidence.hard >= 0).nonzero().squeeze(1)
    return log_evidence(theta_p, job.source.take(seen), job.evidence.hard[seen], grid)
