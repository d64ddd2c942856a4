"""What raters' votes say about the class: two laws of votes in long form.

DawidSkene      C_j[k] ~ Dirichlet(1 + b): one confusion matrix per rater, heavier on the diagonal
Glad            P(right) = sigmoid(a_j e^{b_i}) with the difficulty b_i of each case (`crowds.glad`)

`hierarchical` and `shared_errors` hold two more. The diagonal-heavy priors, not an accident of the start, settle which
class is which where no case is labelled. Sources: Dawid and Skene (1979); Whitehill et al., NIPS 22 (2009).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from .. import distributions as laws
from ..arrays import Array, Ints
from ..crowds import VoteTable, diagonal_counts
from ..crowds.flat import FlatCrowd
from ..crowds.gibbs import sample_labels
from ..crowds.map_em import map_em
from ..crowds.nested import EDGE
from ..features import Ballots, Column, Feature
from ..model import CasePlate, SiteDraws, SiteSampler
from .law import Law

PARTS = "prevalence", "confusion"


def raters_in(cases: CasePlate, evidence: Law) -> int:
    """How many raters the column has; a plate without columns has those the feature names."""
    try:
        column: Tensor | Ballots = getattr(cases, evidence.name)
    except AttributeError:
        return len(evidence.feature.raters)  # type: ignore[attr-defined]
    return int(column.shape[1])


def design_of(cases: CasePlate, evidence: Law) -> Ballots | None:
    """Who votes on what, for votes that are drawn; None without a table: everyone on everything."""
    try:
        ballots: Ballots = getattr(cases, evidence.name)
    except AttributeError:
        return None
    return ballots


def vote_table(column: Column, classes: tuple[str, ...]) -> VoteTable:
    """The votes of a column as the numpy table that `labelppl.crowds` works on."""
    assert column.ballots is not None
    return column.ballots.table(np.arange(len(column.ballots)), column.names, classes)


@dataclass(frozen=True)
class DawidSkene(Law):
    """The law of votes given the class, with one confusion matrix for each rater.

    The site is ``<name>_confusion`` (classes, raters, votes). A rater who was not in the fit is as the prior expects. Source: Dawid and Skene (1979).

    Args:
        feature: A `Votes` feature.
        typical: Not used; votes have no such size.
        name: The column; `with_name` sets it.
        diagonal: Dirichlet parameter of the right answer in a row of the confusion matrix.
        elsewhere: Dirichlet parameter of each wrong answer.

    Raises:
        InputError: For something that is no feature.

    Examples:
        >>> from labelppl.families import independent
        >>> sorted(independent(truth=Label("no", "yes"), votes=DawidSkene(Votes())).features)
        ['votes']
    """

    diagonal: float = 3.0
    elsewhere: float = 1.5

    accepts = (Feature,)
    takes_strangers = True

    def tune(self, columns: Mapping[str, Column]) -> Self:
        return self

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Any]:
        k, r = len(cases.classes), raters_in(cases, self)
        rows_prior = heavy(k, self.diagonal, self.elsewhere)
        rows = dist.Dirichlet(rows_prior[:, None, :].expand(k, r, k)).to_event(2)
        confusion = pyro.sample(f"{self.name}_confusion", rows)
        usual = rows_prior / rows_prior.sum(-1, keepdim=True)
        log_confusion = torch.log(torch.cat([confusion, usual[:, None]], 1))
        design = design_of(cases, self)

        def observe(y: Tensor) -> Any:
            return pyro.sample(
                self.name, laws.RaterVotes(log_confusion, y, design=design, strangers=True)
            )

        return observe

    def samplers(
        self, columns: Mapping[str, Column], labels: Ints, classes: tuple[str, ...]
    ) -> Mapping[str, SiteSampler]:
        votes = vote_table(columns[self.name], classes)
        prior = np.asarray(diagonal_counts(len(classes), self.diagonal, self.elsewhere))

        def sites(prevalence: Array, confusion: Array) -> dict[str, Tensor]:
            """From (chains, draws, classes) and (chains, draws, raters, classes, answers)."""
            by_class = torch.from_numpy(confusion).movedim(-3, -2)
            return {"prevalence": torch.from_numpy(prevalence), f"{self.name}_confusion": by_class}

        def sample(seed: int, progress: Callable[[int, int], None] | None = None) -> SiteDraws:
            start = FlatCrowd.start(len(votes.raters), prior)
            run = sample_labels(
                votes,
                start,
                known=labels,
                seed=seed,
                threads=torch.get_num_threads(),
                progress=progress,
            )
            draws = [np.array([[getattr(s, part) for s in c] for c in run.draws]) for part in PARTS]
            return SiteDraws(sites(*draws), run.diagnostics, run.problems)

        def climb(seed: int, progress: Callable[[int, int], None] | None = None) -> SiteDraws:
            best = map_em(votes, prior, labels, seed=seed)
            at = np.maximum(best.fit.prevalence, EDGE), np.maximum(best.fit.confusion, EDGE)
            normalised = [x / x.sum(-1, keepdims=True) for x in at]
            told = {"starts": best.starts, "starts_at_best": best.reached, "steps": best.fit.steps}
            told["log_posterior"] = best.fit.log_posterior  # type: ignore[assignment]
            return SiteDraws(sites(*(x[None, None] for x in normalised)), told, best.problems)

        return {"gibbs": sample, "em": climb}


@dataclass(frozen=True)
class Glad(Law):
    """The law of votes given the class, by each rater's ability and each case's difficulty.

    The sites are ``<name>_ability`` (raters,) and ``<name>_difficulty`` (), the spread of easiness between cases. The
    easiness of a case, b_i ~ N(0, difficulty), is summed over a Gauss-Hermite grid, so that a case's own difficulty is
    integrated out instead of fitted. Source: Whitehill et al., NIPS 22 (2009).

    Args:
        feature: A `Votes` feature.
        typical: Not used; votes have no such size.
        name: The column; `with_name` sets it.
        points: Number of points of the grid.

    Raises:
        InputError: For something that is no feature.

    Examples:
        >>> from labelppl.families import independent
        >>> sorted(independent(truth=Label("no", "yes"), votes=Glad(Votes())).features)
        ['votes']
    """

    points: int = 9

    accepts = (Feature,)
    named_by_answers = True

    def tune(self, columns: Mapping[str, Column]) -> Self:
        return self

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Any]:
        k, r = len(cases.classes), raters_in(cases, self)
        ability = pyro.sample(f"{self.name}_ability", dist.Normal(1.0, 1.0).expand([r]).to_event(1))
        spread = pyro.sample(f"{self.name}_difficulty", dist.LogNormal(-0.7, 0.5))
        nodes, weights = np.polynomial.hermite_e.hermegauss(self.points)
        easiness = torch.exp(spread * torch.tensor(nodes))
        strength = easiness[:, None] * ability
        right = torch.nn.functional.logsigmoid(strength)
        wrong = torch.nn.functional.logsigmoid(-strength) - float(np.log(k - 1))
        same = torch.eye(k, dtype=torch.bool)[:, None, None, :]
        # (classes, points, raters, votes)
        log_answers = torch.where(same, right[..., None], wrong[..., None])
        mixture = torch.log(torch.tensor(weights / weights.sum()))
        design = design_of(cases, self)

        def observe(y: Tensor) -> Any:
            return pyro.sample(self.name, laws.MixedVotes(mixture, log_answers, y, design=design))

        return observe


def heavy(k: int, diagonal: float, elsewhere: float) -> Tensor:
    """Dirichlet parameters (classes, votes) of confusion rows, heavier on the right answer."""
    return torch.full((k, k), elsewhere) + (diagonal - elsewhere) * torch.eye(k)
