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
import time
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from labelppl.distillation import checkpoint as ckpt
from labelppl.distillation.device import make_fabric
from labelppl.distillation.prior import WeightPrior
from labelppl.distillation.progress import Bar
from labelppl.distillation.schedule import Schedule
from labelppl.distillation.source import Source
from labelppl.distillation.targets.base import Evidence, Target, Validation
from labelppl.errors import FailedWork, InputError
from labelppl.students.logits import class_logits

Augment = Callable[[Tensor], Tensor]
EVALUATION_BATCH = 256


class Epoch(NamedTuple):
    """One row of the learning curve. Losses are means over cases in nats.

    penalty: (lambda/m) ||theta - theta_p||^2 after the epoch. val_nll, val_accuracy: on the
    labelled validation cases, nan without any.
    """

    step: str
    epoch: int
    lr: float
    loss: float
    penalty: float
    val_nll: float
    val_accuracy: float
    seconds: float
    images_per_second: float


@dataclass(frozen=True)
class Held:
    """Validation cases. source: their images. hard: (cases,) int64, -1 = unlabelled."""

    source: Source
    hard: Tensor


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


def train(
    network: nn.Module,
    source: Source,
    evidence: Evidence,
    target: Target,
    schedule: Schedule,
    *,
    seed: int = 0,
    prior: WeightPrior | None = None,
    freeze_norm: bool | None = None,
    augment: Augment | None = None,
    held: Held | None = None,
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
    are; None does so where there is a prior. held: where it has labelled cases, the weights of the
    epoch with the best validation NLL are kept, else those of the last. checkpoint: a file written
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
    run = _Run(network, source, where, evidence.take(usable), target, schedule, fabric, prior, seed)
    run.frozen = prior is not None if freeze_norm is None else freeze_norm
    run.augment, run.held, run.step = augment, held, step
    identity = {
        "step": step,
        "seed": seed,
        "cases": m,
        "target": target.name,
        "evidence": _fingerprint(evidence),
        "prior": None if prior is None else prior.record(),
        "schedule": asdict(schedule),
    }
    if resume and checkpoint is not None:
        run.restore(checkpoint, identity)
    gpus = [fabric.device] if fabric.device.type == "cuda" else []
    batches = len(_partition(m, schedule.batch_size))
    shown: AbstractContextManager[Bar | None] = nullcontext()
    if progress and fabric.global_rank == 0:
        shown = Bar(step, schedule.epochs * m, len(run.history) * m)
    with torch.random.fork_rng(devices=gpus), shown as bar:
        while len(run.history) < schedule.epochs and not run.stopped():
            run.epoch(batches, bar)
            if checkpoint is not None and fabric.global_rank == 0:
                run.save(checkpoint, identity)
    return run.finish()


class _Run:
    """The mutable state of one training run."""

    def __init__(
        self,
        network: nn.Module,
        source: Source,
        where: Tensor,
        evidence: Evidence,
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
        mine = _derived(self.seed, number, 1 + rank)
        torch.manual_seed(mine)
        mixing = torch.Generator().manual_seed(mine)
        order = torch.randperm(
            m, generator=torch.Generator().manual_seed(_derived(self.seed, number, 0))
        )
        parts = [part[rank::world] for part in order.split(_partition(m, schedule.batch_size))]
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


def predict_logits(network: nn.Module, source: Source, device: torch.device) -> Tensor:
    """Class logits (cases, classes) of a whole source in evaluation mode, float32."""
    network.eval()
    rows = torch.arange(len(source)).split(EVALUATION_BATCH)
    with torch.inference_mode():
        found = [class_logits(network(x)).float() for x in source.batches(rows, device)]
    return torch.cat(found).clone()


def held_out_nll(probs: Tensor, hard: Tensor) -> float:
    """Mean -log q_y in nats, q clipped at 1e-12: probs (cases, classes), hard (cases,)."""
    picked = probs.gather(1, hard[:, None]).squeeze(1)
    return float(-picked.clamp_min(1e-12).log().mean())


def _fingerprint(evidence: Evidence) -> int:
    """Tells apart runs on other labels."""
    values = [evidence.hard] if evidence.soft is None else [evidence.hard, evidence.soft]
    check = 0
    for value in values:
        check = zlib.crc32(np.ascontiguousarray(value.cpu().numpy()).tobytes(), check)
    return check


def _partition(cases: int, batch_size: int) -> list[int]:
    """Batch sizes that sum to `cases`, as few as fit, and differ by one at most."""
    return [len(part) for part in np.array_split(np.empty(cases), math.ceil(cases / batch_size))]


def _derived(seed: int, epoch: int, stream: int) -> int:
    """A seed of its own for each stream of each epoch."""
    return int(np.random.SeedSequence([seed, epoch, stream]).generate_state(1, np.uint64)[0] >> 1)


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
