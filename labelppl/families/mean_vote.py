"""`mean_vote`: the class is the answer of one more rater, as paper 2 wants its soft labels.

    q_i ~ Dirichlet(a) for each case, votes_i ~ Multinomial(q_i), Y_i ~ q_i; with q_i summed out
    p(Y = k) = a_k / A,  votes | Y = k ~ DirichletMultinomial(a + e_k)
    p(Y = k | votes) = (votes_k + a_k) / (N + A)

the mean vote with as much smoothing as the cases themselves ask for: log a_k ~ N(0, 1). Source: Grossmann,
Schmarje and Koch (arXiv 2207.06224). What is true is a different question: `dawid_skene`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from ..distributions import DirichletMultinomial
from ..errors import InputError
from ..features import Column, Feature, Label, VoteCounts
from ..model import CasePlate
from .independent import Family, the_label
from .law import Law


@dataclass(frozen=True)
class MeanVote(Law):
    """`VoteCounts` of exchangeable raters. Site ``<name>_concentration`` (classes,); sets the label's probabilities."""

    accepts = (VoteCounts,)

    def tune(self, columns: Mapping[str, Column]) -> MeanVote:
        return self

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        raise InputError("MeanVote also sets p(Y); use the family mean_vote")


def mean_vote(**declared: Label | Feature) -> Family:
    """What one more rater would say: the mean vote, smoothed as much as the cases themselves ask for.

    ``p(Y = k | votes) = (votes_k + a_k) / (N + A)``, with a_k learned and A their sum. Source: Grossmann, Schmarje and
    Koch (arXiv 2207.06224).

    Args:
        **declared: One `Label` and one `VoteCounts` feature.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: Unless the arguments are one Label and one VoteCounts.

    Examples:
        >>> model = mean_vote(answer=Label("no", "yes"), votes=VoteCounts())
        >>> sorted(model.features)
        ['votes']
    """
    label_name, label = the_label(declared)
    votes: dict[str, Any] = {n: what for n, what in declared.items() if isinstance(what, Feature)}
    if len(votes) != 1:
        raise InputError(
            f"mean_vote: expected one VoteCounts beside the Label, got {len(votes)} features"
        )
    ((name, feature),) = votes.items()
    evidence = MeanVote(feature).with_name(name)

    def mean_vote(cases: CasePlate) -> None:
        k = len(cases.classes)
        prior = dist.LogNormal(0.0, 1.0).expand([k]).to_event(1)
        a = pyro.sample(f"{name}_concentration", prior)
        with cases:
            y = pyro.sample(label_name, dist.Categorical(a / a.sum()))
            own = torch.eye(k, dtype=a.dtype)[y]
            pyro.sample(name, DirichletMultinomial(a + own))

    return _MeanVoteFamily(mean_vote, label_name, label, {name: feature}, evidence=(evidence,))


@dataclass(frozen=True)
class _MeanVoteFamily(Family):
    """Its Pyro function is fixed; there is nothing to tune."""

    def for_cases(self, cases: Any) -> Family:
        return replace(self)
