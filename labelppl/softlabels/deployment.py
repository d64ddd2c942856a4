"""The prevalence of cases whose labels nobody knows, from their measurements alone.

Saerens, Latinne & Decaestecker (2002): with f_k(z) the class densities, the likelihood prod_i sum_k pi'_k f_k(z_i) has its
maximum at the fixed point of

    pi'_k <- sum_i w_i pi'_k f_k(z_i) / sum_j pi'_j f_j(z_i)

found by EM. Its uncertainty is that of the densities, one posterior draw theta_s each, and, given theta_s, that of the
finite number of cases: from the fixed point, `SWEEPS` sweeps of

    y_i ~ p(k | z_i, theta_s, pi'),   pi' ~ Dirichlet(1/2 + counts)

of which the last pi'_s is kept. A label is then drawn with the pair (theta_s, pi'_s), weighed by sum_k pi'_sk f_k(z | theta_s):
passing on the mean of pi' alone makes intervals too narrow. A rare class stays a little overestimated: read the interval.

Assumption: only p(Y) differs from the study; p(Z|Y) is the same. A discriminative model has no f_k, but by Bayes' rule
p(k|z) / pi_k is proportional to it in k, with pi the study's prevalence.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Generator, Tensor

from ..arrays import Array
from ..errors import InputError
from ..posterior import Posterior
from ..seeds import stream
from ..table import Cases, match_ids
from .predictive import shift

EM_ITERATIONS = 2000
EM_TOLERANCE = 1e-9
#: How far from the fixed point the sweeps may start, which forget it.
START_TOLERANCE = 1e-4

#: Sweeps of labels and prevalence for each draw, and the Dirichlet count of each class in them (Jeffreys).
SWEEPS, PSEUDO_COUNT = 20, 0.5
#: Smallest prevalence that the sweeps start from.
LEAST_START = 1e-3
#: Pairs of parameters and prevalence by default.
PAIRS = 1000
#: Numbers of p(Y|Z) held while a prevalence is estimated (512 MiB), but never fewer draws than the least.
ESTIMATE_NUMBERS, LEAST_DRAWS = 2**26, 100


@dataclass(frozen=True)
class PrevalenceEstimate:
    """p(Y) of new cases: mean, lo, hi (classes,), the last two holding 90 %; draws (draws, classes).

    rows (draws,): the draw of the fit that each goes with.
    """

    classes: tuple[str, ...]
    draws: Array
    rows: Array

    @property
    def mean(self) -> Array:
        """(classes,) posterior mean; sums to one."""
        return np.asarray(self.draws.mean(0))

    @property
    def lo(self) -> Array:
        """(classes,) lower end of the 90 % interval."""
        return np.asarray(np.quantile(self.draws, 0.05, axis=0))

    @property
    def hi(self) -> Array:
        """(classes,) upper end of the 90 % interval."""
        return np.asarray(np.quantile(self.draws, 0.95, axis=0))

    def to_frame(self) -> pd.DataFrame:
        """One row per class."""
        return pd.DataFrame(
            {"class": self.classes, "prevalence": self.mean, "lo": self.lo, "hi": self.hi}
        )


def estimate_prevalence(
    posterior: Posterior, cases: Cases, *, draws: int = PAIRS, seed: int = 0
) -> PrevalenceEstimate:
    """Prevalence among ``cases`` (their labels are not looked at), given a fitted label model.

    draws: at most so many, fewer where they would hold more than `ESTIMATE_NUMBERS` numbers. Raises InputError where a case was
    fitted, since its label has been seen, or where there are fewer than two cases.
    """
    seen = match_ids(cases.ids, posterior.cases.ids) >= 0
    if seen.any():
        raise InputError(
            f"case '{cases.ids[int(np.flatnonzero(seen)[0])]}': was fitted, so it is of the study; "
            "give a table of new cases to estimate their prevalence"
        )
    if len(cases) < 2:
        raise InputError(
            f"prevalence: got {len(cases)} case, expected at least two to estimate it from"
        )
    draws = max(LEAST_DRAWS, min(draws, ESTIMATE_NUMBERS // (len(cases) * len(cases.classes))))
    generator = stream(seed, "prevalence").torch()
    rows = torch.multinomial(
        posterior.log_weights.exp(), draws, replacement=True, generator=generator
    )
    values = {name: value[rows] for name, value in posterior.values.items()}
    with torch.no_grad():
        joint, label = posterior.density.class_log_joint(values, cases)
        # Under a uniform prevalence, p(k|z) is proportional to f_k(z).
        uniform = torch.full((len(cases.classes),), 1 / len(cases.classes), dtype=joint.dtype)
        f = torch.softmax(joint + shift(posterior.density, values, label, uniform), -1)
    even = torch.full(f.shape[:2], 1 / len(cases), dtype=f.dtype)
    start = most_likely_prevalence(f, even, START_TOLERANCE)
    pi = draw_prevalence(f, start, generator)
    return PrevalenceEstimate(cases.classes, pi.numpy(), rows.numpy())


def draw_prevalence(f: Tensor, start: Tensor, generator: Generator) -> Tensor:
    """One pi (draws, classes) given each draw's densities ``f`` (draws, cases, classes), from ``start`` (draws, classes)."""
    classes = f.shape[-1]
    pi = start.clamp(min=LEAST_START)
    for _ in range(SWEEPS):
        cumulative = (pi[:, None] * f).cumsum(-1)
        u = torch.rand(f.shape[:2], generator=generator, dtype=f.dtype) * cumulative[..., -1]
        y = (cumulative[..., :-1] < u[..., None]).sum(-1)
        counts = torch.nn.functional.one_hot(y, classes).sum(1)
        gamma = torch._standard_gamma(PSEUDO_COUNT + counts.to(f.dtype), generator=generator)
        pi = (gamma / gamma.sum(-1, keepdim=True)).clamp(min=torch.finfo(f.dtype).tiny)
    return pi


def most_likely_prevalence(f: Tensor, weights: Tensor, tolerance: float = EM_TOLERANCE) -> Tensor:
    """The maximum over pi (draws, classes) of sum_i w_i log sum_k pi_k f_k(z_i).

    f: (draws, cases, classes), up to a factor per case. weights: (draws, cases), rows summing to one. tolerance: the largest
    step at which EM stops.
    """
    pi = torch.full((len(f), f.shape[-1]), 1.0 / f.shape[-1], dtype=f.dtype)
    for _ in range(EM_ITERATIONS):
        share = weights / (f @ pi[..., None])[..., 0]
        new = pi * (share[:, None] @ f)[:, 0]
        moved = float((new - pi).abs().max())
        pi = new
        if moved < tolerance:
            break
    return pi / pi.sum(-1, keepdim=True)
