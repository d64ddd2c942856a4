"""`TargetData`: all that is known about the labels of the training cases, and what targets take from it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from ..errors import InputError
from ..records import digest

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
        weights: How much each case counts, positive, (cases,).
        measured: What was measured of each case, NaN where it was not, (cases, numbers).
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
    weights: Tensor | None = None
    measured: Tensor | None = None
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
            "weights": (n,),
            "measured": (n, -1 if self.measured is None else self.measured.shape[-1]),
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
        """How much each case counts, (cases,) float64; None where every case counts as one."""
        return None if self.weights is None else self.weights.double()

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


PER_ROW = ("hard", "soft", "mean_log", "votes", "teacher", "weights", "measured")


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


def require(evidence: TargetData, field: str, method: str) -> Tensor:
    """A part of the evidence that `method` cannot do without. Raises InputError where absent."""
    value = getattr(evidence, field)
    if value is None:
        raise InputError(
            f"target {method}: got no evidence.{field}, expected it; see {method}'s doc"
        )
    return value


def base_labels(evidence: TargetData, base: Base, method: str) -> Tensor:
    """Hard labels as one-hot rows or the soft labels, (cases, classes)."""
    return one_hot(evidence) if base == "hard" else require(evidence, "soft", method)
