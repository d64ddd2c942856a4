"""Step 2: the hard labels under the prior around theta_p, and how far from its optimum it ends."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..errors import FailedWork, InputError
from ..targets.target_data import TargetData
from ..training.loop import Trained
from ..training.optimum import LINEAR_TOLERANCE, Optimum, distance_to_optimum, reach_optimum
from ..training.schedule import Schedule
from ..training.source import Source
from ..training.train import train
from .function_prior import StepTwoPrior, goal_under
from .prior_options import PriorOptions


def map_step(
    network: nn.Module,
    source: Source,
    evidence: TargetData,
    schedule: Schedule,
    prior: StepTwoPrior,
    options: PriorOptions,
    *,
    linear: bool,
    **training: Any,
) -> tuple[Trained, Optimum | None]:
    """Train in place; where a tolerance is in force, go on to the optimum. A prior on predictions has no bound on it.

    linear: whether the student is linear in its pixels, so that the optimum is unique and cheap. training: options of
    `train`. Raises InputError where a tolerance is asked for beside augmentation, and FailedWork where one that was asked for
    is not reached.
    """
    goal, weights = goal_under(prior)
    tolerance = options.tolerance
    refuse_moving_optimum(options, training.get("augment"))
    if (
        weights is not None
        and tolerance is None
        and linear
        and training.get("augment") is None
        and prior.lam > 0
    ):
        tolerance = LINEAR_TOLERANCE
    done = train(
        network, source, evidence, goal, schedule, prior=weights,
        freeze_norm=options.freeze_norm, keep_best=tolerance is None, step="step 2", **training,
    )  # fmt: skip
    if weights is None:
        return done, None
    if tolerance is None:
        return done, distance_to_optimum(network, source, evidence, goal, weights)
    at = reach_optimum(network, source, evidence, goal, weights, tolerance)
    if options.tolerance is not None and not at.gap <= tolerance:
        raise FailedWork(
            f"step 2: is up to {at.gap:.2g} nats above its optimum after {at.rounds} rounds of L-BFGS, expected at most "
            f"{tolerance:g}; give --tolerance a larger number, or leave it out"
        )
    return done, at


def refuse_moving_optimum(options: PriorOptions, augment: object) -> None:
    """InputError for a tolerance beside augmentation: an objective of images that change has no fixed optimum."""
    if options.tolerance is not None and augment is not None:
        raise InputError(
            f"tolerance: got {options.tolerance:g} beside augmented images, whose objective has no fixed optimum; give "
            "--augment none, or leave --tolerance out"
        )
