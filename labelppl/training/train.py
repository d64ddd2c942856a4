"""The one training routine, for both steps and every target.

Minimises (1/m) sum_i loss(network(x_i), t_i) + (lambda/m) ||theta - theta_p||^2 over the m usable
training cases; without a weight prior the second term is absent. An epoch visits every case once,
in batches whose sizes differ by one at most; a batch contributes (batches/m) sum_{i in batch}
loss_i, so that the average over the batches of an epoch is the objective itself, whatever the
partition and the number of processes.

Random numbers of an epoch (order, mixing, augmentation, dropout) derive from the seed and the
epoch's number alone: a run is bit-reproducible on a CPU, and a resumed run is the same run.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import nn

from ..errors import InputError
from ..records import describe, network_record
from ..students.options import Augment
from ..targets.base import Target
from ..targets.target_data import TargetData
from .device import make_fabric
from .held import Held
from .loop import Plan, Trained, TrainingLoop
from .optimiser import Rates
from .order import partition
from .progress import Bar
from .schedule import Schedule
from .source import Source
from .weight_prior import WeightPrior


def train(
    network: nn.Module,
    source: Source,
    evidence: TargetData,
    target: Target,
    schedule: Schedule,
    *,
    seed: int = 0,
    prior: WeightPrior | None = None,
    freeze_norm: bool | None = None,
    rates: Rates = (),
    augment: Augment | None = None,
    held: Held | None = None,
    keep_best: bool = True,
    stop_after: int | None = None,
    device: str = "auto",
    fabric: Fabric | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    progress: bool = False,
    step: str = "train",
) -> Trained:
    """Train `network` in place; it ends in evaluation mode on the CPU or GPU it was trained on.

    source, evidence: the training cases, in one order. prior: the weight prior of step 2; with
    lam = inf nothing moves. freeze_norm: keep the running statistics of batch normalisation as they
    are; None does so where there is a prior. rates: learning rates of layers, (pattern, factor).
    held: where it has labelled cases and keep_best is True, the weights of the epoch with the best
    validation NLL are kept, else those of the last. stop_after: end after so many epochs of the
    schedule. checkpoint: a file written
    after every epoch; resume: continue from it. fabric: use this one, not a new one for `device`.

    Raises InputError where nothing is usable or the checkpoint belongs to another run, FailedWork
    where the loss stops being finite.
    """
    if len(source) != len(evidence):
        raise InputError(f"train: got {len(source)} images for {len(evidence)} cases")
    usable = target.usable(evidence)
    where = usable.nonzero().squeeze(1).cpu()
    m = len(where)
    if m == 0:
        raise InputError(
            f"target {target.name}: no training case is usable (of {len(evidence)}); it needs "
            "labels that the cases do not have"
        )
    fabric = fabric or make_fabric(device, schedule.precision)
    if prior is not None and math.isinf(prior.lam):
        network.to(fabric.device).eval()
        return Trained((), -1, m, None, fabric._precision.precision)
    if prior is not None and schedule.weight_decay > 0:
        raise InputError(
            f"schedule: weight_decay: got {schedule.weight_decay:g} beside a weight prior, expected 0: step 2 has one "
            "prior, that around theta_p; give step 2 schedule.for_map()"
        )
    plan = Plan(
        schedule,
        prior,
        prior is not None if freeze_norm is None else freeze_norm,
        rates,
        augment,
        held,
        keep_best,
        schedule.epochs if stop_after is None else min(stop_after, schedule.epochs),
        seed,
        step,
    )
    identity: dict[str, Any] = {}
    if checkpoint is not None:
        identity = {
            "step": step,
            "seed": seed,
            "cases": m,
            "target": target.record(),
            "labels": evidence.digest(),
            "images": source.digest(),
            "prior": None if prior is None else prior.record(),
            "schedule": schedule.record(),
            "augment": describe(augment),
            "rates": describe(rates),
            "freeze_norm": plan.freeze_norm,
            "stop_after": plan.stop_after,
            "start": network_record(network)["weights"],
        }
    loop = TrainingLoop(network, source, where, evidence.take(usable), target, plan, fabric)
    if resume and checkpoint is not None:
        loop.restore(checkpoint, identity)
    batches = len(partition(m, schedule.batch_size))
    shown: AbstractContextManager[Bar | None] = nullcontext()
    if progress and fabric.global_rank == 0:
        shown = Bar(step, schedule.epochs * m, len(loop.history) * m)
    with shown as bar:
        while len(loop.history) < plan.stop_after and not loop.is_over():
            loop.epoch(batches, bar)
            if checkpoint is not None and fabric.global_rank == 0:
                loop.save(checkpoint, identity)
    return loop.finish()
