"""log p(z, y = k | theta) for every draw, case and class, and the array it is collected in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from ..arrays import Array
from ..table import Cases


class ClassJoint(NamedTuple):
    """log p(z_i, y_i = k | theta_s) and its label part.

    Attributes:
        joint: (draws, cases, classes) of log p(z_i, y_i = k | theta_s).
        label: (draws, 1 or cases, classes) of log p(y_i = k | theta_s).

    Examples:
        >>> one = ClassJoint(torch.tensor([[[0.1, 0.3]]]).log(), torch.tensor([[[0.5, 0.5]]]).log())
        >>> [round(p, 2) for p in one.joint.softmax(-1)[0, 0].tolist()]
        [0.25, 0.75]
    """

    joint: Tensor
    label: Tensor

    def at_power(self, power: Tensor) -> Tensor:
        """``joint`` where p(z_i | y) counts with ``power`` (cases,): log p(y = k) + power_i log p(z_i | y = k)."""
        return self.joint + self.change_at(power)

    def change_at(self, power: Tensor) -> Tensor:
        """(power_i - 1) log p(z_i | y = k) (draws, cases, classes); 0 for an impossible class, which stays so."""
        change = (power[:, None] - 1) * (self.joint - self.label)
        return torch.where(torch.isfinite(change), change, 0.0)


class Collected:
    """A `ClassJoint` as it is filled, class by class; stored with the classes first, where they are contiguous."""

    def __init__(self, classes: int, draws: int, cases: int) -> None:
        self.shape = (classes, draws, cases)
        self.joint: Tensor | None = None
        self.narrow: dict[int, Tensor] = {}
        self.label: Tensor | None = None

    def put(self, k: int, rows: slice | Tensor, joint: Tensor, label: Tensor) -> None:
        """Class ``k`` of the cases ``rows``: joint (draws, rows), label (draws, 1 or rows)."""
        self._whole(joint)[k, :, rows] = joint
        self._put_label(k, rows, label)

    def put_sum(self, k: int, rows: slice | Tensor, rest: Tensor, label: Tensor) -> None:
        """As `put`, of log p(z | y = k) and its label part; their sum goes where it stays, without a copy."""
        if isinstance(rows, slice):
            torch.add(rest, label, out=self._whole(rest)[k, :, rows])
            self._put_label(k, rows, label)
        else:
            self.put(k, rows, rest + label, label)

    def _whole(self, like: Tensor) -> Tensor:
        if self.joint is None:
            self.joint = like.new_empty(self.shape)
        return self.joint

    def _put_label(self, k: int, rows: slice | Tensor, label: Tensor) -> None:
        if label.shape[1] == 1 and self.shape[2] > 1 and self.label is None:
            self.narrow[k] = label
            return
        if self.label is None:
            self.label = label.new_empty(self.shape)
            for other, same in self.narrow.items():
                self.label[other] = same
        self.label[k, :, rows] = label

    def result(self) -> ClassJoint:
        """The whole; the label part is (draws, 1, classes) where it is the same for all cases."""
        assert self.joint is not None
        label = self.label
        if label is None:
            label = torch.stack([self.narrow[k] for k in range(self.shape[0])])
        return ClassJoint(self.joint.permute(1, 2, 0), label.permute(1, 2, 0))


def chunks(cases: Cases, rows: Array, size: int) -> Iterator[tuple[slice | Tensor, Cases]]:
    """The cases ``rows`` in pieces of ``size``, with their places; without copying where all are wanted at once."""
    if len(rows) == len(cases) <= size:
        yield slice(None), cases
        return
    for first in range(0, len(rows), size):
        some = rows[first : first + size]
        run = some[-1] - some[0] + 1 == len(some)
        yield (
            slice(int(some[0]), int(some[-1]) + 1) if run else torch.from_numpy(some),
            cases.take(some),
        )
