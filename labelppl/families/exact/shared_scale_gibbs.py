"""Several numbers: the shared scale by a partially collapsed Gibbs sampler, whole chains at once.

A sweep, with G = delta sum_k Sigma_k^-1, N = K (delta + d - 1) and a = alpha + d - 1:

    delta | S, D            from log p(D | S, delta) + log p(delta), the class means and covariances integrated out
    Sigma_k^-1 | delta, S   ~ W(delta + d - 1 + n_k, Psi_k^-1);  mu_k | Sigma_k as conjugacy has it
    each missing number | mu, Sigma, the rest of its row: normal
    alpha | Sigma           S integrated out: -log Gamma_d(a/2) + a d/2 log a + log Gamma_d((a + N)/2)
                            - (a + N)/2 sum_j log(a + g_j),  g the eigenvalues of v^1/2 G v^1/2
    S | alpha, Sigma        ~ W(a + N, (a diag(1/v) + G)^-1)
    v_j | S                 g_j ~ IG(1, 1 + 1/v_j), v_j ~ IG((a + 1)/2, a S_jj / 2 + 1/g_j)

Only (S, delta, v), with the sums of the rows as completed, is kept: labels integrate the means and covariances out.
Sources: van Dyk and Park, JASA 103 (2008), for the collapsing and its order; Makalic and Schmidt, IEEE Signal Processing
Letters 23 (2016), for the half-Cauchy.
"""

from __future__ import annotations

from dataclasses import dataclass

import arviz as az
import numpy as np

from ...arrays import Array, Floats
from .shared_scale import (
    ALPHAS,
    KAPPA0,
    SPREAD_FLOOR,
    WORTHS,
    ClassSums,
    SharedScale,
    class_sums,
    log_constants,
    multigammaln_rows,
)

CHAINS = 8
BURN_IN = 60
#: One sweep of so many is kept.
THIN = 2
#: Sweeps kept of each chain; fewer where so many nodes would not fit `NODE_NUMBERS`.
KEPT = 50
LEAST_KEPT = 10
NODE_NUMBERS = 2**24
#: The sampler is run again with twice the sweeps, so many times, until its own gate is passed.
DOUBLINGS = 2
#: Limits of R-hat and of effective draws of log |S| and log delta (Vehtari et al., Bayesian Analysis 16, 2021).
MOST_RHAT, LEAST_ESS = 1.05, 100.0


@dataclass(frozen=True)
class Sampled:
    """What the sampler found: the nodes, the sums of the completed rows at each, R-hat and effective draws."""

    shared: SharedScale
    sums: ClassSums
    rhat: float
    ess: float

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the nodes must not be trusted; empty if they qualify."""
        if self.rhat <= MOST_RHAT and self.ess >= LEAST_ESS:
            return ()
        return (
            f"the scale that the classes share did not settle: R-hat {self.rhat:.2f} (at most {MOST_RHAT}), "
            f"{self.ess:.0f} effective draws (at least {LEAST_ESS:.0f}); standardise the columns or drop nearly equal ones",
        )


def by_gibbs(z: Floats, labels: Array, classes: int, rng: np.random.Generator) -> Sampled:
    """The posterior of what the classes share given rows ``z`` (cases, d) in standard units, NaN where missing."""
    sweeps = 1
    while True:
        sampled = _Sampler(z, labels, classes, rng).run(BURN_IN * sweeps, THIN * sweeps)
        if not sampled.problems or sweeps == 2**DOUBLINGS:
            return sampled
        sweeps *= 2


class _Sampler:
    """The rows and the state of all chains."""

    def __init__(self, z: Floats, labels: Array, classes: int, rng: np.random.Generator) -> None:
        self.rng, self.classes, self.d = rng, classes, z.shape[1]
        seen = ~np.isnan(z)
        some = seen.any(-1)
        whole = seen.all(-1)
        self.complete = class_sums(z[whole], labels[whole], classes)
        self.part, self.part_labels = z[some & ~whole], labels[some & ~whole]
        self.count = np.bincount(labels[some], minlength=classes).astype(np.float64)
        self.missing = [np.flatnonzero(column) for column in np.isnan(self.part).T]
        self.constants = log_constants(self.count, self.d)
        d, a = self.d, ALPHAS + self.d - 1
        whole = a + classes * (WORTHS + d - 1)[:, None]
        self.gammas = (
            multigammaln_rows(whole / 2, d) - multigammaln_rows(a / 2, d) + a * d / 2 * np.log(a)
        )
        self.filled = np.broadcast_to(np.nan_to_num(self.part), (CHAINS, *self.part.shape)).copy()

    def run(self, burn_in: int, thin: int) -> Sampled:
        """Kept nodes of all chains after ``burn_in`` sweeps, one of every ``thin``."""
        d, many = self.d, len(self.part) > 0
        size = d * d * (self.classes if many else 1)
        kept = int(np.clip(NODE_NUMBERS // (CHAINS * size), LEAST_KEPT, KEPT))
        sums = self._sums()
        pooled = sums.scatter[0].sum(0) / max(self.count.sum() - self.classes, 1.0)
        scale = np.broadcast_to(pooled + 1e-2 * np.eye(d), (CHAINS, d, d)).copy()
        v = np.diagonal(scale, axis1=-2, axis2=-1).copy()
        nodes: list[tuple[Array, ...]] = []
        for sweep in range(burn_in + kept * thin):
            w = sums.pull(KAPPA0, SPREAD_FLOOR)
            worth = self._draw_worth(scale, w)
            if sweep >= burn_in and (sweep - burn_in) % thin == 0:
                nodes.append((scale, worth, np.sqrt(v), sums.mean, sums.scatter))
            precision = wishart(
                self.rng,
                (worth + d - 1)[:, None] + self.count,
                worth[:, None, None, None] * scale[:, None] + w,
            )
            if many:
                self._complete(precision, sums)
                sums = self._sums()
            g = worth[:, None, None] * precision.sum(1)
            degrees = self.classes * (worth + d - 1)
            a = self._draw_alpha(g, v, worth) + d - 1
            scale = wishart(self.rng, a + degrees, g + (a[:, None] / v)[:, None] * np.eye(d))
            v = self._draw_variances(a, np.diagonal(scale, axis1=-2, axis2=-1), v)
        return self._result(nodes)

    def _draw_worth(self, scale: Floats, w: Floats) -> Floats:
        nu = WORTHS + self.d - 1
        half_log_scale = np.linalg.slogdet(scale)[1] / 2
        log_p = self.constants + half_log_scale[:, None] * (self.classes * nu)
        power = (nu[:, None] + self.count) / 2
        step = max(1, NODE_NUMBERS // (CHAINS * self.classes * self.d**2))
        for first in range(0, len(WORTHS), step):
            some = slice(first, first + step)
            psi = WORTHS[some, None, None, None] * scale[:, None, None] + w[:, None]
            log_p[:, some] -= (power[some] * np.linalg.slogdet(psi)[1]).sum(-1)
        return np.asarray(WORTHS[_choose(self.rng, log_p)])

    def _draw_alpha(self, g: Floats, v: Floats, worth: Floats) -> Floats:
        root = np.sqrt(v)
        eigenvalues = np.linalg.eigvalsh(g * root[:, :, None] * root[:, None]).clip(min=0.0)
        a = ALPHAS + self.d - 1
        half = (a + self.classes * (worth + self.d - 1)[:, None]) / 2
        log_det = np.log(a[:, None] + eigenvalues[:, None]).sum(-1)
        gammas = self.gammas[np.searchsorted(WORTHS, worth)]
        return np.asarray(ALPHAS[_choose(self.rng, gammas - half * log_det)])

    def _draw_variances(self, a: Floats, diagonal: Floats, v: Floats) -> Floats:
        inverse = self.rng.gamma(1.0, 1.0 / (1.0 + 1.0 / v))
        rate = a[:, None] * diagonal / 2 + inverse
        shape = np.broadcast_to((a[:, None] + 1) / 2, rate.shape)
        return np.asarray(np.clip(rate / self.rng.gamma(shape), 1e-14, 1e14))

    def _complete(self, precision: Floats, sums: ClassSums) -> None:
        """Draw each missing number given the rest of its row, column by column, from class means and precisions."""
        pull = KAPPA0 + self.count
        noise = self.rng.normal(size=(CHAINS, self.classes, self.d, 1))
        away = _solve_turned(np.linalg.cholesky(precision), noise)[..., 0]
        mean = (self.count / pull)[:, None] * sums.mean + away / np.sqrt(pull)[:, None]
        for j, rows in enumerate(self.missing):
            y = self.part_labels[rows]
            own = precision[:, y, j]
            at = own[..., j]
            residual = (own * (self.filled[:, rows] - mean[:, y])).sum(-1)
            noise = self.rng.normal(size=at.shape)
            self.filled[:, rows, j] += noise / np.sqrt(at) - residual / at

    def _sums(self) -> ClassSums:
        """Sums of the complete and the completed rows, (1 or chains, ...)."""
        if not len(self.part):
            return self.complete
        count, mean, scatter = self.complete.count, self.complete.mean, self.complete.scatter
        total = count[:, None] * mean + np.zeros((CHAINS, 1, 1))
        square = scatter + count[:, None, None] * mean[..., :, None] * mean[..., None, :]
        square = square + np.zeros((CHAINS, 1, 1, 1))
        for k in np.unique(self.part_labels):
            rows = self.filled[:, self.part_labels == k]
            total[:, k] += rows.sum(1)
            square[:, k] += _turned(rows) @ rows
        center = total / np.maximum(self.count, 1.0)[:, None]
        outer = center[..., :, None] * center[..., None, :]
        return ClassSums(self.count, center, square - self.count[:, None, None] * outer)

    def _result(self, nodes: list[tuple[Array, ...]]) -> Sampled:
        """The nodes of all chains as one list, with R-hat and effective draws of log |S| and log delta."""
        scale, worth, spread, mean, scatter = (
            np.stack(each, 1) for each in zip(*nodes, strict=True)
        )
        told = {"size": np.linalg.slogdet(scale)[1], "worth": np.log(worth)}
        moving = {name: value for name, value in told.items() if np.ptp(value) > 0}
        rhat = [float(az.rhat(value)) for value in moving.values()]
        ess = [float(az.ess(value)) for value in moving.values()]
        scale, worth, spread = (x.reshape(-1, *x.shape[2:]) for x in (scale, worth, spread))
        if len(self.part):
            mean, scatter = (x.reshape(-1, *x.shape[2:]) for x in (mean, scatter))
        else:
            mean, scatter = self.complete.mean, self.complete.scatter
        n = len(worth)
        shared = SharedScale(scale, worth, np.full(n, -np.log(n)), spread)
        return Sampled(shared, ClassSums(self.count, mean, scatter), max(rhat), min(ess))


def wishart(rng: np.random.Generator, df: Floats, precision: Floats) -> Floats:
    """Draws (..., d, d) of W(df, precision^-1), df (...), by Bartlett's factor."""
    d = precision.shape[-1]
    factor = np.tril(rng.normal(size=precision.shape), -1)
    at = np.arange(d)
    degrees = np.broadcast_to(df[..., None], precision.shape[:-1]) - at
    factor[..., at, at] = np.sqrt(2 * rng.gamma(degrees / 2))
    root = _solve_turned(np.linalg.cholesky(precision), factor)
    return np.asarray(root @ _turned(root))


def _solve_turned(root: Array, right: Floats) -> Floats:
    """root^-T right."""
    return np.asarray(np.linalg.solve(np.swapaxes(root, -1, -2), right), dtype=np.float64)


def _turned(x: Floats) -> Floats:
    return np.swapaxes(x, -1, -2)


def _choose(rng: np.random.Generator, log_p: Floats) -> Array:
    """An index along the last axis with probability proportional to exp(log_p)."""
    return np.asarray((log_p + rng.gumbel(size=log_p.shape)).argmax(-1))
