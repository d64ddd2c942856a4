"""What every way of making a training target is given, and the verbs it answers.

A `Target` turns the evidence about the training cases into one target row per case, and scores a
batch of class logits against such rows. The trainer calls, in this order::

    evidence = evidence.take(target.usable(evidence))   # cases this method can learn from
    targets = target.start(evidence)                    # (cases, columns)
    each batch:  images, t = target.mix(images, targets[rows], generator)
                 t = target.complete(images, t)
                 logits = network(images)               # one sigmoid neuron l is shown as [0, l]
                 target.observe(logits.detach(), rows)  # before the update
                 target.loss(logits, t, rows).mean().backward()
    each epoch:  new = target.end_epoch(epoch, epochs, validation)
                 targets = targets if new is None else new

The objective is the *weighted mean* of the losses, sum_i w_i loss_i / sum_i w_i, the weights those of
`TargetData.row_weights`: 1 per case where none are given, so that m in lambda/m counts cases. A case with several images
has one row and the pooled logits of its images; `mix` is not called then. Rows count the cases of the evidence that `start` sees. Target rows are opaque
to the trainer: `columns` is the number of classes unless a method says otherwise (a teacher's logits
or the moments of a label's posterior may stand beside the label). State per case lives on the device
of that evidence; under torch.distributed it is summed over the processes at the end of an epoch, so
that the order of sharding does not matter.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, NamedTuple

import torch
import torch.distributed
from torch import Tensor
from torch.nn import functional

from ..errors import InputError
from ..records import describe_object
from ..students.pooling import CaseBatchLike
from .target_data import TargetData


class Validation(NamedTuple):
    """The student on all validation cases after an epoch, the same on every process.

    Args:
        logits: The student's logits, (cases, classes); pooled where a case has several images.
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
        return {"target": self.name, **describe_object(self)}

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

    @property
    def needs_one_image(self) -> bool:
        """Whether it mixes images, for which each case must have one."""
        return type(self).mix is not Target.mix

    def complete(self, seen: CaseBatchLike, targets: Tensor) -> Tensor:
        """Target rows (batch, columns) with what this method makes of the batch's images; by default nothing."""
        return targets

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


def check(ok: bool, method: str, option: str, got: object, expected: str) -> None:
    """Raise InputError for an option of `method` out of its range."""
    if not ok:
        raise InputError(f"target {method}: {option}: got {got!r}, expected {expected}")


def sum_over_processes(tensor: Tensor) -> Tensor:
    """The sum of `tensor` over all processes of a distributed run, in place; itself otherwise."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(tensor)
    return tensor
