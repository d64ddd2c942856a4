"""The prior of class covariances that lets the data say how alike the classes are, and its posterior's record.

In standard units (the table's mean and standard deviation), for K classes of d numbers:

    Sigma_k | S, delta, c ~ IW(delta + d - 1, delta c_k S)   p(delta) ~ 1 / delta on 1, 2, 4, ..., 128
    c_k | tau  ~ Gamma(tau / 2, tau / 2)                     tau uniform on 1/2, 2, 8, 32, 128; c_k = 1 where d = 1
    S | alpha, v ~ W(a, diag(v) / a)                         a = alpha + d - 1, alpha uniform on 1, 2, 4, ..., 32
    sqrt(v_j)  ~ half-Cauchy(1)                              mu_k | Sigma_k ~ N(0, Sigma_k / kappa0)

times exp(-eps tr(Sigma_k^-1) / 2) for each class, eps = .05. delta says how many cases the common S is worth to each class:
at 128 the classes all but share one covariance (LDA), at 1 each has its own (QDA). c_k is the size of class k: a class ten
times as wide as another can still have its shape, so that delta says how alike the shapes are. tau says how alike the sizes
are. With one number shape and size are the same, and c_k is 1. alpha shrinks S towards a diagonal. The last factor keeps a class of nearly collinear columns from a density without bound. Given (S, delta, c) the
classes are independent and conjugate:

    W_k = eps I + scatter_k + kappa0 n_k / (kappa0 + n_k) zbar_k zbar_k^T,     Psi_k = delta c_k S + W_k
    log p(D | S, delta, c) = sum_k [nu/2 log|delta c_k S| - (nu + n_k)/2 log|Psi_k| + log Gamma_d((nu + n_k)/2) - log Gamma_d(nu/2)]

Sources: Murphy, Conjugate Bayesian analysis of the Gaussian distribution (2007), 9; for scales with half-Cauchy priors,
Gelman, Bayesian Analysis 1 (2006).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import multigammaln

from ...arrays import Array, Floats

#: Cases that the common scale is worth to each class, and the log of their prior weights.
WORTHS: Floats = np.exp2(np.arange(8, dtype=np.float64))
LOG_P_WORTH: Floats = -np.log(WORTHS)
#: How alike the sizes of the classes are: degrees of freedom of c_k.
LIKENESSES: Floats = 2.0 * np.exp2(np.arange(-2.0, 8.0, 2.0))
#: How strongly the common scale is drawn to a diagonal one.
ALPHAS: Floats = np.exp2(np.arange(6, dtype=np.float64))
#: eps above, in units of the table's variance; without it near-collinear columns are over-exploited.
SPREAD_FLOOR = 0.05
#: Prior cases' worth of belief that a class lies at the table's mean. Of .1, .3, .5 and 1 it has the lowest log-loss over worlds
#: of overlapping, distant, unequal and rare classes, none of them reported; at .1 overlapping classes look too different, and
#: intervals cover less.
KAPPA0 = 0.3


@dataclass(frozen=True)
class SharedScale:
    """Weighted values of what the classes share.

    scale (nodes, d, d): S. worth (nodes,): delta. size (nodes, classes): c. log_weights (nodes,), of which the exponentials sum to one. spread
    (nodes, d): sqrt(v) where the nodes are draws, whose weights leave-one-out must smooth; None for a quadrature.
    """

    scale: Floats
    worth: Floats
    size: Floats
    log_weights: Floats
    spread: Floats | None


@dataclass(frozen=True)
class ClassSums:
    """What the rows of each class say: count (classes,) or (nodes, classes), mean (1 or nodes, classes, d), scatter (..., classes, d, d)
    about the mean. With one node for all of them where nothing was missing.
    """

    count: Floats
    mean: Floats
    scatter: Floats

    def pull(self, kappa0: float, floor: float) -> Floats:
        """W_k (..., classes, d, d)."""
        d = self.mean.shape[-1]
        weight = kappa0 * self.count / (kappa0 + self.count)
        outer = self.mean[..., :, None] * self.mean[..., None, :]
        return np.asarray(
            floor * np.eye(d) + self.scatter + weight[..., None, None] * outer, dtype=np.float64
        )


def class_sums(z: Floats, labels: Array, classes: int) -> ClassSums:
    """Sums of complete rows ``z`` (cases, d) by label, with one node."""
    count = np.bincount(labels, minlength=classes).astype(np.float64)
    mean = np.zeros((classes, z.shape[1]))
    scatter = np.zeros((classes, z.shape[1], z.shape[1]))
    for k in np.flatnonzero(count):
        rows = z[labels == k]
        mean[k] = rows.mean(0)
        away = rows - mean[k]
        scatter[k] = away.T @ away
    return ClassSums(count, mean[None], scatter[None])


def log_constants(count: Floats, d: int) -> Floats:
    """The part of log p(D | S, delta) that depends on delta alone, (..., worth), with its prior; count (..., classes)."""
    nu = (WORTHS + d - 1)[:, None]
    by_class = (
        multigammaln_rows((nu + count[..., None, :]) / 2, d)
        - multigammaln_rows(nu / 2, d)
        + nu / 2 * d * np.log(WORTHS[:, None])
    )
    return np.asarray(by_class.sum(-1) + LOG_P_WORTH)


def multigammaln_rows(a: Floats, d: int) -> Floats:
    """log Gamma_d of every element of ``a``."""
    return np.asarray(multigammaln(a, d))
