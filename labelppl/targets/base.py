"""What every way of making a training target is given, and the verbs it answers.

A `Target` turns the evidence about the training cases into one target row per case, and scores a
batch of class logits against such rows. The trainer calls, in this order::

    evidence = evidence.take(target.usable(evidence))   # cases this method can learn from
    targets = target.start(evidence)                    # (cases, columns)
    each batch:  images, t = target.mix(images, targets[rows], generator)
                 logits = network(images)               # one sigmoid neuron l is shown as [0, l]
                 target.observe(logits.detach(), rows)  # before the update
                 target.loss(logits, t, rows).mean().backward()
    each epoch:  new = target.end_epoch(epoch, epochs, validation)
                 targets = targets if new is None else new

The objective is the *mean* of the per-case losses (docs/methods.md §1 divides lambda by the number of cases
for it). Rows count the cases of the evidence given to `start`. Target rows are opaque to the
trainer: `columns` is the number of classes unless a method says otherwise (a teacher's logits or
the moments of a label's posterior may stand beside the label). State per case lives on the device
of that evidence; under torch.distributed it is summed over the processes at the end of an epoch, so
that the order of sharding does not matter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Literal, NamedTuple

import torch
import torch.distributed
from torch import Tensor
from torch.nn import functional

from ..errors import InputError

ROW_SUM_TOLERANCE = 1e-5

Base = Literal["hard", "soft"]


@dataclass(frozen=True, eq=False)
class TargetData:
    """All that is known about the labels of the training cases. Give what there is, by keyword.

    hard: (cases,) int64, -1 = unlabelled. soft: (cases, classes), p(Y|Z). draws: (draws, cases,
    classes), the posterior draws of p(Y|Z); log_weights: (draws,) or (draws, cases), their log
    weights where they differ. mean_log: (cases, classes), the posterior mean of log p(Y|Z), which
    stands in for draws that were not kept. votes: (cases, classes), how many raters chose each class. teacher:
    (cases, classes), a teacher's logits for the training cases. confusion: (classes, classes), the
    teacher's counts on the validation cases, true class by predicted class. classes: the number of
    classes; needed only where nothing but `hard` is given.

    Raises InputError where shapes disagree, a label is out of range or a soft label is not a
    probability vector.
    """

    hard: Tensor
    soft: Tensor | None = None
    draws: Tensor | None = None
    log_weights: Tensor | None = None
    mean_log: Tensor | None = None
    votes: Tensor | None = None
    teacher: Tensor | None = None
    confusion: Tensor | None = None
    classes: int = 0

    def __post_init__(self) -> None:
        given = (self.soft, self.draws, self.votes, self.teacher, self.confusion)
        known = {t.shape[-1] for t in given if t is not None} | ({self.classes} - {0})
        if len(known) != 1:
            raise InputError(
                f"evidence: got {sorted(known) or 'no'} as the number of classes, expected one "
                "number; give soft labels, votes or `classes`"
            )
        n, k = self.hard.shape[0], known.pop()
        object.__setattr__(self, "classes", k)
        s = 0 if self.draws is None else self.draws.shape[0]
        flat = self.log_weights is not None and self.log_weights.ndim == 1
        shapes = {
            "soft": (n, k),
            "draws": (s, n, k),
            "log_weights": (s,) if flat else (s, n),
            "mean_log": (n, k),
            "votes": (n, k),
            "teacher": (n, k),
            "confusion": (k, k),
        }
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is not None and tuple(value.shape) != shape:
                raise InputError(
                    f"evidence.{name}: got shape {tuple(value.shape)}, expected {shape}"
                )
        wrong = (self.hard < -1) | (self.hard >= k)
        if bool(wrong.any()):
            row = int(wrong.nonzero()[0])
            raise InputError(
                f"evidence.hard, row {row}: got {int(self.hard[row])}, expected 0..{k - 1}, "
                "or -1 = unlabelled"
            )
        if self.soft is not None:
            wrong = ~((self.soft.sum(1) - 1).abs() <= ROW_SUM_TOLERANCE) | self.soft.lt(0).any(1)
            if bool(wrong.any()):
                row = int(wrong.nonzero()[0])
                raise InputError(
                    f"evidence.soft, row {row}: got {self.soft[row].tolist()}, expected "
                    "probabilities that sum to 1"
                )

    def __len__(self) -> int:
        return self.hard.shape[0]

    def take(self, index: Tensor) -> TargetData:
        """The evidence of some cases, (cases,) bool or (n,) integers; class tables stay whole."""
        cases = {
            "hard": self.hard[index],
            "soft": None if self.soft is None else self.soft[index],
            "draws": None if self.draws is None else self.draws[:, index],
            "mean_log": None if self.mean_log is None else self.mean_log[index],
            "votes": None if self.votes is None else self.votes[index],
            "teacher": None if self.teacher is None else self.teacher[index],
        }
        if self.log_weights is not None and self.log_weights.ndim == 2:
            cases["log_weights"] = self.log_weights[:, index]
        return replace(self, **cases)

    def to(self, device: torch.device | str) -> TargetData:
        """The same evidence on another device."""
        moved = {
            f.name: value.to(device)
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), Tensor)
        }
        return replace(self, **moved)


class Validation(NamedTuple):
    """The student on all validation cases after an epoch, the same on every process.

    logits: (cases, classes). hard: (cases,) int64, -1 = unlabelled.
    """

    logits: Tensor
    hard: Tensor


class Target(ABC):
    """One way of making a target. Implement `start` and, unless it is soft cross entropy, `loss`.

    name: as in `compare` and on the command line. needs_teacher: whether `start` reads
    `TargetData.teacher` or `.confusion`; the runner then first trains the same student on the hard
    labels with the same schedule. needs_full_head: whether two classes need two outputs, not one
    sigmoid neuron. needs_observe: whether `observe` does anything. needs_validation: whether
    `end_epoch` reads the student's validation logits.
    """

    name: ClassVar[str]
    needs_teacher: bool = False
    needs_full_head: bool = False
    needs_observe: bool = False
    needs_validation: bool = False

    def usable(self, evidence: TargetData) -> Tensor:
        """Which cases this method can learn from, (cases,) bool. By default the labelled ones."""
        return evidence.hard >= 0

    @abstractmethod
    def start(self, evidence: TargetData) -> Tensor:
        """Initial targets (cases, columns). Raises InputError where the evidence is not enough."""

    def loss(self, logits: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        """Loss per case (batch,) of logits (batch, classes), targets (batch, columns), rows."""
        return soft_cross_entropy(logits, target)

    def observe(self, logits: Tensor, rows: Tensor) -> None:  # noqa: B027 - most see nothing
        """See the detached train-mode logits (batch, classes) of a batch before its update."""

    def end_epoch(self, epoch: int, epochs: int, validation: Validation | None) -> Tensor | None:
        """New targets (cases, columns) after epoch `epoch` (from 0) of `epochs`; None: as before."""
        return None

    def mix(
        self, images: Tensor, targets: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Mix images (batch, channels, height, width) and their target rows (batch, columns)."""
        return images, targets

    def probabilities(self, logits: Tensor) -> Tensor:
        """Predicted p(Y|X) (batch, classes) of a student trained on these targets."""
        return promote(logits).softmax(1)

    def state_dict(self) -> dict[str, Tensor]:
        """All that changes while training, for bit-identical resume; empty where nothing does."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> Tensor | None:
        """Continue from a `state_dict`, after `start` on the same evidence.

        Returns the targets (cases, columns) then in force, or None where `start` gave them.
        """
        return None


def promote(logits: Tensor) -> Tensor:
    """Logits in float32 at least: a log-softmax in bf16 loses the small probabilities."""
    return logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """-sum_k p_k log q_k per case (batch,), q = softmax(logits) in float32 at least."""
    log_q = functional.log_softmax(promote(logits), dim=1)
    return -(target.to(log_q.dtype) * log_q).sum(1)


def one_hot(evidence: TargetData) -> Tensor:
    """The hard labels as (cases, classes). Raises InputError where a case is unlabelled."""
    if bool((evidence.hard < 0).any()):
        row = int((evidence.hard < 0).nonzero()[0])
        raise InputError(
            f"hard labels, row {row}: unlabelled, expected a label for every training case; leave "
            "the case out or choose a target made of soft labels"
        )
    dtype = torch.get_default_dtype() if evidence.soft is None else evidence.soft.dtype
    return functional.one_hot(evidence.hard, evidence.classes).to(dtype)


def given(evidence: TargetData, field: str, method: str) -> Tensor:
    """A part of the evidence that `method` cannot do without. Raises InputError where absent."""
    value = getattr(evidence, field)
    if value is None:
        raise InputError(
            f"target {method}: got no evidence.{field}, expected it; see {method}'s doc"
        )
    return value


def base_labels(evidence: TargetData, base: Base, method: str) -> Tensor:
    """Hard labels as one-hot rows or the soft labels, (cases, classes)."""
    return one_hot(evidence) if base == "hard" else given(evidence, "soft", method)


def check(ok: bool, method: str, option: str, got: object, expected: str) -> None:
    """Raise InputError for an option of `method` out of its range."""
    if not ok:
        raise InputError(f"target {method}: {option}: got {got!r}, expected {expected}")


def sum_over_processes(tensor: Tensor) -> Tensor:
    """The sum of `tensor` over all processes of a distributed run, in place; itself otherwise."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(tensor)
    return tensor
