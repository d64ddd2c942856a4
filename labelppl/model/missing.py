"""Missing and censored measurements that other sites depend on, integrated out exactly or refused by name.

A missing leaf integrates to one. A missing parent does not: its children's densities depend on it, so

    log p(observed, y | theta) = log sum_discrete integral p(observed, missing, y | theta) d missing.

Which sites depend on which feature is found by running the model with the feature's missing entries changed (to NaN, to
other values) and seeing whose log probability changes. A discrete parent is summed over. Continuous parents are
integrated in closed form (`gaussian`) where the log density is quadratic in them, that is where they are normal and enter
their children linearly (docs/methods.md §2, conditional linear-Gaussian networks; Lauritzen 1992). Whether it is quadratic is
measured at further points, and refused by name where it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, NoReturn

import numpy as np
import torch
from pyro.distributions import constraints
from torch import Tensor

from ..arrays import Array
from ..errors import InputError
from ..features import Column
from ..seeds import stream
from ..table import Cases
from .gaussian import probes
from .structure import Structure

#: Rows of the table looked at per feature to see what depends on it.
LOOKED_AT = 64

#: Log density of every site inside the cases, by site (rows,), for given columns, label codes and discrete sites.
SiteRun = Callable[[Mapping[str, Column], Tensor, Mapping[str, Tensor]], dict[str, Tensor]]
_NONE = torch.zeros(0, dtype=torch.float64)


@dataclass(frozen=True)
class Pattern:
    """Which entries of a case must be integrated out, and where their density is evaluated.

    continuous: (feature, component or None) of every coordinate; centre and scale (dim,) standardise it. discrete: missing
    discrete parents and their values. bounded: the feature that is censored rather than missing.
    """

    continuous: tuple[tuple[str, int | None], ...]
    centre: Tensor
    scale: Tensor
    discrete: Mapping[str, Tensor]
    bounded: str | None
    points: Tensor

    @property
    def dim(self) -> int:
        """Number of continuous coordinates."""
        return len(self.continuous)

    @property
    def simple(self) -> bool:
        """Whether there is nothing to integrate out."""
        return not (self.continuous or self.discrete)

    @property
    def rows(self) -> int:
        """How many rows of the model's plate one case needs per class and summed configuration."""
        return len(self.points) * prod(len(values) for values in self.discrete.values())

    @property
    def log_scale(self) -> float:
        """Log of the volume of one unit of the standardised coordinates."""
        return float(self.scale.log().sum())

    @property
    def bounded_at(self) -> int | None:
        """The coordinate of the censored feature."""
        return None if self.bounded is None else self.continuous.index((self.bounded, None))

    def bounds(self, cases: Cases, index: Array) -> tuple[Tensor, Tensor]:
        """Standardised bounds (rows,) of the censored coordinate for the cases ``index``."""
        assert self.bounded is not None
        column, at = cases.columns[self.bounded], self.bounded_at
        assert column.low is not None
        assert column.high is not None
        low, high = (
            (x[index] - self.centre[at]) / self.scale[at] for x in (column.low, column.high)
        )
        return low, high

    def fill(
        self,
        columns: Mapping[str, Column],
        rows: slice,
        values: Mapping[str, Tensor],
        point: Tensor,
    ) -> dict[str, Column]:
        """The columns with this pattern's entries set, in ``rows``, to discrete values and probe points (rows,)."""
        filled = dict(columns)
        for name, codes in values.items():
            filled[name] = _write(filled[name], rows, None, codes)
        for j, (name, component) in enumerate(self.continuous):
            numbers = self.centre[j] + self.scale[j] * self.points[point, j]
            filled[name] = _write(filled[name], rows, component, numbers)
        return filled


NO_PATTERN = Pattern((), _NONE, _NONE, {}, None, probes(0))


def _write(column: Column, rows: slice, component: int | None, numbers: Tensor) -> Column:
    values, observed = column.values.clone(), column.observed.clone()
    at = rows if component is None else (rows, component)
    values[at], observed[at] = numbers.to(values.dtype), True
    low, high = column.low, column.high
    if low is not None and high is not None:
        low, high = low.clone(), high.clone()
        low[rows], high[rows] = torch.nan, torch.nan
    return Column(values, observed, low, high)


class Relations:
    """Which sites depend on which feature, learned for the features that miss something, when first needed."""

    def __init__(self, structure: Structure, classes: int, run: SiteRun) -> None:
        self.structure, self.classes, self.run = structure, classes, run
        self.children: dict[str, frozenset[str]] = {}

    def patterns(self, cases: Cases) -> tuple[Array, tuple[Pattern, ...]]:
        """Which pattern each case has (cases,), and the patterns; InputError where one cannot be integrated out."""
        simple = np.zeros(len(cases), dtype=np.int64), (NO_PATTERN,)
        gaps = {
            name: ~cases.columns[name].cases_observed.numpy()
            for name in sorted(self.structure.sampled)
            if not bool(cases.columns[name].cases_observed.all())
        }
        for name in gaps.keys() - self.children.keys():
            self.children[name] = self._children(cases, name)
        gaps = {name: gap for name, gap in gaps.items() if self.children[name]}
        if not gaps:
            return simple
        joined = self._join_gaps(cases, gaps)
        if not any(at.any() for at in joined.values()):
            return simple
        keys = np.stack(
            [key for name in joined for key in _keys(cases.columns[name], joined[name])], 1
        )
        different, which = np.unique(keys, axis=0, return_inverse=True)
        which = which.reshape(-1)
        first = [int(np.flatnonzero(which == at)[0]) for at in range(len(different))]
        return which, tuple(self._pattern(cases, joined, row) for row in first)

    def _join_gaps(self, cases: Cases, gaps: Mapping[str, Array]) -> dict[str, Array]:
        """Gaps (cases,) that some present site depends on, directly or through other missing features."""
        joined = {name: np.zeros(len(cases), dtype=bool) for name in gaps}
        contributes = {}
        for name in self.structure.sampled:
            column = cases.columns[name]
            observed = column.observed if column.observed.dim() == 1 else column.observed.any(-1)
            contributes[name] = (observed | column.censored).numpy()
        while True:
            before = sum(int(at.sum()) for at in joined.values())
            for name, gap in gaps.items():
                for child in self.children[name]:
                    present = contributes.get(child, np.ones(len(cases), dtype=bool))
                    joined[name] |= gap & (present | joined.get(child, np.zeros_like(present)))
            if sum(int(at.sum()) for at in joined.values()) == before:
                return joined

    def _pattern(self, cases: Cases, joined: Mapping[str, Array], row: int) -> Pattern:
        continuous: list[tuple[str, int | None]] = []
        discrete: dict[str, Tensor] = {}
        bounded: list[str] = []
        for name in (name for name, at in joined.items() if at[row]):
            column, fn = cases.columns[name], self.structure.sites[name]
            if fn.support.is_discrete:
                if name not in self.structure.codes:
                    self._refuse(
                        cases, name, row, "only a Category or an Ordinal can be summed over"
                    )
                discrete[name] = self.structure.codes[name]
                continue
            if not _is_unbounded(fn.support):
                self._refuse(cases, name, row, f"its values are bounded ({type(fn).__name__})")
            if column.observed.dim() == 2:
                continuous += [(name, int(j)) for j in (~column.observed[row]).nonzero()[:, 0]]
            else:
                continuous.append((name, None))
            if bool(column.censored[row]):
                bounded.append(name)
        if len(bounded) > 1:
            self._refuse(cases, bounded[1], row, f"'{bounded[0]}' is censored in the same row, too")
        places = [_place(cases.columns[name], component) for name, component in continuous]
        return Pattern(
            continuous=tuple(continuous),
            centre=torch.tensor([c for c, _ in places], dtype=torch.float64),
            scale=torch.tensor([s for _, s in places], dtype=torch.float64),
            discrete=discrete,
            bounded=bounded[0] if bounded else None,
            points=probes(len(continuous)),
        )

    def _refuse(self, cases: Cases, name: str, row: int, why: str) -> NoReturn:
        children = ", ".join(f"'{child}'" for child in sorted(self.children[name]))
        raise InputError(
            f"column '{name}', row {row + 1} (id '{cases.ids[row]}'): got no measured value, and {children} depends on "
            f"it, but it cannot be integrated out: {why}; fill the cell, leave out the row, or let '{name}' depend on "
            f"{children} instead"
        )

    def _children(self, cases: Cases, name: str) -> frozenset[str]:
        """The sites whose log probability changes with the feature's missing entries."""
        column = cases.columns[name]
        rows = (~column.cases_observed).nonzero()[:, 0]
        rows = rows[torch.linspace(0, len(rows) - 1, min(len(rows), LOOKED_AT)).long()]
        index = torch.from_numpy(np.resize(rows.numpy(), max(len(rows), 2 * self.classes)))
        generator = stream(0, "missing").torch()
        changes = _changes(column, self.structure.codes.get(name))
        copies = 1 + len(changes)

        def draw(values: Tensor) -> Tensor:
            at = torch.randint(len(values), (len(index),), generator=generator)
            at[: len(values)] = torch.arange(len(values))[: len(at)]
            return values[at].repeat(copies)

        columns = {
            other: _whole(seen.take(index.repeat(copies))) for other, seen in cases.columns.items()
        }
        values = columns[name].values.reshape(copies, len(index), *column.values.shape[1:]).clone()
        for at, change in enumerate(changes, 1):
            gap = ~column.observed[index]
            gap = gap.reshape(gap.shape + (1,) * (values[at].dim() - gap.dim()))
            values[at] = torch.where(gap, change.to(values.dtype), values[at])
        columns[name] = Column(values.flatten(0, 1), columns[name].observed)
        label = draw(self.structure.label_values)
        discrete = {site: draw(choices) for site, choices in self.structure.summed.items()}
        sites = self.run(columns, label, discrete)
        children = set()
        for site, log_prob in sites.items():
            each = log_prob.expand(copies * len(index)).reshape(copies, -1)
            same = (each == each[0]) | (each.isnan() & each[0].isnan())
            if site != name and not bool(same.all()):
                children.add(site)
        return frozenset(children)


def _whole(column: Column) -> Column:
    """The column with what is missing taken as measured, so that every site shows what it depends on."""
    return Column(column.values, torch.ones_like(column.observed), ballots=column.ballots)


def _changes(column: Column, codes: Tensor | None) -> list[Tensor]:
    """Values to try instead of a missing one, broadcastable to (cases, ...)."""
    if codes is not None:
        return list(codes)
    measured = column.values[column.cases_observed]
    if not len(measured):
        measured = column.values[:1]
    low, high = measured.amin(0), measured.amax(0)
    step = torch.where(low < high, 0, 1).to(low.dtype)
    return [low - step, high + step, torch.full_like(low, torch.nan)]


def _place(column: Column, component: int | None) -> tuple[float, float]:
    """Centre and spread of the measured values, the natural units for a missing one."""
    values, observed = column.values, column.observed
    if component is not None:
        values, observed = values[:, component], observed[:, component]
    measured = values[observed]
    if not len(measured):
        return float(values[0]), 1.0
    spread = float(measured.std()) if len(measured) > 1 else 0.0
    return float(measured.mean()), spread if spread > 0 else 1.0


def _is_unbounded(support: Any) -> bool:
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    return isinstance(support, type(constraints.real))


def _keys(column: Column, joined: Array) -> list[Array]:
    """What tells one pattern from another: for each component 0 measured, 1 missing, 2 censored."""
    if column.observed.dim() == 2:
        return list((joined[:, None] & ~column.observed.numpy()).T.astype(np.int64))
    return [joined * np.where(column.censored.numpy(), 2, 1)]
