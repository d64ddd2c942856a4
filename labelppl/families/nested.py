"""`nested_dawid_skene`: raters shrink to the crowd and each rater's classes to the rater; sampled by Gibbs, any size.

The model and its sampler stand in `crowds.nested`; here it is a Pyro function of the same parameters, so that every other
engine and check works on it too. Labels count an item's votes by Kish's design effect (`crowds.power`), whose rho the fit
chooses and keeps in its diagnostics; ``design_effect=False`` counts every vote in full, as Dawid and Skene do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from .. import distributions as laws
from ..arrays import Ints
from ..crowds import VoteTable, nested
from ..crowds.dependence import dependence
from ..crowds.gibbs import sample_labels
from ..crowds.gibbs_run import GibbsRun
from ..crowds.power import VoteParameters, choose_rho
from ..features import Ballots, Column, Votes
from ..model import CasePlate, SiteDraws, SiteSampler
from .law import Law
from .rater_models import design_of, raters_in, vote_table
from .shared_errors import RaterGroups


@dataclass(frozen=True)
class NestedDawidSkene(Law):
    """The law of votes given the class, where raters shrink to the crowd and each rater's classes to the rater.

    With K classes and J raters the sites are ``<name>_level`` m (), ``<name>_likeness`` s0 (), ``<name>_ability`` r
    (J,), ``<name>_evenness`` s1 (), ``<name>_shift`` (K, 2) a and b, and ``<name>_right`` (J, K) c; beyond two classes
    also ``<name>_slip_prior`` (K, K - 1) alpha and ``<name>_slips`` (J, K, K - 1) D. A new case may have votes of raters
    who were not in the fit: each counts by the mean table of raters like those of the crowd, given m, s1, a, b and alpha.

    Args:
        feature: A `Votes` feature.
        typical: Not used; votes have no such size.
        name: The column; `with_name` sets it.
        design_effect: Whether labels count the votes of one item by Kish's design effect, or every vote in full.
        groups: Rater codes of each group whose members repeat each other: the votes of m of them count 1 / m in the label. None
            looks for the groups in the table.

    Raises:
        InputError: For a feature of another kind.

    Examples:
        >>> from labelppl.families import independent
        >>> sorted(independent(truth=Label("no", "yes"), votes=NestedDawidSkene(Votes())).features)
        ['votes']
    """

    design_effect: bool = True
    groups: RaterGroups | None = ()

    accepts = (Votes,)
    named_by_answers = True
    takes_strangers = True

    def tune(self, columns: Mapping[str, Column]) -> Self:
        if self.groups is not None:
            return self
        column = columns[self.name]
        classes = tuple(map(str, range(1 + int(ballots_of(column).said.max()))))
        return replace(self, groups=dependence(vote_table(column, classes)).groups)

    def weights(self, raters: int) -> Tensor | None:
        """(raters + 1,) what a vote of each rater counts, the last for those who were not in the fit; None: in full."""
        if not self.groups:
            return None
        each = torch.ones(raters + 1, dtype=torch.float64)
        for group in self.groups:
            each[list(group)] = 1 / len(group)
        return each

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Any]:
        k, j, n = len(cases.classes), raters_in(cases, self), self.name
        level = pyro.sample(f"{n}_level", dist.Beta(*nested.LEVEL))
        likeness = pyro.sample(f"{n}_likeness", dist.Gamma(*nested.LIKENESS))
        one = dist.Beta(likeness * level, likeness * (1 - level))
        ability = pyro.sample(f"{n}_ability", one.expand([j]).to_event(1))
        evenness = pyro.sample(
            f"{n}_evenness", laws.GammaFrom(*nested.EVENNESS, nested.LEAST_EVENNESS)
        )
        shift = pyro.sample(f"{n}_shift", dist.Gamma(*nested.SHIFT).expand([k, 2]).to_event(2))
        a = evenness * ability[:, None] + shift[:, 0]
        b = evenness * (1 - ability[:, None]) + shift[:, 1]
        right = pyro.sample(f"{n}_right", dist.Beta(a, b).to_event(2))
        share, usual_share = torch.ones(j, k, 1), torch.ones(1, k, 1)
        if k > 2:
            law = dist.Gamma(nested.SLIP_SHAPE, (k - 1) / 2).expand([k, k - 1]).to_event(2)
            slip_prior = pyro.sample(f"{n}_slip_prior", law)
            slips = dist.Dirichlet(slip_prior.expand(j, k, k - 1)).to_event(2)
            share = pyro.sample(f"{n}_slips", slips)
            usual_share = (slip_prior / slip_prior.sum(-1, keepdim=True))[None]
        # A rater who was not in the fit, of whom a case has one vote: the mean of such raters' tables.
        usual = evenness * level + shift[:, 0]
        usual = usual / (evenness + shift.sum(-1))
        right = torch.cat([right, usual[None]])
        wrong = torch.log1p(-right)[..., None] + torch.log(torch.cat([share, usual_share]))
        answers = torch.cat([torch.log(right)[..., None], wrong], -1)
        # The right answer first, then the others in their order; `order` puts the right one on the diagonal.
        order = torch.tensor([[0 if c == i else c + (c < i) for c in range(k)] for i in range(k)])
        table = answers.gather(-1, order.expand(j + 1, k, k)).movedim(1, 0)
        design = design_of(cases, self)
        apart: dict[str, Any] = {"strangers": True, "weights": self.weights(j)}

        def observe(y: Tensor) -> Any:
            return pyro.sample(n, laws.RaterVotes(table, y.long(), design=design, **apart))

        return observe

    def samplers(
        self, columns: Mapping[str, Column], labels: Ints, classes: tuple[str, ...]
    ) -> Mapping[str, SiteSampler]:
        votes = vote_table(columns[self.name], classes).weigh_repeats(self.groups or ())

        def sample(seed: int, progress: Callable[[int, int], None] | None = None) -> SiteDraws:
            start = nested.Crowd.start(len(votes.raters), len(classes))
            run = sample_labels(
                votes,
                start,
                known=labels,
                seed=seed,
                threads=torch.get_num_threads(),
                progress=progress,
            )
            return SiteDraws(
                self._sites(run),
                run.diagnostics | self._rho(votes, run, labels, seed),
                run.problems,
            )

        return {"gibbs": sample}

    def power(self, column: Column, diagnostics: Mapping[str, float | int | str]) -> Tensor | None:
        rho = diagnostics.get("rho", 0.0)
        if not (self.design_effect and rho):
            return None
        ballots, counted = ballots_of(column), column.values.double()
        each = self.weights(ballots.raters)
        if each is not None:
            counted = torch.zeros_like(counted).index_add(0, ballots.case, each[ballots.rater])
        return 1 / (1 + float(rho) * (counted - 1).clamp(min=0))

    def _rho(
        self, votes: VoteTable, run: GibbsRun[nested.Crowd], labels: Ints, seed: int
    ) -> dict[str, float]:
        if not self.design_effect:
            return {}
        draws = [VoteParameters(d.prevalence, d.confusion) for chain in run.draws for d in chain]
        return {"rho": choose_rho(votes, draws, labels, seed)}

    def _sites(self, run: GibbsRun[nested.Crowd]) -> dict[str, Tensor]:
        names = {"prevalence": "prevalence"} | {
            f"{self.name}_{part}": part
            for part in ("level", "likeness", "ability", "evenness", "shift", "right")
        }
        if run.draws[0][0].slip_prior.size:
            names |= {f"{self.name}_{part}": part for part in ("slip_prior", "slips")}
        return {site: by_site(run, part) for site, part in names.items()}


def ballots_of(column: Column) -> Ballots:
    """The votes of a column of votes."""
    assert column.ballots is not None
    return column.ballots


def by_site(run: GibbsRun[Any], part: str) -> Tensor:
    """One attribute of the states, (chains, draws, ...)."""
    draws = [[np.asarray(getattr(state, part)) for state in chain] for chain in run.draws]
    return torch.from_numpy(np.array(draws, dtype=np.float64))
