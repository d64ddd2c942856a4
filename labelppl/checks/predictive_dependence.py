"""Are two measurements more alike within a class than the fitted model says? A posterior predictive check.

Counted as independent evidence, two measurements of the same thing are counted twice, and p(Y|Z) becomes too sure. For
each pair of scalar features the statistic is the rank correlation within the classes of the labelled cases,

    r = sum_k n_k r_k / sum_k n_k,      r_k Spearman's correlation over the cases of class k that have both,

in the table and in tables drawn from the posterior for the same cases, classes and gaps. A pair is reported when the
table's r lies outside all but a share ``level`` of the drawn ones (Gelman, Meng & Stern 1996).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import torch

from ..arrays import Array
from ..features import Angle, Scalar, Vector
from ..posterior import Posterior
from .finding import Finding
from .predictive import is_number, simulate_sites
from .record import DependentFeatures

#: Cases of a class with both measurements below which its correlation is left out.
LEAST_CASES = 5


def dependences(
    posterior: Posterior, *, draws: int = 200, seed: int = 0, level: float = 0.01
) -> tuple[DependentFeatures, ...]:
    """Every pair of scalar features that enough labelled cases have."""
    model = posterior.model
    cases = posterior.cases.take(posterior.cases.labelled)
    measured = _numbers(posterior, {n: c.values.numpy() for n, c in cases.columns.items()})
    gaps = _gaps(posterior, cases.columns)
    for name in measured:
        measured[name] = np.where(gaps[name], np.nan, measured[name])
    pairs = [
        pair
        for pair in combinations(measured, 2)
        if not np.isnan(_within(measured[pair[0]], measured[pair[1]], cases.labels))
    ]
    if not pairs:
        return ()
    at = posterior.equal_weight_rows(draws)
    clamp = {
        model.label_name: posterior.density.structure.label_values[torch.from_numpy(cases.labels)]
    }
    values = {name: value[at] for name, value in posterior.values.items()}
    runs = [{**clamp, **{name: value[i] for name, value in values.items()}} for i in range(draws)]
    sampled = posterior.density.structure.sampled
    sites = [name for name, kind in model.features.items() if name in sampled and is_number(kind)]
    drawn = simulate_sites(model, cases, sites, runs, seed)
    replicated: dict[tuple[str, str], list[float]] = {pair: [] for pair in pairs}
    for i in range(draws):
        one = _numbers(posterior, {name: value[i].numpy() for name, value in drawn.items()})
        for a, b in pairs:
            x, y = (np.where(gaps[name], np.nan, one[name]) for name in (a, b))
            replicated[a, b].append(_within(x, y, cases.labels))
    dependent = []
    for (a, b), rs in replicated.items():
        r = _within(measured[a], measured[b], cases.labels)
        others = np.array(rs)
        tail = min(int((others <= r).sum()), int((others >= r).sum()))
        low, high = np.quantile(others, [level / 2, 1 - level / 2])
        p = min(1.0, 2 * (tail + 1) / (draws + 1))
        dependent.append(DependentFeatures(a, b, r, float(low), float(high), p))
    return tuple(dependent)


def check_dependence(
    posterior: Posterior, *, draws: int = 200, seed: int = 0, level: float = 0.01
) -> tuple[Finding, ...]:
    """A finding for every pair of measurements whose dependence within a class the fitted model does not reproduce."""
    return unlike(dependences(posterior, draws=draws, seed=seed, level=level))


def unlike(pairs: Iterable[DependentFeatures]) -> tuple[Finding, ...]:
    """A finding for each pair whose dependence the fitted model does not reproduce."""
    findings = []
    for pair in pairs:
        if pair.as_expected:
            continue
        twice = abs(pair.r) > abs(pair.high + pair.low) / 2
        what = (
            f"within a class their rank correlation is {pair.r:.2f}, but the fitted model expects {pair.low:.2f} to "
            f"{pair.high:.2f}, so that their evidence is {'counted twice' if twice else 'understated'}"
        )
        mend = (
            "model them together: a Vector with a MultivariateNormal, or one as the other's parent"
        )
        findings.append(
            Finding("warning", f"features '{pair.first}' and '{pair.second}'", what, mend)
        )
    return tuple(findings)


def _numbers(posterior: Posterior, values: dict[str, Array]) -> dict[str, Array]:
    """One array (cases,) for every scalar feature that is a site, vectors by component; codes and votes are left out."""
    numbers = {}
    for name, feature in posterior.model.features.items():
        if name not in posterior.density.structure.sampled:
            continue
        if isinstance(feature, Vector):
            for j, (part, kind) in enumerate(feature.components.items()):
                numbers[part] = _unwrap(kind, values[name][:, j])
        elif isinstance(feature, Scalar):
            numbers[name] = _unwrap(feature, values[name])
    return numbers


def _gaps(posterior: Posterior, columns: Any) -> dict[str, Array]:
    gaps: dict[str, Array] = {}
    for name, feature in posterior.model.features.items():
        observed = columns[name].observed.numpy()
        if isinstance(feature, Vector):
            gaps |= {part: ~observed[:, j] for j, part in enumerate(feature.components)}
        elif isinstance(feature, Scalar):
            gaps[name] = ~observed
    return gaps


def _unwrap(feature: Scalar, values: Array) -> Array:
    """A circular angle by its sine, whose ranks do not jump where the circle closes."""
    if isinstance(feature, Angle) and feature.kind in ("circular", "axial"):
        return np.sin(values)
    return values


def _within(x: Array, y: Array, labels: Array) -> float:
    """Rank correlation within classes; NaN if no class has enough cases."""
    total, weight = 0.0, 0
    for k in np.unique(labels):
        both = (labels == k) & ~np.isnan(x) & ~np.isnan(y)
        n = int(both.sum())
        if n < LEAST_CASES:
            continue
        a, b = (pd.Series(v[both]).rank().to_numpy() for v in (x, y))
        if a.std() > 0 and b.std() > 0:
            total += n * float(np.corrcoef(a, b)[0, 1])
            weight += n
    return total / weight if weight else float("nan")
