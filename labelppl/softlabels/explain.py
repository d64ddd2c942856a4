"""Why a soft label says what it says: its log-odds, term by term.

For the most probable class k of a case and the runner-up j,

    log p(k | z) / p(j | z)  =  prevalence  +  sum over measurements g of phi_g  +  averaging

For one draw theta, prevalence is log p(k | theta) / p(j | theta), and phi_g is the Shapley value of g in the game
v(S) = log p(z_S | k, theta) / p(z_S | j, theta), in which measurements outside S are missing. Where the measurements are
independent given the class, phi_g is simply the log-likelihood ratio of g; else it is averaged over the orders in which the
measurements may be learnt, exactly for up to ten of them. Raters are terms of their own where the model counts their votes
as independent. A measurement that is an input of p(y | z) is compared with its mean over the fitted cases, since such a
model does not know how the measurement is distributed.

Terms are averaged over the draws with the weights of the label itself. Since the logarithm of a mean is not the mean of the
logarithms, a remainder, *averaging*, makes the sum exact. The terms explain the label model, not the student, and they are
no causes. Source: Shapley 1953; Strumbelj and Kononenko 2014.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from ..arrays import Array, Floats
from ..errors import InputError
from ..posterior import Posterior
from ..table import Cases
from .explanations import Explanations, Term
from .game import Game
from .predictive import Used, predictive, shift
from .record import SoftLabels

#: Draws that the terms are averaged over; their Monte Carlo error stands beside the interval of each term.
EXPLAIN_DRAWS = 400
#: Numbers of one block: draws x cases x classes.
EXPLAIN_NUMBERS = 2**20
#: A case is compared in rarity with at least so many fitted ones that have the same measurements.
FEWEST_ALIKE = 20


def explain_labels(
    posterior: Posterior,
    labels: SoftLabels,
    cases: Cases | None = None,
    *,
    draws: int = EXPLAIN_DRAWS,
) -> Explanations:
    """The log-odds of every soft label, split into prevalence, measurements, raters and averaging.

    Args:
        posterior: What the labels were made with.
        labels: The soft labels of ``cases``, in the same order.
        cases: The cases; by default those of the fit.
        draws: How many draws of the posterior to use.

    Returns:
        One row per case and term; see `Explanations`.

    Raises:
        InputError: If labels and cases do not belong together.

    Examples:
        >>> from labelppl.families import Gaussian, independent
        >>> from labelppl.table import cases_from_frame
        >>> frame = pd.DataFrame({"y": ["a", "b"] * 10, "x": [0.1 * i + 3 * (i % 2) for i in range(20)]})
        >>> model = independent(y=Label("a", "b"), x=Gaussian(Real(), typical=(2, 2)))
        >>> cases = cases_from_frame(frame, "y", model.label, model.features)
        >>> posterior = fit(model, cases, seed=0)
        >>> terms = explain_labels(posterior, soft_labels(posterior))
        >>> sorted(set(terms.frame["term"]))
        ['averaging', 'prevalence', 'x']
    """
    cases = posterior.cases if cases is None else cases
    if list(labels.ids) != list(cases.ids):
        raise InputError("explain: labels and cases are not the same cases in the same order")
    rows = posterior.equal_weight_rows(draws)
    values = {name: value[rows] for name, value in posterior.values.items()}
    step = max(1, EXPLAIN_NUMBERS // (draws * len(cases.classes)))
    parts = []
    for kind, sources in _SOURCES.items():
        mine = np.flatnonzero(np.isin(labels.source, sources))
        for first in range(0, len(mine), step):
            at = mine[first : first + step]
            parts.append(_block(posterior, values, labels.take(at), cases.take(at), at, kind))
    rarity = _rarity(posterior, values, cases)
    terms = sorted((term for part in parts for term in part), key=lambda term: term.case)
    return Explanations.of(terms, labels, rarity)


_SOURCES: dict[Used, tuple[str, ...]] = {
    "nothing": ("new",),
    "measurements": ("fitted",),
    "label": ("loo", "refit", "crossfit"),
}


def _block(
    posterior: Posterior,
    values: Mapping[str, Tensor],
    labels: SoftLabels,
    cases: Cases,
    at: Array,
    used: Used,
) -> list[Term]:
    """The terms of some cases, whose places in the whole are ``at``."""
    density, draws = posterior.density, len(next(iter(values.values())))
    flat = torch.full((draws,), -float(np.log(draws)), dtype=torch.float64)
    there = None if labels.prevalence is None else torch.from_numpy(labels.prevalence)
    weights = predictive(density, values, flat, cases, used, labels.labels, there).weights
    order = np.argsort(-labels.probs, axis=1, kind="stable")
    best, second = order[:, 0], order[:, 1]
    game = Game(posterior, values, cases, best, second)
    base = game.value(frozenset())
    if there is not None:
        with torch.no_grad():
            label = density.class_log_joint(values, cases).label
            base = base + game.odds(shift(density, values, label, there))
    phi = game.shapley()
    terms: list[Term] = []
    own = np.take_along_axis(labels.probs, order[:, :2], 1)
    with np.errstate(divide="ignore"):
        total = np.log(own[:, 0]) - np.log(own[:, 1])
    means = np.zeros(len(cases))
    for name, player, per_draw in [("prevalence", None, base)] + [
        (game.name(player), player, value) for player, value in phi.items()
    ]:
        mean = (per_draw.T * weights).sum(1).numpy()
        lo, hi = _interval(per_draw.T.numpy(), weights.numpy())
        means += mean
        for i in range(len(cases)):
            cell = "" if player is None else game.cell(player, i)
            if player is not None and not cell:
                continue
            kind = "prevalence" if player is None else game.kind(player)
            terms.append(
                Term(int(at[i]), name, kind, cell, float(mean[i]), float(lo[i]), float(hi[i]))
            )
    for i in range(len(cases)):
        rest = float(total[i] - means[i])
        terms.append(Term(int(at[i]), "averaging", "averaging", "", rest, rest, rest))
    return terms


def _interval(terms: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Weighted 5 % and 95 % quantiles over the draws: terms, weights (cases, draws) -> (cases,) each."""
    order = np.argsort(terms, axis=1)
    cumulative = np.take_along_axis(weights, order, 1).cumsum(1)
    ends = []
    for level in (0.05, 0.95):
        at = (cumulative < level * cumulative[:, -1:]).sum(1, keepdims=True)
        ends.append(np.take_along_axis(terms, np.take_along_axis(order, at, 1), 1)[:, 0])
    return ends[0], ends[1]


def _rarity(posterior: Posterior, values: Mapping[str, Tensor], cases: Cases) -> Floats:
    """(cases,) the share of fitted cases with the same measurements that are at least as unlikely; NaN where few are alike."""
    density = posterior.density

    def surprise(some: Cases) -> Floats:
        with torch.no_grad():
            joint = density.class_log_joint(values, some).joint
        return torch.logsumexp(torch.logsumexp(joint, -1), 0).numpy()

    mine, theirs = _pattern(cases), _pattern(posterior.cases)
    own, fitted = surprise(cases), surprise(posterior.cases)
    result = np.full(len(cases), np.nan)
    for pattern in np.unique(mine, axis=0):
        alike = fitted[(theirs == pattern).all(1)]
        rows = (mine == pattern).all(1)
        if len(alike) >= FEWEST_ALIKE:
            result[rows] = (alike[None] <= own[rows, None]).mean(1)
    return result


def _pattern(cases: Cases) -> Array:
    """(cases, numbers) what was measured of each case."""
    parts = [
        (column.observed if column.observed.dim() == 2 else column.observed[:, None]).numpy()
        if column.ballots is None
        else column.ballots.counts[:, None].numpy()
        for column in cases.columns.values()
    ]
    return np.concatenate(
        [np.zeros((len(cases), 1), dtype=np.int64), *map(np.int64, parts)], axis=1
    )
