"""One training: the updates of an epoch, its validation, its checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ..errors import FailedWork, InputError
from ..records import refuse_other
from ..seeds import Stream, stream
from ..students.options import Augment
from ..students.pooling import CaseBatchLike, case_logits, change_pixels
from ..targets.base import Target, Validation
from ..targets.target_data import TargetData
from . import checkpoint as ckpt
from .average import Average
from .curve import Epoch
from .device import share_statistics
from .held import Held, held_out_nll, predict_logits
from .optimiser import Rates, hold_statistics, make_optimiser, set_rate
from .order import partition
from .progress import Bar
from .schedule import Schedule
from .source import Source
from .weight_prior import WeightPrior


@dataclass(frozen=True)
class Trained:
    """history: one row per epoch. best_epoch: the epoch whose weights were kept (from 0).

    cases: how many were usable. proximal: how the weight prior was applied, None without one.
    precision: as Fabric names it.
    """

    history: tuple[Epoch, ...]
    best_epoch: int
    cases: int
    proximal: bool | None
    precision: str


@dataclass(frozen=True, eq=False)
class Plan:
    """What one training does beside its data. freeze_norm: whether normalisation keeps its statistics.

    rates: learning rates of layers. keep_best: whether validation chooses the epoch.
    stop_after: epochs that run, of those of the schedule. step: its name.
    """

    schedule: Schedule
    prior: WeightPrior | None = None
    freeze_norm: bool = False
    rates: Rates = ()
    augment: Augment | None = None
    held: Held | None = None
    keep_best: bool = True
    stop_after: int = 1
    seed: int = 0
    step: str = "train"


class TrainingLoop:
    """The state of one training.

    where: the usable rows of `source`, in the order of `evidence`, which holds those cases alone.
    """

    def __init__(
        self,
        network: nn.Module,
        source: Source,
        where: Tensor,
        evidence: TargetData,
        target: Target,
        plan: Plan,
        fabric: Fabric,
    ) -> None:
        self.network, self.source, self.where, self.target = network, source, where, target
        self.plan, self.fabric, self.prior = plan, fabric, plan.prior
        self.history: list[Epoch] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch, self.best_nll = -1, math.inf
        schedule = plan.schedule
        smallest = min(partition(len(where), schedule.batch_size))
        if smallest < fabric.world_size:
            raise InputError(
                f"schedule: batch_size: got {schedule.batch_size} for {len(where)} cases, which makes a batch of {smallest} "
                f"for {fabric.world_size} processes; expected at least one case per process"
            )
        network.to(fabric.device)
        if not plan.freeze_norm:
            share_statistics(network, fabric)
        self.targets = target.start(evidence.to(fabric.device))
        weights = evidence.row_weights()
        self.weights = None if weights is None else weights.to(fabric.device)
        self.cases = len(where) if weights is None else float(weights.sum())
        self.optimiser = make_optimiser(network, schedule, plan.rates)
        self.average = None if schedule.ema is None else Average(network, schedule.ema)
        compiled = torch.compile(network) if schedule.compile else network
        self.module, self.wrapped = fabric.setup(compiled, self.optimiser)
        self.proximal = (
            None
            if plan.prior is None
            else plan.prior.is_proximal(self.optimiser, schedule.lr, self.cases)
        )

    def epoch(self, batches: int, bar: Bar | None) -> None:
        """One pass over the training cases, and what is learnt from it.

        Its random numbers depend on the seed and on the epoch's number, not on the step or on lambda: candidates are
        compared on the same numbers, and a run that goes on is the same run.
        """
        gpus = [self.fabric.device] if self.fabric.device.type == "cuda" else []
        own = stream(self.plan.seed, "training", "epoch", len(self.history))
        with own.stream("process", self.fabric.global_rank).torch_default(gpus):
            self._pass(own, batches, bar)

    def _pass(self, own: Stream, batches: int, bar: Bar | None) -> None:
        """The updates of an epoch, whose random numbers are those of `own`."""
        began, m, number = time.perf_counter(), len(self.where), len(self.history)
        fabric, plan, schedule = self.fabric, self.plan, self.plan.schedule
        rank, world, device = fabric.global_rank, fabric.world_size, fabric.device
        mixing = own.stream("mixing", rank).torch()
        order = torch.randperm(m, generator=own.stream("order").torch())
        parts = [part[rank::world] for part in order.split(partition(m, schedule.batch_size))]
        self.module.train()
        hold_statistics(self.network, every=plan.freeze_norm)
        total = torch.zeros((), device=device)
        steps = schedule.epochs * batches
        pieces = [part.tensor_split(min(schedule.accumulate, len(part))) for part in parts]
        images = self.source.batches((self.where[p] for some in pieces for p in some), device)
        for i, some in enumerate(pieces):
            rate = schedule.rate(number * batches + i, steps)
            set_rate(self.optimiser, rate)
            self.wrapped.zero_grad(set_to_none=True)
            for piece in some:
                losses = self._losses(next(images), piece.to(device), mixing)
                with self._synchronised(piece is some[-1]):
                    fabric.backward(losses.sum() * (batches * world / self.cases))
                total += losses.detach().sum()
                if bar is not None:
                    bar.advance(len(piece) * world)
            self._update()
        _exhaust(images)
        loss = float(fabric.all_reduce(total, reduce_op="sum")) / self.cases
        if not math.isfinite(loss):
            raise FailedWork(
                f"{plan.step}: the loss is {loss} in epoch {number + 1}; lower the learning rate"
            )
        seconds = time.perf_counter() - began
        with nullcontext() if self.average is None else self.average.in_force(self.network):
            self._close(number, rate, loss, seconds, m / seconds)
        if bar is not None:
            bar.say(self.history[-1])

    def _losses(self, seen: CaseBatchLike, rows: Tensor, mixing: torch.Generator) -> Tensor:
        """Weighted losses (batch,) of some cases."""
        seen = seen if self.plan.augment is None else change_pixels(seen, self.plan.augment)
        wanted = self.targets[rows]
        if isinstance(seen, Tensor):
            seen, wanted = self.target.mix(seen, wanted, mixing)
        wanted = self.target.complete(seen, wanted)
        logits = case_logits(self.module, seen)
        if self.target.needs_observe:
            self.target.observe(logits.detach(), rows)
        losses = self.target.loss(logits, wanted, rows)
        return losses if self.weights is None else losses * self.weights[rows].to(losses)

    def _synchronised(self, last: bool) -> AbstractContextManager[None]:
        """Gradients are averaged over the processes once per batch."""
        if last or self.fabric.world_size == 1:
            return nullcontext()
        return self.fabric.no_backward_sync(self.module)

    def _update(self) -> None:
        if self.prior is not None and not self.proximal:
            self.prior.add_gradient(self.network, self.cases)
        if self.plan.schedule.clip is not None:
            learning = [p for p in self.network.parameters() if p.grad is not None]
            nn.utils.clip_grad_norm_(learning, self.plan.schedule.clip)
        self.wrapped.step()
        if self.prior is not None and self.proximal:
            self.prior.shrink(self.network, self.optimiser, self.cases)
        if self.average is not None:
            self.average.update(self.network)

    def _close(self, number: int, rate: float, loss: float, seconds: float, speed: float) -> None:
        """Validation, the target's own update, the learning curve."""
        validation, nll, accuracy = None, math.nan, math.nan
        held = self.plan.held
        if held is not None:
            logits = predict_logits(self.network, held.source, self.fabric.device)
            hard = held.hard.to(logits.device)
            validation = Validation(logits, hard)
            labelled = hard >= 0
            if bool(labelled.any()):
                probs = self.target.probabilities(logits[labelled]).double()
                nll = held_out_nll(probs, hard[labelled])
                accuracy = float((probs.argmax(1) == hard[labelled]).double().mean())
        # One process decides, so that machines that round differently go the same way.
        nll, accuracy = self.fabric.broadcast((nll, accuracy))
        renewed = self.target.end_epoch(number, self.plan.schedule.epochs, validation)
        self.targets = self.targets if renewed is None else renewed
        penalty = 0.0
        if self.prior is not None:
            penalty = float(self.prior.penalty(self.network, self.cases).detach())
        if nll < self.best_nll and self.plan.keep_best:
            self.best_nll, self.best_epoch = nll, number
            self.best = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.history.append(
            Epoch(self.plan.step, number, rate, loss, penalty, nll, accuracy, seconds, speed)
        )

    def is_over(self) -> bool:
        """Whether patience has run out."""
        patience = self.plan.schedule.patience
        if patience is None or self.best_epoch < 0:
            return False
        return len(self.history) - 1 - self.best_epoch >= patience

    def finish(self) -> Trained:
        """Keep the best weights, or the last where nothing chose."""
        if self.best:
            self.network.load_state_dict(self.best)
        elif self.average is not None:
            self.network.load_state_dict(self.average.values)
        self.network.eval()
        best = self.best_epoch if self.best else len(self.history) - 1
        precision = self.fabric._precision.precision
        return Trained(tuple(self.history), best, len(self.where), self.proximal, precision)

    def save(self, path: Path, identity: dict[str, Any]) -> None:
        """Write the state after this epoch."""
        record = {
            "identity": identity,
            "history": [list(row) for row in self.history],
            "best_epoch": self.best_epoch,
            "best_nll": self.best_nll,
        }
        state = ckpt.Checkpoint(
            record,
            self.network.state_dict(),
            ckpt.optimiser_state(self.optimiser),
            self.target.state_dict(),
            self.best,
            {} if self.average is None else self.average.state(),
        )
        ckpt.write(path, state)

    def restore(self, path: Path, identity: dict[str, Any]) -> None:
        """Continue from the state in `path`, if there is one."""
        saved = ckpt.read(path)
        if saved is None:
            return
        refuse_other(path, saved.record["identity"], identity)
        self.network.load_state_dict(saved.network)
        ckpt.restore_optimiser(self.optimiser, saved.optimiser)
        device = self.fabric.device
        state = {k: v.to(device) for k, v in saved.target.items()}
        renewed = self.target.load_state_dict(state) if state else None
        self.targets = self.targets if renewed is None else renewed
        self.best = {k: v.to(device) for k, v in saved.best.items()}
        if self.average is not None:
            self.average.restore(saved.average)
        self.best_epoch = saved.record["best_epoch"]
        self.best_nll = saved.record["best_nll"]
        self.history = [Epoch(*row) for row in saved.record["history"]]


def _exhaust(images: Iterator[Tensor]) -> None:
    """Let the source end its epoch, so that its workers stop."""
    for _ in images:
        raise AssertionError("more images than were asked for")
