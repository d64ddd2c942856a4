"""Digests that tell whether a case is still the one that was fitted: twelve bytes a case, whatever its columns hold.

Numbers count to `BITS` bits: what another computer's rounding may change does not count, and what a hand may change does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from ..arrays import Array
from ..features import Ballots, Column
from .cases import Cases

#: Bits of a number's mantissa that a digest sees: a relative change above 4e-9.
BITS = 28
#: Odd numbers that keep the parts of a digest apart (Knuth's and Steele's multipliers).
STEP, SECOND = np.uint64(6364136223846793005), np.uint64(11400714819323198485)


@dataclass(frozen=True)
class CaseDigests:
    """ids (cases,) uint64 of the cases' ids. content (cases,) uint32 of label and columns. columns: for the label and each
    column the sum over the cases, so that it does not depend on their order.
    """

    ids: Array
    content: Array
    columns: dict[str, int]


def case_digests(cases: Cases, label_name: str) -> CaseDigests:
    """The digests of ``cases``."""
    ids = id_digests(cases.ids)
    parts = {label_name: _mix(cases.labels.astype(np.int64).view(np.uint64))}
    parts |= {name: _column(column) for name, column in cases.columns.items()}
    content = np.zeros(len(ids), dtype=np.uint64)
    for part in parts.values():
        content = content * STEP + part
    sums = {name: int((ids * SECOND + part).sum()) for name, part in parts.items()}
    return CaseDigests(ids, (content >> np.uint64(32)).astype(np.uint32), sums)


def id_digests(ids: Array) -> Array:
    """(cases,) uint64, one for each id."""
    return np.asarray(pd.util.hash_array(np.asarray(ids, dtype=object), categorize=False))


def _column(column: Column) -> Array:
    values = column.values.double().reshape(len(column.values), -1)
    observed = column.observed.reshape(len(values), -1).expand_as(values)
    digest = np.zeros(len(values), dtype=np.uint64)
    for j in range(values.shape[1]):
        digest = digest * STEP + np.where(observed[:, j].numpy(), _numbers(values[:, j]), 0)
    if column.low is not None and column.high is not None:
        ends = _numbers(column.low) * STEP + _numbers(column.high)
        digest = digest + np.where(column.censored.numpy(), ends, 0)
    return digest if column.ballots is None else digest * STEP + _ballots(column.ballots)


def _ballots(ballots: Ballots) -> Array:
    """(cases,) of who said what."""
    one = _mix(ballots.rater.numpy().astype(np.int64).view(np.uint64))
    said = ballots.said.double().reshape(len(one), -1)
    for j in range(said.shape[1]):
        one = one * STEP + _numbers(said[:, j])
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), one.cumsum()])
    start = ballots.start.numpy()
    return np.asarray(sums[start[1:]] - sums[start[:-1]])


def _numbers(values: Tensor) -> Array:
    """(cases,) of numbers, to `BITS` bits."""
    bits = (values.double().numpy() + 0.0).view(np.uint64)  # adding 0 makes -0 and 0 the same
    drop = np.uint64(52 - BITS)
    return _mix(((bits >> (drop - np.uint64(1))) + np.uint64(1)) >> np.uint64(1))


def _mix(values: Array) -> Array:
    """(cases,) uint64 whose bits all depend on all bits (the finaliser of splitmix64)."""
    x: Any = values * STEP + SECOND
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))
