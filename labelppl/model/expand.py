"""One run of the model for many (case, class) pairs: each pair becomes one or more rows of the cases plate.

A pair has one row for every combination of the discrete sites that are summed over and, where missing or censored parents
must be integrated out (`missing`), for every value of a missing discrete parent and every probe point of the missing
continuous ones. `Expansion.reduce` turns the rows' log densities back into one number per pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..arrays import Array
from ..features import Column
from ..table import Cases
from .gaussian import log_integral
from .missing import Pattern, Relations
from .structure import Structure

#: Case index and class index of each pair, both (pairs,).
CaseClassPairs = tuple[Array, Array]


@dataclass(frozen=True)
class Block:
    """Consecutive rows that share a pattern, laid out as (configurations, probes, pairs)."""

    first: int
    configurations: int
    probes: int
    pairs: int
    dim: int
    log_scale: float
    bounded: int | None
    low: Tensor | None
    high: Tensor | None

    @property
    def stop(self) -> int:
        """One past the last row."""
        return self.first + self.configurations * self.probes * self.pairs

    def reduce(self, joint: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """(pairs,) joint and label part, from those of all rows (rows,)."""
        shape = (self.configurations, self.probes, self.pairs)
        f = joint[self.first : self.stop].reshape(shape)
        labels = label[self.first : self.stop].reshape(shape)[:, 0]
        if self.dim:
            f = log_integral(f.movedim(1, 0), self.dim, self.bounded, self.low, self.high)
            f = f + self.log_scale
        else:
            f = f[:, 0]
        if self.configurations == 1:
            return f[0], labels[0]
        return torch.logsumexp(f, 0), torch.logsumexp(labels, 0)


@dataclass(frozen=True)
class Expansion:
    """What one run of the model needs, and how its rows come back together.

    columns, label (rows,) and discrete (rows,) clamp the model's sites; order (pairs,) is where each pair stands after the
    blocks are put end to end; apart (rows,): for each missing discrete feature, the rows in which it is summed over.
    """

    size: int
    columns: Mapping[str, Column]
    label: Tensor
    discrete: Mapping[str, Tensor]
    blocks: tuple[Block, ...]
    order: Tensor | None
    apart: Mapping[str, Tensor]

    def reduce(self, joint: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """(pairs,) log p(z, y) and its label part, from the rows' joint (rows,) and discrete part (rows,)."""
        parts = [block.reduce(joint, label) for block in self.blocks]
        if len(parts) == 1:
            together = parts[0]
        else:
            together = (torch.cat([p[0] for p in parts]), torch.cat([p[1] for p in parts]))
        if self.order is None:
            return together
        return together[0][self.order], together[1][self.order]


def expand(
    cases: Cases,
    structure: Structure,
    relations: Relations,
    pairs: CaseClassPairs,
    *,
    only: Pattern | None = None,
) -> Expansion:
    """The rows for the pairs; ``only``: a pattern all cases share, instead of what they miss."""
    of_case, of_class = pairs
    which, patterns = (
        relations.patterns(cases)
        if only is None
        else (np.zeros(len(cases), dtype=np.int64), (only,))
    )
    blocks: list[Block] = []
    rows: list[Array] = []
    codes: dict[str, list[Tensor]] = {name: [] for name in structure.summed}
    fills: list[tuple[Pattern, slice, dict[str, Tensor], Tensor]] = []
    first, order = 0, []
    for at, pattern in enumerate(patterns):
        members = np.flatnonzero(which[of_case] == at)
        if not len(members):
            continue
        order.append(members)
        grids = {**structure.summed, **pattern.discrete}
        combinations = _product(grids)
        c = max(1, len(next(iter(combinations.values()), ())))
        p, t = len(pattern.points), len(members)
        low = high = None
        if pattern.bounded is not None:
            low, high = pattern.bounds(cases, of_case[members])
        block = Block(first, c, p, t, pattern.dim, pattern.log_scale, pattern.bounded_at, low, high)
        blocks.append(block)
        rows.append(np.tile(members, c * p))
        for name in structure.summed:
            codes[name].append(combinations[name].repeat_interleave(p * t))
        if not pattern.simple:
            values = {n: combinations[n].repeat_interleave(p * t) for n in pattern.discrete}
            fills.append(
                (
                    pattern,
                    slice(first, block.stop),
                    values,
                    torch.arange(p).repeat_interleave(t).repeat(c),
                )
            )
        first = block.stop
    chosen = np.concatenate(rows)
    index = torch.from_numpy(of_case[chosen])
    columns = {name: column.take(index) for name, column in cases.columns.items()}
    apart: dict[str, Tensor] = {}
    for pattern, where, values, point in fills:
        columns = pattern.fill(columns, where, values, point)
        for name in pattern.discrete:
            apart.setdefault(name, torch.zeros(first, dtype=torch.bool))[where] = True
    inverse = None
    if len(blocks) > 1:
        back = np.empty(len(of_case), dtype=np.int64)
        back[np.concatenate(order)] = np.arange(len(of_case))
        inverse = torch.from_numpy(back)
    return Expansion(
        size=first,
        columns=columns,
        label=structure.label_values[torch.from_numpy(of_class[chosen])],
        discrete={name: torch.cat(parts) for name, parts in codes.items()},
        blocks=tuple(blocks),
        order=inverse,
        apart=apart,
    )


def _product(grids: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every combination of the values, by name, each (combinations,)."""
    if not grids:
        return {}
    index = torch.cartesian_prod(*[torch.arange(len(values)) for values in grids.values()])
    index = index.reshape(-1, len(grids))
    return {name: values[index[:, j]] for j, (name, values) in enumerate(grids.items())}


def all_pairs(cases: Array, classes: int) -> CaseClassPairs:
    """Each of the cases (cases,) with each class in turn."""
    return np.repeat(cases, classes), np.tile(np.arange(classes), len(cases))
