"""What every recalibration map is: `fit` on validation cases, `transform` new probabilities.

    mapping = Temperature().fit(probs, reference)      # a fitted copy
    better = mapping.transform(other_probs)

`reference` is what the probabilities should have been: hard labels (cases,), soft labels p(Y|Z)
(cases, classes), or draws of them (draws, cases, classes). The loss of every map but Venn–Abers is linear
in the reference,

    L = −(1/n) Σ_i Σ_k t_ik log g(p_i)_k,

so draws count through their mean; fitting each draw alone shows how uncertain the map is. Soft labels
must be leave-one-out or of new cases: what the label model saw, it is too sure of. Votes collapsed to
their majority make the map too steep; all votes, as soft labels, do not.

A map of your own subclasses `Recalibration`: a frozen dataclass whose fields are its fitted numbers, with
`fit` and `transform`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats
from ..errors import InputError
from ..probabilities import checked_probs, hard_pair


class Recalibration(ABC):
    """A map from probabilities to probabilities.

    `name` is its name on the command line; `two_classes` says that it needs exactly two.

    Examples:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Halfway(Recalibration):
        ...     share: float = 0.5
        ...     name = "halfway"
        ...     def fit(self, probs, reference):
        ...         return Halfway(0.5)
        ...     def transform(self, probs):
        ...         p = np.asarray(probs)
        ...         return (1 - self.share) * p + self.share / p.shape[1]
        >>> Halfway().fit([[0.9, 0.1]], [0]).transform([[0.9, 0.1]]).tolist()
        [[0.7, 0.3]]
    """

    name: ClassVar[str]
    two_classes: ClassVar[bool] = False

    @abstractmethod
    def fit(self, probs: ArrayLike, reference: ArrayLike) -> Self:
        """Return the map fitted to `probs` (cases, classes) and a reference (see the module).

        Raises InputError for an invalid row or a reference that does not fit.
        """

    @abstractmethod
    def transform(self, probs: ArrayLike) -> Floats:
        """Return `probs` (cases, classes) recalibrated; raises InputError for an invalid row."""

    def record(self) -> dict[str, Any]:
        """Return the fitted numbers, for `calibration.json`."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in values.items()}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Read what `record` wrote. Raises InputError for anything else."""
        expected = {f.name for f in fields(cls)}  # type: ignore[arg-type]
        if set(record) != expected:
            raise InputError(
                f"calibration of kind {cls.name}: got {', '.join(sorted(record))}, expected "
                f"{', '.join(sorted(expected))}; run labelppl recalibrate again"
            )
        values = {k: np.asarray(v) if isinstance(v, list) else v for k, v in record.items()}
        for key, value in values.items():
            if not isinstance(value, int | float | np.ndarray) or not _numeric(value):
                raise InputError(
                    f"calibration of kind {cls.name}, {key}: expected finite numbers; run labelppl "
                    "recalibrate again"
                )
        return cls(**values)


def _numeric(value: Any) -> bool:
    array = np.asarray(value)
    return array.dtype.kind in "iuf" and bool(np.isfinite(array).all())


def soft_target(probs: ArrayLike, reference: ArrayLike) -> tuple[Floats, Floats]:
    """Return probabilities and what they should have been, both (cases, classes).

    Hard labels become one-hot rows, draws their mean. Raises InputError for a shape that does not fit,
    an invalid row or an unlabelled case.
    """
    dimensions = np.ndim(reference)
    if dimensions == 1:
        p, y = hard_pair(probs, reference)
        return p, np.eye(p.shape[1])[y]
    p = checked_probs(probs)
    mean = np.asarray(reference, dtype=np.float64)
    if dimensions == 3:
        mean = mean.mean(axis=0)
    if mean.shape != p.shape:
        raise InputError(
            f"reference: got shape {np.shape(reference)}, expected ({p.shape[0]},), {p.shape} or "
            f"(draws, {p.shape[0]}, {p.shape[1]})"
        )
    return p, checked_probs(mean, "reference")


def cross_entropy(probs: Floats, target: Floats, floor: float) -> float:
    """Return −mean Σ_k target_k log probs_k, in nats per case."""
    return float(-(target * np.log(np.maximum(probs, floor))).sum(axis=1).mean())
