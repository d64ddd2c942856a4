"""Log density of what was measured at one site: missing entries integrated out, censored entries as tail mass.

A missing scalar integrates to one, so it adds nothing. A vector with some components missing has the marginal density of
the others: exact for independent components, the multivariate normal and the multivariate Student t. A censored entry
adds log(F(high) - F(low)).
"""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor

from ..errors import InputError
from ..features import Column


def observed_log_prob(name: str, fn: Any, column: Column) -> Tensor:
    """Log density of the column's observed part, with the cases as the last axis, or broadcastable to it."""
    if column.observed.dim() == 2 and not _whole_rows(column.observed):
        return _vector(name, fn, column)
    log_prob = fn.log_prob(column.values)
    if column.low is not None:
        log_prob = torch.where(column.censored, _interval(name, fn, column), log_prob)
    present = column.cases_observed | column.censored
    if bool(present.all()):
        return log_prob
    return torch.where(present, log_prob, 0.0)


def _whole_rows(observed: Tensor) -> bool:
    return bool((observed.all(-1) == observed.any(-1)).all())


def _interval(name: str, fn: Any, column: Column) -> Tensor:
    """log(F(high) - F(low)) (cases,); cells that are not censored hold a harmless value."""
    assert column.low is not None
    assert column.high is not None
    low = torch.where(torch.isfinite(column.low), column.low, column.values)
    high = torch.where(torch.isfinite(column.high), column.high, column.values)
    try:
        below, above = fn.cdf(low), fn.cdf(high)
    except NotImplementedError as error:
        raise InputError(
            f"site '{name}': censored entries need a distribution with a cdf, {_kind(fn)} has none here; "
            "use one of labelppl.families.distributions or leave the cells empty"
        ) from error
    below = torch.where(column.low == -torch.inf, 0.0, below)
    above = torch.where(column.high == torch.inf, 1.0, above)
    mass = torch.where(column.censored, above - below, 1.0)
    return torch.log(mass.clamp(min=torch.finfo(mass.dtype).tiny))


def _vector(name: str, fn: Any, column: Column) -> Tensor:
    """Rows with some components missing: the marginal density of the others, pattern by pattern."""
    if isinstance(fn, dist.Independent) and fn.reinterpreted_batch_ndims == 1:
        parts = fn.base_dist.log_prob(column.values)
        return torch.where(column.observed, parts, 0.0).sum(-1)
    patterns, which = torch.unique(column.observed, dim=0, return_inverse=True)
    pieces, order = [], []
    for at, pattern in enumerate(patterns):
        rows = (which == at).nonzero()[:, 0]
        kept = pattern.nonzero()[:, 0]
        order.append(rows)
        if len(kept) == 0:
            pieces.append(column.values.new_zeros(len(rows)))
        else:
            marginal = _marginal(name, fn, rows, kept)
            pieces.append(marginal.log_prob(column.values[rows][:, kept]).expand(len(rows)))
    return torch.cat(pieces)[torch.argsort(torch.cat(order))]


def _marginal(name: str, fn: Any, rows: Tensor, kept: Tensor) -> Any:
    """The distribution of the components ``kept`` for the cases ``rows``."""
    loc, tril = getattr(fn, "loc", None), getattr(fn, "scale_tril", None)
    if (
        not isinstance(fn, dist.MultivariateNormal | dist.MultivariateStudentT)
        or loc is None
        or tril is None
    ):
        raise InputError(
            f"site '{name}': a vector with some components missing needs independent components, a MultivariateNormal "
            f"or a MultivariateStudentT, got {_kind(fn)}; use one of them or declare the columns as separate features"
        )
    if loc.dim() > 1 and loc.shape[-2] > 1:
        loc, tril = loc[..., rows, :], tril[..., rows, :, :]
    loc, tril = loc[..., kept], tril[..., kept, :]
    part = torch.linalg.cholesky(tril @ tril.transpose(-1, -2))
    if isinstance(fn, dist.MultivariateStudentT):
        df = fn.df[..., rows] if fn.df.dim() and fn.df.shape[-1] > 1 else fn.df
        return dist.MultivariateStudentT(df, loc, part, validate_args=False)
    return dist.MultivariateNormal(loc, scale_tril=part, validate_args=False)


def _kind(fn: Any) -> str:
    while hasattr(fn, "base_dist"):
        fn = fn.base_dist
    return type(fn).__name__
