"""The numbers of a column on the scale on which they are normal."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from ...features import Column

#: What the numbers are before they are normal.
Scale = Literal["plain", "log", "logit"]


def matrix(column: Column) -> tuple[Tensor, Tensor]:
    """Values and observed as (cases, d), also where the feature is a single number."""
    if column.values.dim() == 1:
        return column.values[:, None], column.observed[:, None]
    observed = column.observed
    return column.values, observed if observed.dim() == 2 else observed[:, None].expand(
        column.values.shape
    )


def to_scale(values: Tensor, observed: Tensor, how: Scale) -> tuple[Tensor, Tensor]:
    """The numbers (cases, d) on their scale, and the log of dz / d(scale) (cases,) of what was observed."""
    if how == "plain":
        return values, values.new_zeros(len(values))
    if how == "log":
        moved = torch.log(torch.where(observed, values, 1.0))
        return moved, moved.sum(-1)
    inside = torch.where(observed, values, 0.5)
    moved = torch.logit(inside)
    log_slope = torch.log(inside) + torch.log1p(-inside)
    return moved, torch.where(observed, log_slope, 0.0).sum(-1)
