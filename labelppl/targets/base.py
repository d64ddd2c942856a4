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

The objective is the *weighted mean* of the losses, sum_i w_i loss_i / sum_i w_i, the weights those of
`TargetData.row_weights`: 1 per case, 1/n for each of the n images of one case, so that m in
lambda/m counts cases. Rows count the cases of the evidence that `start` sees. Target rows are opaque
to the trainer: `columns` is the number of classes unless a method says otherwise (a teacher's logits
or the moments of a label's posterior may stand beside the label). State per case lives on the device
of that evidence; under torch.distributed it is summed over the processes at the end of an epoch, so
that the order of sharding does not matter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Literal, NamedTuple

import torch
import torch.distributed
from torch import Tensor
from torch.nn import functional

from ..errors import InputError
from ..records import described_object, digest

ROW_SUM_TOLERANCE = 1e-5

Base = Literal["hard", "soft"]


@dataclass(frozen=True, eq=False)
class TargetData:
    """All that is known about the labels of the training cases. Give what there is, by keyword.

    Args:
        hard: Codes of the classes, (cases,) int64; -1 = unlabelled.
        soft: p(Y|Z), (cases, classes).
        draws: Posterior draws of p(Y|Z), (draws, cases, classes).
        log_weights: Log weights of the draws where they differ, (draws,) or (draws, cases).
        mean_log: Posterior mean of log p(Y|Z), (cases, classes); stands in for draws that were not kept.
        votes: How many raters chose each class, (cases, classes).
        teacher: A teacher's logits for the training cases, (cases, classes).
        confusion: The teacher's counts on the validation cases, true class by predicted class, (classes, classes).
        units: Number of the case that each image shows, where a case has several images, (cases,) int64.
        weights: How much each case counts, positive, (cases,).
        classes: The number of classes; needed only where there is nothing but ``hard``.

    Raises:
        InputError: Shapes disagree, a label is out of range, a weight is not positive, or a soft label is not a
            probability vector.

    Examples:
        >>> data = TargetData(hard=torch.tensor([0, -1]), soft=torch.tensor([[0.9, 0.1], [0.4, 0.6]]))
        >>> len(data), data.classes
        (2, 2)
    """

    hard: Tensor
    soft: Tensor | None = None
    draws: Tensor | None = None
    log_weights: Tensor | None = None
    mean_log: Tensor | None = None
    votes: Tensor | None = None
    teacher: Tensor | None = None
    confusion: Tensor | None = None
    units: Tensor | None = None
    weights: Tensor | None = None
    classes: int = 0

    def __post_init__(self) -> None:
        tables = (self.soft, self.draws, self.votes, self.teacher, self.confusion)
        known = {t.shape[-1] for t in tables if t is not None} | ({self.classes} - {0})
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
            "units": (n,),
            "weights": (n,),
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
        if self.weights is not None and not bool((self.weights > 0).all()):
            row = int((~(self.weights > 0)).nonzero()[0])
            raise InputError(
                f"evidence.weights, row {row}: got {float(self.weights[row]):g}, expected a number > 0"
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
        rows = {name: getattr(self, name) for name in PER_ROW}
        cases: dict[str, Any] = {n: None if v is None else v[index] for n, v in rows.items()}
        cases["draws"] = None if self.draws is None else self.draws[:, index]
        if self.log_weights is not None and self.log_weights.ndim == 2:
            cases["log_weights"] = self.log_weights[:, index]
        return replace(self, **cases)

    def row_weights(self) -> Tensor | None:
        """How much each row counts, (cases,) float64: its weight over the images of its case.

        None where every row counts as one.
        """
        if self.units is None and self.weights is None:
            return None
        each = torch.ones(len(self), dtype=torch.float64, device=self.hard.device)
        if self.weights is not None:
            each = self.weights.double()
        if self.units is not None:
            _, unit, images = self.units.unique(return_inverse=True, return_counts=True)
            each = each / images[unit]
        return each

    def digest(self) -> str:
        """SHA-256 of all that is known: tells apart runs on other labels."""
        values = (getattr(self, f.name) for f in fields(self) if f.name != "classes")
        return digest(*(None if v is None else v.detach().cpu().numpy() for v in values))

    def to(self, device: torch.device | str) -> TargetData:
        """The same evidence on another device."""
        moved = {
            f.name: value.to(device)
            for f in fields(self)
            if isinstance(value := getattr(self, f.name), Tensor)
        }
        return replace(self, **moved)


PER_ROW = ("hard", "soft", "mean_log", "votes", "teacher", "units", "weights")


class Validation(NamedTuple):
    """The student on all validation cases after an epoch, the same on every process.

    Args:
        logits: The student's logits, (cases, classes); the mean over its images where a case has several.
        hard: Codes of the classes, (cases,) int64; -1 = unlabelled.

    Examples:
        >>> validation = Validation(torch.tensor([[2.0, 0.0]]), torch.tensor([0]))
        >>> tuple(validation.logits.shape)
        (1, 2)
    """

    logits: Tensor
    hard: Tensor


class Target(ABC):
    """One way of making a target; implement `start` and, unless it is soft cross entropy, `loss`.

    Attributes:
        name: As in `compare` and on the command line.
        needs_teacher: Whether `start` reads `TargetData.teacher` or `.confusion`; the runner then first trains the
            same student on the hard labels with the same schedule.
        needs_full_head: Whether two classes need two outputs, not one sigmoid neuron.
        needs_observe: Whether `observe` does anything.
        needs_validation: Whether it reads what the student, or its teacher, says of validation cases.
        head: ``dirichlet`` where the student's logits are log concentrations, else ``softmax``.

    Examples:
        >>> class Sharpened(Target):
        ...     name = "sharpened"
        ...     def start(self, evidence):
        ...         return evidence.soft**2 / (evidence.soft**2).sum(1, keepdim=True)
        >>> data = TargetData(hard=torch.tensor([0]), soft=torch.tensor([[0.75, 0.25]]))
        >>> [round(p, 3) for p in Sharpened().start(data)[0].tolist()]
        [0.9, 0.1]
    """

    name: ClassVar[str]
    needs_teacher: bool = False
    needs_full_head: bool = False
    needs_observe: bool = False
    needs_validation: bool = False
    head: Literal["softmax", "dirichlet"] = "softmax"

    def record(self) -> dict[str, Any]:
        """Name, options and, for a class of the user's own, the digest of its file.

        Options are the public attributes with plain values. A target that keeps an option elsewhere
        adds it to what this returns.
        """
        return {"target": self.name, **described_object(self)}

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


def required(evidence: TargetData, field: str, method: str) -> Tensor:
    """A part of the evidence that `method` cannot do without. Raises InputError where absent."""
    value = getattr(evidence, field)
    if value is None:
        raise InputError(
            f"target {method}: got no evidence.{field}, expected it; see {method}'s doc"
        )
    return value


def base_labels(evidence: TargetData, base: Base, method: str) -> Tensor:
    """Hard labels as one-hot rows or the soft labels, (cases, classes)."""
    return one_hot(evidence) if base == "hard" else required(evidence, "soft", method)


def check(ok: bool, method: str, option: str, got: object, expected: str) -> None:
    """Raise InputError for an option of `method` out of its range."""
    if not ok:
        raise InputError(f"target {method}: {option}: got {got!r}, expected {expected}")


def sum_over_processes(tensor: Tensor) -> Tensor:
    """The sum of `tensor` over all processes of a distributed run, in place; itself otherwise."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(tensor)
    return tensor
