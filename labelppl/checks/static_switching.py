"""Label switching: does anything but chance tell the classes apart?

Exchanging two classes in every parameter must change the log density. At the prior's medians theta, with theta' the
exchanged parameters,

    gap = log p(labelled cases, theta) - log p(labelled cases, theta')

is how strongly priors and labels prefer the right naming to the exchanged one. Unlabelled cases are left out: they fit both
alike. Below log 20 the exchanged naming keeps 5 % of the weight or more. Assumption: a parameter that differs between
classes has an axis of the classes' length; the first such axis of each site is exchanged. A model whose raters are right or
wrong by the name of the class cannot exchange two classes and is left out.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..model import LabelDensity
from .finding import Finding, Level

LEAST_GAP = math.log(20)
#: Cases that stand for a table without any label.
FEW = 50


def switching(density: LabelDensity) -> list[Finding]:
    """A finding for each pair of classes that could change names, if some cases are unlabelled."""
    cases, classes = density.cases, density.classes
    unlabelled = int((~cases.labelled).sum())
    if not unlabelled or density.model.named_by_answers:
        return []
    known = np.flatnonzero(cases.labelled)
    # Without any label a few cases will do: what they add is taken off again.
    used = known if len(known) else np.arange(min(FEW, len(cases)))
    labelled = LabelDensity(density.model, cases.take(used))
    values = density.constrain(density.start(9, seed=0))
    findings = []
    for one, other in combinations(range(len(classes)), 2):
        exchanged = {
            name: _exchange(value, one, other, len(classes)) for name, value in values.items()
        }
        if all(torch.equal(exchanged[name], values[name]) for name in values):
            continue
        gap = float(
            (
                _log_density(labelled, values, known) - _log_density(labelled, exchanged, known)
            ).median()
        )
        if gap >= LEAST_GAP:
            continue
        counts = [int((cases.labels == k).sum()) for k in (one, other)]
        what = (
            f"{unlabelled} cases are unlabelled, and priors and labels prefer the right naming of the two classes to the "
            f"exchanged one only {math.exp(min(gap, 50)):.3g} to 1 (labelled: {counts[0]} and {counts[1]})"
        )
        mend = "give the classes priors that lie further apart, or label a few cases of each"
        level: Level = "warning" if gap > 0.05 or min(counts) > 0 else "error"
        findings.append(
            Finding(level, f"classes '{classes[one]}' and '{classes[other]}'", what, mend)
        )
    return findings


def _exchange(value: Tensor, one: int, other: int, classes: int) -> Tensor:
    """Draws (draws, ...) with the two classes exchanged along the first axis of the classes' length."""
    for axis in range(1, value.dim()):
        if value.shape[axis] == classes:
            order = torch.arange(classes)
            order[[one, other]] = order[[other, one]]
            return value.index_select(axis, order)
    return value


def _log_density(
    density: LabelDensity, values: dict[str, Tensor], known: np.ndarray[Any, Any]
) -> Tensor:
    """Log prior of the parameters themselves, with the labelled cases if there are any: (draws,)."""
    u = torch.vmap(density.parameters.unconstrain)(values)
    _, log_jacobian = torch.vmap(density.parameters.constrain)(u)
    total = density.log_prob(u) - log_jacobian
    if not len(known):
        total = total - torch.logsumexp(density.class_log_joint(values).joint, -1).sum(-1)
    return total
