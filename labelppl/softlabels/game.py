"""The game behind an explanation: the log-odds of one class against another when only some measurements are known.

v(S) = log p(z_S, k | theta) / p(z_S, j | theta) for a set S of measurements or raters, the others missing; for an input of
p(y | z), at its mean over the fitted cases. Where the votes of a case count with a power, p(z_S | k) has that power for
every S, so that the terms are those of the label itself. The Shapley values of v are the terms of `explain`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import factorial

import torch
from torch import Tensor

from ..arrays import Ints
from ..features import Column
from ..posterior import Posterior
from ..seeds import stream
from ..table import Cases
from .cell_text import cell_text

#: Up to so many dependent measurements, every subset is evaluated; above, so many pairs of opposite orders.
EXACT_PLAYERS, ORDER_PAIRS = 10, 16
#: Log-odds in nats by which single terms may miss the whole and still count as independent: rounding, no more.
ADDITIVE = 1e-6
#: Raters who are looked at one by one; the votes of more are one term.
MOST_RATERS = 400


@dataclass(frozen=True)
class Player:
    """A term to be: a feature, or one rater of it."""

    feature: str
    rater: int | None = None


class Game:
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
        self.known: dict[frozenset[Player], Tensor] = {}
        self.power = posterior.model.power(cases, posterior.diagnostics)
        self.players = [Player(name) for name in cases.columns]

    def odds(self, joint: Tensor) -> Tensor:
        """(draws, cases) the log-odds in a joint (draws, 1 or cases, classes)."""
        joint = joint.expand(-1, len(self.cases), -1)
        rows = torch.arange(len(self.cases))
        return joint[:, rows, self.best] - joint[:, rows, self.second]

    def value(self, known: frozenset[Player]) -> Tensor:
        """(draws, cases) v(S), kept for the next question."""
        if known not in self.known:
            columns = {
                name: self._show_known(name, column, known)
                for name, column in self.cases.columns.items()
            }
            with torch.no_grad():
                whole = self.posterior.density.class_log_joint(
                    self.values, replace(self.cases, columns=columns)
                )
            joint = whole.joint if self.power is None else whole.at_power(self.power)
            self.known[known] = self.odds(joint)
        return self.known[known]

    def shapley(self) -> dict[Player, Tensor]:
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

    def _over_subsets(self) -> dict[Player, Tensor]:
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

    def _over_orders(self) -> dict[Player, Tensor]:
        rng = stream(self.posterior.seed, "explain").numpy()
        terms = {player: torch.zeros_like(self.value(frozenset())) for player in self.players}
        for _ in range(ORDER_PAIRS):
            order = [self.players[i] for i in rng.permutation(len(self.players))]
            for one in (order, order[::-1]):
                known: frozenset[Player] = frozenset()
                for player in one:
                    more = known | {player}
                    terms[player] += (self.value(more) - self.value(known)) / (2 * ORDER_PAIRS)
                    known = more
        return terms

    def _raters_apart(self) -> list[Player]:
        """Every rater a player, for a feature of votes whose raters the model counts as independent."""
        players: list[Player] = []
        for name, column in self.cases.columns.items():
            # One more stands for everybody who was not in the fit.
            raters = 0 if column.ballots is None else column.ballots.raters + 1
            each = [Player(name, rater) for rater in range(raters)]
            if 2 < raters <= MOST_RATERS + 1 and self._additive(name, each):
                players += each
            else:
                players.append(Player(name))
        return players

    def _additive(self, name: str, raters: Sequence[Player]) -> bool:
        nothing = self.value(frozenset())
        parts = sum(
            (self.value(frozenset({one})) - nothing for one in raters), torch.zeros_like(nothing)
        )
        whole = self.value(frozenset({Player(name)})) - nothing
        return float((parts - whole).abs().max()) < ADDITIVE

    def _show_known(self, name: str, column: Column, known: frozenset[Player]) -> Column:
        """The column as it is where the player is known, else without what was measured."""
        if Player(name) in known:
            return column
        if column.ballots is not None:
            chosen = torch.zeros(column.ballots.raters + 1, dtype=torch.bool)
            for player in known:
                if player.feature == name and player.rater is not None:
                    chosen[player.rater] = True
            return Column.of_ballots(column.ballots.of_raters(chosen), column.names)
        if name in self.inputs:
            return replace(column, values=_mean_case(self.posterior.cases.columns[name], column))
        return replace(column, observed=torch.zeros_like(column.observed), low=None, high=None)

    def name(self, player: Player) -> str:
        """How a reader calls the term."""
        if player.rater is None:
            return player.feature
        names = self.cases.columns[player.feature].names
        return str((*names, "others")[player.rater]) if names else f"rater {player.rater + 1}"

    def kind(self, player: Player) -> str:
        """'rater', 'input' (compared with the mean case) or 'measurement'."""
        if player.rater is not None:
            return "rater"
        return "input" if player.feature in self.inputs else "measurement"

    def cell(self, player: Player, row: int) -> str:
        """What was measured or said, in the table's unit; empty where nothing was."""
        feature = self.posterior.model.features[player.feature]
        column = self.cases.columns[player.feature]
        return cell_text(feature, column, row, self.cases.classes, player.rater)


def _mean_case(fitted: Column, column: Column) -> Tensor:
    """Values of ``column`` with every case at the mean of the fitted ones, or at their most frequent code."""
    seen = fitted.values[fitted.cases_observed]
    typical = seen.mean(0) if seen.is_floating_point() else seen.mode(0).values
    return typical.expand_as(column.values).to(column.values.dtype).clone()
