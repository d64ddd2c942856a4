"""Random matrices and choices, for many chains at once."""

from __future__ import annotations

import numpy as np

from ...arrays import Array, Floats


def wishart(rng: np.random.Generator, df: Floats, precision: Floats) -> Floats:
    """Draws (..., d, d) of W(df, precision^-1), df (...), by Bartlett's factor."""
    d = precision.shape[-1]
    factor = np.tril(rng.normal(size=precision.shape), -1)
    at = np.arange(d)
    degrees = np.broadcast_to(df[..., None], precision.shape[:-1]) - at
    factor[..., at, at] = np.sqrt(2 * rng.gamma(degrees / 2))
    root = solve_transposed(np.linalg.cholesky(precision), factor)
    return np.asarray(root @ transpose(root))


def solve_transposed(root: Array, right: Floats) -> Floats:
    """root^-T right."""
    return np.asarray(np.linalg.solve(np.swapaxes(root, -1, -2), right), dtype=np.float64)


def transpose(x: Floats) -> Floats:
    """The transposes."""
    return np.swapaxes(x, -1, -2)


def pick(rng: np.random.Generator, log_p: Floats) -> Array:
    """An index along the last axis with probability proportional to exp(log_p)."""
    return np.asarray((log_p + rng.gumbel(size=log_p.shape)).argmax(-1))
