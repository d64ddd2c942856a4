"""Log density of what was measured at one site: missing entries integrated out, censored entries as tail mass.

A missing scalar integrates to one, so it adds nothing. A vector with some components missing has the marginal density of
the others: exact for independent components, the multivariate normal and the multivariate Student t. A censored entry
adds log(F(high) - F(low)), by the tails of the law in which it lies. All of this holds for a site that no other site depends on; `missing` handles the others.
"""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor

from ..distributions import AxialVonMises, MultivariateLogitNormal, MultivariateLogNormal, VonMises
from ..distributions.log_density import log_density
from ..distributions.log_mass import log_mass
from ..errors import InputError
from ..features import Column

_PERIODIC = (VonMises, dist.VonMises, AxialVonMises)

#: Vectors whose marginal is of the same kind.
NORMAL = dist.MultivariateNormal | MultivariateLogNormal | MultivariateLogitNormal


def observed_log_prob(name: str, fn: Any, column: Column) -> Tensor:
    """Log density of the column's observed part, with the cases as the last axis, or broadcastable to it."""
    if column.partial:
        return _vector(name, fn, column)
    log_prob = log_density(fn, column.value, None if column.complete else column.cases_observed)
    if column.low is None:
        return log_prob
    return torch.where(column.censored, _interval(name, fn, column), log_prob)


def _interval(name: str, fn: Any, column: Column) -> Tensor:
    """log(F(high) - F(low)) (cases,); cells that are not censored get a harmless value."""
    assert column.low is not None
    assert column.high is not None
    # NaN of other cells would poison gradients, even where it is not selected.
    low = torch.where(column.censored, column.low, -torch.inf)
    high = torch.where(column.censored, column.high, torch.inf)
    if isinstance(fn, _PERIODIC):
        low = torch.where(column.censored, low, column.values)
        high = torch.where(column.censored, high, column.values + 1e-3)
    try:
        return log_mass(fn, low, high, column.values)
    except NotImplementedError as error:
        raise InputError(
            f"site '{name}': censored entries need a law with a distribution function, {type(_base(fn)).__name__} has "
            "none here; use one of labelppl.distributions, give your own law a method cdf, or leave the cells empty"
        ) from error


def _vector(name: str, fn: Any, column: Column) -> Tensor:
    """Rows with some components missing: the marginal density of the others, pattern by pattern."""
    if isinstance(fn, dist.Independent) and fn.reinterpreted_batch_ndims == 1:
        parts = fn.base_dist.log_prob(column.values)
        return torch.where(column.observed, parts, 0.0).sum(-1)
    pieces = []
    for rows, kept in column.patterns:
        if len(kept) == 0:
            pieces.append(column.values.new_zeros(len(rows)))
        else:
            marginal = _marginal(name, fn, rows, kept)
            pieces.append(marginal.log_prob(column.values[rows][:, kept]).expand(len(rows)))
    return torch.cat(pieces)[torch.argsort(torch.cat([rows for rows, _ in column.patterns]))]


def _marginal(name: str, fn: Any, rows: Tensor, kept: Tensor) -> Any:
    """The distribution of the components ``kept`` for the cases ``rows``."""
    loc, tril = getattr(fn, "loc", None), getattr(fn, "scale_tril", None)
    if not isinstance(fn, NORMAL | dist.MultivariateStudentT) or loc is None or tril is None:
        raise InputError(
            f"site '{name}': a vector with some components missing needs independent components, a MultivariateNormal "
            f"(plain, log or logit) or a MultivariateStudentT, got {type(_base(fn)).__name__}; use one of them or declare the columns as "
            "separate features"
        )
    if loc.dim() > 1 and loc.shape[-2] > 1:
        loc = loc[..., rows, :]
    if tril.dim() > 2 and tril.shape[-3] > 1:
        tril = tril[..., rows, :, :]
    loc, tril = loc[..., kept], tril[..., kept, :]
    # T T' = R' R with T' = Q R: a factor of the marginal covariance that exists for every draw, however extreme.
    upper = torch.linalg.qr(tril.mT).R
    part = (upper * upper.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-1)).mT
    if isinstance(fn, dist.MultivariateStudentT):
        df = fn.df[..., rows] if fn.df.dim() and fn.df.shape[-1] > 1 else fn.df
        return dist.MultivariateStudentT(df, loc, part, validate_args=False)
    law: Any = type(fn)
    return law(loc, scale_tril=part, validate_args=False)


def _base(fn: Any) -> Any:
    while hasattr(fn, "base_dist"):
        fn = fn.base_dist
    return fn
