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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import factorial

import numpy as np
import torch
from torch import Tensor

from ..arrays import Array, Floats, Ints
from ..errors import InputError
from ..features import Column
from ..posterior import Posterior
from ..seeds import stream
from ..table import Cases
from .cell_text import cell_text
from .explanations import Explanations, Term
from .predictive import Used, predictive
from .record import SoftLabels

#: Draws that the terms are averaged over; their Monte Carlo error stands beside the interval of each term.
EXPLAIN_DRAWS = 400
#: Numbers of one block: draws x cases x classes.
EXPLAIN_NUMBERS = 2**20
#: Up to so many dependent measurements, every subset is evaluated; above, so many pairs of opposite orders.
EXACT_PLAYERS, ORDER_PAIRS = 10, 16
#: Log-odds in nats by which single terms may miss the whole and still count as independent: rounding, no more.
ADDITIVE = 1e-6
#: A case is compared in rarity with at least so many fitted ones that have the same measurements.
FEWEST_ALIKE = 20

Hide = Callable[[Column], Column]


@dataclass(frozen=True)
class _Player:
    """A term to be: a feature, or one rater of it."""

    feature: str
    rater: int | None = None


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

    Example:
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
    shift = None if labels.prevalence is None else torch.from_numpy(labels.prevalence)
    weights = predictive(density, values, flat, cases, used, labels.labels, shift).weights
    order = np.argsort(-labels.probs, axis=1, kind="stable")
    best, second = order[:, 0], order[:, 1]
    game = _Game(posterior, values, cases, best, second)
    base = game.value(frozenset())
    if shift is not None:
        whole = density.class_log_joint(values, cases)
        moved = torch.log(shift)[best] - torch.log(shift)[second]
        base = base - game.odds(whole.label) + moved
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


class _Game:
    """v(S) of some cases: the log-odds of ``best`` against ``second`` when only the players S are known."""

    def __init__(
        self,
        posterior: Posterior,
        values: Mapping[str, Tensor],
        cases: Cases,
        best: Ints,
        second: Ints,
    ) -> None:
        self.posterior, self.values, self.cases = posterior, values, cases
        self.best, self.second = torch.from_numpy(best), torch.from_numpy(second)
        structure = posterior.density.structure
        self.inputs = structure.read - structure.sampled
        self.known: dict[frozenset[_Player], Tensor] = {}
        self.players = [_Player(name) for name in cases.columns]

    def odds(self, joint: Tensor) -> Tensor:
        """(draws, cases) the log-odds in a joint (draws, 1 or cases, classes)."""
        joint = joint.expand(-1, len(self.cases), -1)
        rows = torch.arange(len(self.cases))
        return joint[:, rows, self.best] - joint[:, rows, self.second]

    def value(self, known: frozenset[_Player]) -> Tensor:
        """(draws, cases) v(S), kept for the next question."""
        if known not in self.known:
            columns = {
                name: self._shown(name, column, known)
                for name, column in self.cases.columns.items()
            }
            with torch.no_grad():
                joint = self.posterior.density.class_log_joint(
                    self.values, replace(self.cases, columns=columns)
                ).joint
            self.known[known] = self.odds(joint)
        return self.known[known]

    def shapley(self) -> dict[_Player, Tensor]:
        """The term (draws, cases) of every player; together they are v(all) - v(none)."""
        self.players = self._raters_apart()
        nothing, everything = self.value(frozenset()), self.value(frozenset(self.players))
        alone = {player: self.value(frozenset({player})) - nothing for player in self.players}
        missed = everything - nothing - sum(alone.values(), torch.zeros_like(nothing))
        if float(missed.abs().max()) < ADDITIVE:
            return alone
        if len(self.players) <= EXACT_PLAYERS:
            return self._over_subsets()
        return self._over_orders()

    def _over_subsets(self) -> dict[_Player, Tensor]:
        size = len(self.players)
        terms = {}
        for player in self.players:
            others = [other for other in self.players if other != player]
            total = torch.zeros_like(self.value(frozenset()))
            for count in range(size):
                weight = factorial(count) * factorial(size - count - 1) / factorial(size)
                for some in combinations(others, count):
                    without = frozenset(some)
                    total += weight * (self.value(without | {player}) - self.value(without))
            terms[player] = total
        return terms

    def _over_orders(self) -> dict[_Player, Tensor]:
        rng = stream(self.posterior.seed, "explain").numpy()
        terms = {player: torch.zeros_like(self.value(frozenset())) for player in self.players}
        for _ in range(ORDER_PAIRS):
            order = [self.players[i] for i in rng.permutation(len(self.players))]
            for one in (order, order[::-1]):
                known: frozenset[_Player] = frozenset()
                for player in one:
                    more = known | {player}
                    terms[player] += (self.value(more) - self.value(known)) / (2 * ORDER_PAIRS)
                    known = more
        return terms

    def _raters_apart(self) -> list[_Player]:
        """Every rater a player, for a feature of votes whose raters the model counts as independent."""
        players: list[_Player] = []
        for name, column in self.cases.columns.items():
            raters = 0 if column.ballots is None else column.ballots.raters
            each = [_Player(name, rater) for rater in range(raters)]
            if 1 < raters <= EXPLAIN_DRAWS and self._additive(name, each):
                players += each
            else:
                players.append(_Player(name))
        return players

    def _additive(self, name: str, raters: Sequence[_Player]) -> bool:
        nothing = self.value(frozenset())
        parts = sum(
            (self.value(frozenset({one})) - nothing for one in raters), torch.zeros_like(nothing)
        )
        whole = self.value(frozenset({_Player(name)})) - nothing
        return float((parts - whole).abs().max()) < ADDITIVE

    def _shown(self, name: str, column: Column, known: frozenset[_Player]) -> Column:
        """The column as it is where the player is known, else without what was measured."""
        if _Player(name) in known:
            return column
        if column.ballots is not None:
            chosen = torch.zeros(column.ballots.raters, dtype=torch.bool)
            for player in known:
                if player.feature == name and player.rater is not None:
                    chosen[player.rater] = True
            return Column.of_ballots(column.ballots.of_raters(chosen), column.names)
        if name in self.inputs:
            return replace(column, values=_mean_case(self.posterior.cases.columns[name], column))
        return replace(column, observed=torch.zeros_like(column.observed), low=None, high=None)

    def name(self, player: _Player) -> str:
        """How a reader calls the term."""
        if player.rater is None:
            return player.feature
        names = self.cases.columns[player.feature].names
        return str(names[player.rater]) if names else f"rater {player.rater + 1}"

    def kind(self, player: _Player) -> str:
        """'rater', 'input' (compared with the mean case) or 'measurement'."""
        if player.rater is not None:
            return "rater"
        return "input" if player.feature in self.inputs else "measurement"

    def cell(self, player: _Player, row: int) -> str:
        """What was measured or said, in the table's unit; empty where nothing was."""
        feature = self.posterior.model.features[player.feature]
        column = self.cases.columns[player.feature]
        return cell_text(feature, column, row, self.cases.classes, player.rater)


def _mean_case(fitted: Column, column: Column) -> Tensor:
    """Values of ``column`` with every case at the mean of the fitted ones, or at their most frequent code."""
    seen = fitted.values[fitted.cases_observed]
    typical = seen.mean(0) if seen.is_floating_point() else seen.mode(0).values
    return typical.expand_as(column.values).to(column.values.dtype).clone()


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
