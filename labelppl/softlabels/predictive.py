"""p(Y|Z) of every case, per draw, with the importance weights that make it the right predictive (docs/methods.md §3).

With L[i, k, s] = log p(z_i, y_i = k | theta_s) and the label's own part l[i, k, s] = log p(y_i = k | inputs_i, theta_s)
replaced by l' when another prevalence is in force (`shift`), L' = L - l + l', p = softmax_k L' and the evidence
e[i, s] = logsumexp_k L', the posterior predictive is sum_s w[i, s] p[i, k, s] with

    w[i, s]  proportional to  v[s] exp(e[i, s] - used[i, s])

where v are the weights of the draws and ``used`` is what the fit already used of case i: nothing for a new case, its
study evidence if it was fitted without its label, L[i, y_i, s] if it was fitted with it. The last one is leave-one-out:
w is then 1 / p(y_i | z_i, theta_s), Pareto-smoothed (Vehtari et al. 2024).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..errors import InputError
from ..model import LabelDensity
from ..psis import pareto_smooth
from ..table import Cases

#: What a fit used of a case: nothing, its measurements, or its measurements and its label.
Used = Literal["nothing", "measurements", "label"]


class Predictive(NamedTuple):
    """p (cases, classes, draws) of p(Y | Z, theta_s); weights (cases, draws); khat (cases,), NaN where none applies.

    likeliest: (cases,) the class with the highest probability at full power, where ``p`` has another power. log_p: log of
    ``p`` where it is known.
    """

    p: Tensor
    weights: Tensor
    khat: Tensor
    likeliest: Tensor | None = None
    log_p: Tensor | None = None


class SplitJoint(NamedTuple):
    """A joint (cases, classes, draws) taken apart: evidence (cases, draws), p(Y | Z) and its log (cases, classes, draws)."""

    evidence: Tensor
    p: Tensor
    log_p: Tensor


def split_joint(joint: Tensor) -> SplitJoint:
    """log sum_k and softmax_k of ``joint`` (cases, classes, draws), with one exponential for both.

    Where every class has density zero, p is not a number.
    """
    highest = joint.amax(1).clamp_(min=torch.finfo(joint.dtype).min)
    log_p = joint - highest[:, None]
    p = log_p.exp()
    total = p.sum(1)
    log_total = total.log()
    return SplitJoint(
        highest.add_(log_total), p.div_(total[:, None]), log_p.sub_(log_total[:, None])
    )


def predictive(
    density: LabelDensity,
    values: Mapping[str, Tensor],
    log_weights: Tensor,
    cases: Cases,
    used: Used,
    labels: npt.NDArray[Any],
    prevalence: Tensor | None = None,
    power: Tensor | None = None,
) -> Predictive:
    """The label posterior of ``cases`` under draws ``values`` with ``log_weights`` (draws,).

    used: what the fit used of every case; 'label' leaves ``labels`` (cases,), those of the fit, out. prevalence: (classes,)
    to shift to, or (draws, classes), one for each draw, or None for the study's own. power: (cases,) to what power p(z | y)
    counts in p, not in the weights. Raises InputError for a case that is impossible under every class.
    """
    with torch.no_grad():
        read = density.class_log_joint(values, cases)
        study = read.joint.permute(1, 2, 0).contiguous()
        joint = study
        if prevalence is not None:
            joint = study + shift(density, values, read.label, prevalence).permute(1, 2, 0)
        evidence, p, log_p = split_joint(joint)
        possible = torch.isfinite(evidence)
        anywhere = bool(possible.all())
        if not anywhere:
            _refuse_impossible(evidence, cases)
        log_ratio = log_weights + evidence
        khat = torch.full((len(cases),), torch.nan, dtype=torch.float64)
        if used == "measurements" and prevalence is not None:
            log_ratio = log_ratio - torch.logsumexp(study, 1)
        elif used == "measurements":
            log_ratio = log_weights.expand_as(evidence)
        elif used == "label":
            own = study[torch.arange(len(cases)), torch.from_numpy(labels)]
            log_ratio = log_ratio - own
        if not torch.isfinite(log_weights).all():
            # A draw of weight zero stays out, whatever its density of the case is.
            log_ratio = torch.where(log_weights > -torch.inf, log_ratio, -torch.inf)
        if used == "label":
            smoothed = pareto_smooth(log_ratio.numpy())
            log_ratio, khat = map(torch.from_numpy, smoothed)
        weights, likeliest = torch.softmax(log_ratio, -1), None
        if power is not None:
            likeliest = (p @ weights[..., None])[..., 0].argmax(-1)
            _, p, log_p = split_joint(joint + read.change_at(power).permute(1, 2, 0))
        if not anywhere:
            even = 1 / len(density.classes)
            p = torch.where(possible[:, None], p, even)
            log_p = torch.where(possible[:, None], log_p, float(np.log(even)))
        return Predictive(p, weights, khat, likeliest, log_p)


def shift(
    density: LabelDensity, values: Mapping[str, Tensor], label: Tensor, prevalence: Tensor
) -> Tensor:
    """l' - l (draws, 1 or cases, classes), which moves the study prevalence to ``prevalence``, (classes,) in every draw or (draws, classes).

    ``label`` (draws, 1 or cases, classes) is l. Where p(Y) is a parameter, l' = log prevalence. Where the label depends on
    inputs, p(Y | inputs) is multiplied by prevalence / study prevalence and normalised, which for a logistic model moves the
    intercept; the study prevalence is then the mean of p(Y | inputs) over the fitted cases.
    """
    log_prior = torch.log_softmax(label, -1)
    study = log_prior[:, :1]
    if log_prior.shape[1] > 1 and bool(((log_prior - study).abs() > 1e-9).any()):
        fitted = torch.log_softmax(density.class_log_joint(values).label, -1)
        study = torch.logsumexp(fitted, 1, keepdim=True) - np.log(fitted.shape[1])
    change = torch.log(prevalence).reshape(-1, 1, prevalence.shape[-1]) - study
    # The factor that normalises l' concerns the inputs alone and must not weigh the draws.
    return change - torch.logsumexp(log_prior + change, -1, keepdim=True)


def _refuse_impossible(evidence: Tensor, cases: Cases) -> None:
    bad = evidence.isnan().any(-1) | evidence.isposinf().any(-1) | evidence.isneginf().all(-1)
    if bad.any():
        case = cases.ids[int(bad.nonzero()[0])]
        raise InputError(
            f"case '{case}': its measurements have density zero or undefined under every class; check them against the "
            "model, or leave the cell empty if not measured"
        )
