"""The prevalence of cases whose labels nobody knows, from their measurements alone.

Saerens, Latinne & Decaestecker (2002): with f_k(z) the class densities, the likelihood prod_i sum_k pi'_k f_k(z_i) has its
maximum at the fixed point of

    pi'_k <- sum_i w_i pi'_k f_k(z_i) / sum_j pi'_j f_j(z_i)

found by EM. Its uncertainty has two sources, and both are drawn: the densities' parameters, one posterior draw theta_s
each, and the finite number of cases, whose weights w are Dirichlet(1, ..., 1) (Bayesian bootstrap, Rubin 1981).

Assumption: only p(Y) differs from the study; p(Z|Y) is the same. A discriminative model has no f_k, but by Bayes' rule
p(k|z) / pi_k is proportional to it in k, with pi the study's prevalence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from ..errors import InputError
from ..posterior import Posterior
from ..table import Cases, match_ids

EM_ITERATIONS = 2000
EM_TOLERANCE = 1e-9


@dataclass(frozen=True)
class PrevalenceEstimate:
    """p(Y) of new cases: mean, lo, hi (classes,), the last two holding 90 %; draws (draws, classes)."""

    classes: tuple[str, ...]
    draws: npt.NDArray[Any]

    @property
    def mean(self) -> npt.NDArray[Any]:
        """(classes,) posterior mean; sums to one."""
        return np.asarray(self.draws.mean(0))

    @property
    def lo(self) -> npt.NDArray[Any]:
        """(classes,) lower end of the 90 % interval."""
        return np.asarray(np.quantile(self.draws, 0.05, axis=0))

    @property
    def hi(self) -> npt.NDArray[Any]:
        """(classes,) upper end of the 90 % interval."""
        return np.asarray(np.quantile(self.draws, 0.95, axis=0))

    def to_frame(self) -> pd.DataFrame:
        """One row per class."""
        return pd.DataFrame(
            {"class": self.classes, "prevalence": self.mean, "lo": self.lo, "hi": self.hi}
        )

    def as_mapping(self) -> dict[str, float]:
        """Class -> mean, as ``soft_labels(prevalence=...)`` takes it."""
        return dict(zip(self.classes, map(float, self.mean), strict=True))


def estimate_prevalence(
    posterior: Posterior, cases: Cases, *, draws: int = 400, seed: int = 0
) -> PrevalenceEstimate:
    """Prevalence among ``cases`` (their labels are not looked at), given a fitted label model.

    Raises InputError where a case was fitted, since its label has been seen, or where there are fewer than two cases.
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
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.multinomial(
        posterior.log_weights.exp(), draws, replacement=True, generator=generator
    )
    values = {name: value[chosen] for name, value in posterior.values.items()}
    joint, label = posterior.density.class_log_joint(values, cases)
    study = torch.logsumexp(label, 1) - float(np.log(label.shape[1]))
    log_f = joint - study[:, None]
    exponential = -torch.log(
        torch.rand(draws, len(cases), generator=generator, dtype=torch.float64)
    )
    return PrevalenceEstimate(
        cases.classes, em(log_f, exponential / exponential.sum(1, keepdim=True)).numpy()
    )


def em(log_f: Tensor, weights: Tensor) -> Tensor:
    """The maximum over pi (draws, classes) of sum_i w_i log sum_k pi_k f_k(z_i).

    log_f: (draws, cases, classes), up to a constant per case. weights: (draws, cases), rows summing to one.
    """
    f = torch.softmax(log_f, -1)
    pi = torch.full((len(f), f.shape[-1]), 1.0 / f.shape[-1], dtype=f.dtype)
    for _ in range(EM_ITERATIONS):
        share = weights / torch.einsum("snk,sk->sn", f, pi)
        new = pi * torch.einsum("sn,snk->sk", share, f)
        moved = float((new - pi).abs().max())
        pi = new
        if moved < EM_TOLERANCE:
            break
    return pi / pi.sum(-1, keepdim=True)
