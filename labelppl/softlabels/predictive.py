"""p(Y|Z) of every case, per draw, with the importance weights that make it the right predictive (METHODS §3).

With L[s, i, k] = log p(z_i, y_i = k | theta_s), shifted by log(pi'_k / pi_k(theta_s)) when another prevalence is in force,
p[s, i, k] = softmax_k L, and the evidence e[s, i] = logsumexp_k L, the posterior predictive is sum_s w[s, i] p[s, i, k] with

    w[s, i]  proportional to  v[s] exp(e[s, i] - used[s, i])

where v are the weights of the draws and ``used`` is what the fit already used of case i: nothing for a new case, its
evidence if it was fitted without its label, L[s, i, y_i] at the study prevalence if it was fitted with it. The last one is
leave-one-out: w is then 1/p(y_i | z_i, theta_s), Pareto-smoothed (Vehtari et al. 2024).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..inference.convergence import psis
from ..model import LabelDensity
from ..table import Cases


class Predictive(NamedTuple):
    """p (draws, cases, classes) of p(Y | Z, theta_s); weights (draws, cases); khat (cases,), NaN where none applies."""

    p: Tensor
    weights: Tensor
    khat: Tensor


def predictive(
    density: LabelDensity,
    values: Mapping[str, Tensor],
    log_weights: Tensor,
    cases: Cases,
    used: np.ndarray[Any, Any],
    prevalence: Tensor | None = None,
) -> Predictive:
    """The label posterior of ``cases`` under draws ``values`` with ``log_weights`` (draws,).

    used: (cases,) what the fit used of each case: 'nothing' (new), 'measurements' (fitted, in-sample) or 'label' (leave
    its label out). prevalence: (classes,) to shift to, or None for the study's own.
    """
    study, label = density.class_log_joint(values, cases)
    joint = study if prevalence is None else study - label + torch.log(prevalence)
    evidence = torch.logsumexp(joint, -1)
    if not torch.isfinite(evidence).all():
        case = cases.ids[int((~torch.isfinite(evidence)).any(0).nonzero()[0])]
        raise InputError(
            f"case '{case}': its measurements have density zero or undefined under every class; check them against the model"
        )
    log_ratio = log_weights[:, None] + evidence
    measured = torch.from_numpy(used == "measurements")
    log_ratio = log_ratio - torch.where(measured, torch.logsumexp(study, -1), 0.0)
    khat = torch.full((len(cases),), torch.nan, dtype=torch.float64)
    for i in np.flatnonzero(used == "label"):
        smoothed, k = psis((log_ratio[:, i] - study[:, i, int(cases.labels[i])]).numpy())
        log_ratio[:, i], khat[i] = torch.from_numpy(smoothed), k
    weights = torch.softmax(log_ratio, 0)
    return Predictive(torch.softmax(joint, -1), weights, khat)
