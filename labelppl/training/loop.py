"""The state of one training run: an epoch's updates, its validation, and its checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from ..errors import FailedWork, InputError
from ..students.logits import class_logits
from ..targets.base import Target, TargetData, Validation
from . import checkpoint as ckpt
from .curve import Epoch
from .held import Held, held_out_nll, predict_logits
from .order import derived, partition
from .progress import Bar
from .schedule import Schedule
from .source import Source
from .weight_prior import WeightPrior

Augment = Callable[[Tensor], Tensor]


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


class TrainingLoop:
    """The mutable state of one training run."""

    def __init__(
        self,
        network: nn.Module,
        source: Source,
        where: Tensor,
        evidence: TargetData,
        target: Target,
        schedule: Schedule,
        fabric: Fabric,
        prior: WeightPrior | None,
        seed: int,
    ) -> None:
        self.network, self.source, self.where, self.target = network, source, where, target
        self.schedule, self.fabric, self.prior, self.seed = schedule, fabric, prior, seed
        self.frozen, self.step = False, "train"
        self.augment: Augment | None = None
        self.held: Held | None = None
        self.history: list[Epoch] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch, self.best_nll = -1, math.inf
        if schedule.batch_size < fabric.world_size:
            raise InputError(
                f"schedule: batch_size: got {schedule.batch_size} for {fabric.world_size} "
                "processes, expected at least one case per process"
            )
        network.to(fabric.device)
        self.targets = target.start(evidence.to(fabric.device))
        self.optimiser = _optimiser(network, schedule)
        compiled = torch.compile(network) if schedule.compile else network
        self.module, self.wrapped = fabric.setup(compiled, self.optimiser)
        self.proximal = (
            None if prior is None else prior.is_proximal(self.optimiser, schedule.lr, len(where))
        )

    def epoch(self, batches: int, bar: Bar | None) -> None:
        """One pass over the training cases, and what is learnt from it."""
        began, m, number = time.perf_counter(), len(self.where), len(self.history)
        fabric, schedule = self.fabric, self.schedule
        rank, world, device = fabric.global_rank, fabric.world_size, fabric.device
        mine = derived(self.seed, number, 1 + rank)
        torch.manual_seed(mine)
        mixing = torch.Generator().manual_seed(mine)
        order = torch.randperm(
            m, generator=torch.Generator().manual_seed(derived(self.seed, number, 0))
        )
        parts = [part[rank::world] for part in order.split(partition(m, schedule.batch_size))]
        self.module.train()
        if self.frozen:
            _freeze_norm(self.network)
        total = torch.zeros((), device=device)
        steps = schedule.epochs * batches
        images = self.source.batches((self.where[part] for part in parts), device)
        for i, (part, pixels) in enumerate(zip(parts, images, strict=True)):
            rate = schedule.rate(number * batches + i, steps)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            rows = part.to(device)
            seen = pixels if self.augment is None else self.augment(pixels)
            seen, wanted = self.target.mix(seen, self.targets[rows], mixing)
            logits = class_logits(self.module(seen))
            if self.target.needs_observe:
                self.target.observe(logits.detach(), rows)
            losses = self.target.loss(logits, wanted, rows)
            self._update(losses.sum() * (batches * world / m), rate)
            total += losses.detach().sum()
            if bar is not None:
                bar.advance(len(part) * world)
        loss = float(fabric.all_reduce(total, reduce_op="sum")) / m
        if not math.isfinite(loss):
            raise FailedWork(
                f"{self.step}: the loss is {loss} in epoch {number + 1}; lower the learning rate"
            )
        seconds = time.perf_counter() - began
        self._close(number, rate, loss, seconds, m / seconds)
        if bar is not None:
            bar.say(self.history[-1])

    def _update(self, loss: Tensor, rate: float) -> None:
        m = len(self.where)
        self.wrapped.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        if self.prior is not None and not self.proximal:
            self.prior.add_gradient(self.network, m)
        self.wrapped.step()
        if self.prior is not None and self.proximal:
            self.prior.shrink(self.network, self.optimiser, m)

    def _close(self, number: int, rate: float, loss: float, seconds: float, speed: float) -> None:
        """Validation, the target's own update, the learning curve."""
        validation, nll, accuracy = None, math.nan, math.nan
        if self.held is not None:
            logits = predict_logits(self.network, self.held.source, self.fabric.device)
            hard = self.held.hard.to(logits.device)
            validation = Validation(logits, hard)
            labelled = hard >= 0
            if bool(labelled.any()):
                probs = self.target.probabilities(logits[labelled]).double()
                nll = held_out_nll(probs, hard[labelled])
                accuracy = float((probs.argmax(1) == hard[labelled]).double().mean())
        renewed = self.target.end_epoch(number, self.schedule.epochs, validation)
        self.targets = self.targets if renewed is None else renewed
        penalty = 0.0
        if self.prior is not None:
            penalty = float(self.prior.penalty(self.network, len(self.where)).detach())
        if nll < self.best_nll:
            self.best_nll, self.best_epoch = nll, number
            self.best = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.history.append(
            Epoch(self.step, number, rate, loss, penalty, nll, accuracy, seconds, speed)
        )

    def stopped(self) -> bool:
        """Whether patience has run out."""
        patience = self.schedule.patience
        if patience is None or self.best_epoch < 0:
            return False
        return len(self.history) - 1 - self.best_epoch >= patience

    def finish(self) -> Trained:
        """Keep the best weights, or the last where nothing chose."""
        if self.best:
            self.network.load_state_dict(self.best)
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
        )
        ckpt.write(path, state)

    def restore(self, path: Path, identity: dict[str, Any]) -> None:
        """Continue from the state in `path`, if there is one."""
        saved = ckpt.read(path)
        if saved is None:
            return
        if saved.record["identity"] != identity:
            old = saved.record["identity"]
            odd = next(k for k in identity if old.get(k) != identity[k])
            raise InputError(
                f"{path}: was made with {odd} = {old.get(odd)}, not {identity[odd]}; resume with "
                "the same arguments, or start anew"
            )
        self.network.load_state_dict(saved.network)
        ckpt.restore_optimiser(self.optimiser, saved.optimiser)
        device = self.fabric.device
        state = {k: v.to(device) for k, v in saved.target.items()}
        renewed = self.target.load_state_dict(state) if state else None
        self.targets = self.targets if renewed is None else renewed
        self.best = {k: v.to(device) for k, v in saved.best.items()}
        self.best_epoch = saved.record["best_epoch"]
        self.best_nll = saved.record["best_nll"]
        self.history = [Epoch(*row) for row in saved.record["history"]]


def _optimiser(network: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    trained = [p for p in network.parameters() if p.requires_grad]
    if schedule.optimiser == "adam":
        return torch.optim.Adam(trained, lr=schedule.lr, foreach=True)
    return torch.optim.SGD(
        trained,
        lr=schedule.lr,
        momentum=schedule.momentum,
        nesterov=schedule.momentum > 0,
        foreach=True,
    )


def _freeze_norm(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
