"""`Vector`: several columns that the model treats as one multivariate site."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ..errors import InputError
from .base import Column, Feature, Scalar
from .rows import Rows, first_values
from .scalars import Count, Real
from .symmetries import common_symmetries


class Vector(Feature):
    """Several scalar columns as one site of shape (cases, components).

    ``Vector("a", "b")`` reads two real columns; ``Vector(alpha=Angle(...), coverage=Real(low=0, high=1))`` gives each
    its own unit and bounds. Components may be missing one by one: the density of what was measured is used.

    Args:
        names: Columns that hold real numbers without bounds.
        components: Columns by name, each with its own type.

    Raises:
        InputError: For fewer than two columns, or one that is no scalar.

    Examples:
        >>> list(Vector("a", b=Ratio()).components)
        ['a', 'b']
    """

    def __init__(self, *names: str, **components: Scalar) -> None:
        self.components: dict[str, Scalar] = {name: Real() for name in names} | components
        if len(self.components) < 2:
            raise InputError("Vector: expected two or more columns; a single one is a Real")
        for name, component in self.components.items():
            if not isinstance(component, Scalar) or isinstance(component, Count):
                kind = type(component).__name__
                raise InputError(
                    f"Vector: component '{name}' is a {kind}, expected Real, Positive, Ratio or Angle"
                )

    @property
    def symmetries(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those that all components declare."""
        return common_symmetries(self.components.values())

    def columns(self, name: str, classes: Sequence[str]) -> tuple[str, ...]:
        return tuple(self.components)

    def read(self, rows: Rows, name: str, classes: Sequence[str]) -> Column:
        read = []
        for column, component in self.components.items():
            rows.cells(column, name)
            read.append(component.read(rows, column, classes))
        for column, part in zip(self.components, read, strict=True):
            censored = np.flatnonzero(part.censored.numpy())
            if len(censored):
                mend = (
                    "declare the column on its own to use censored entries, or leave the cell empty"
                )
                got = first_values(rows.cells(column, name), censored)
                rows.refuse_all(column, censored, got, "a number inside a Vector", mend)
        return Column(
            torch.stack([p.values for p in read], -1), torch.stack([p.observed for p in read], -1)
        )

    def describe(self) -> str:
        return "; ".join(f"{name}: {part.describe()}" for name, part in self.components.items())
