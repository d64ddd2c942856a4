"""Raters shrink to the crowd: hierarchical Dawid-Skene on the scale of log-odds.

    logit P(rater j answers k | truth k) = crowd + a_j + sum_m H[k, m] d_jm
    a ~ common scale (4 df, .5),   d ~ common scale (3 df, .2)

The crowd says how good raters are, a_j how much better this one is, d_j how far its error rates in the different classes lie
apart; the columns of H are orthonormal contrasts of the classes. How much raters differ, and how far apart one rater's error
rates lie, is learned from all raters together, with these two scales integrated out (`distributions.CommonScale`). Raters
with one error rate each, which a rare class alone cannot tell, are so shrunk to one; in a crowd where everybody has a
threshold of their own nothing is shrunk, and this is Dawid and Skene's model. Beyond two classes wrong answers spread over
the other classes as in ``wrong``, the same for all raters. Source: after the hierarchical model of Paun et al., TACL 6 (2018).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from .. import distributions as laws
from ..model import CasePlate
from .shared_errors import Grouped, RaterGroups

#: Degrees of freedom and scale of how raters differ, and of how one rater's error rates differ, in log-odds.
ABILITY = 4.0, 0.5
BIAS = 3.0, 0.2


def contrasts(k: int) -> Tensor:
    """Helmert's orthonormal contrasts (classes, classes - 1): columns that sum to zero."""
    below = torch.tril(torch.ones(k, k), -1)[:, : k - 1] * -1.0
    m = torch.arange(1, k)
    upper = torch.zeros(k, k - 1)
    upper[m - 1, m - 1] = (k - m).to(upper)
    raw = below + upper
    return raw / raw.norm(dim=0)


@dataclass(frozen=True)
class Hierarchical(Grouped):
    """The law of votes given the class, where raters shrink to the crowd on the scale of log-odds.

    The sites are ``<name>_crowd`` (), ``<name>_ability`` (groups,) and ``<name>_bias`` (groups * (classes - 1),), group
    by group. Beyond two classes also ``<name>_wrong`` (classes, classes - 1): shares of the other classes, in their
    order, among wrong answers. A group is one rater where nobody repeats another.

    Args:
        feature: A `Votes` feature.
        typical: Not used; votes have no such size.
        name: The column; `with_name` sets it.
        groups: Rater codes of each group that shares errors; raters not named are alone. None looks for the groups in
            the table.

    Raises:
        InputError: For something that is no feature.

    Examples:
        >>> from labelppl.families import independent
        >>> sorted(independent(truth=Label("no", "yes"), votes=Hierarchical(Votes())).features)
        ['votes']
    """

    groups: RaterGroups | None = ()

    named_by_answers = True

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Any]:
        k, n, groups = len(cases.classes), self.name, self.sources(cases)
        g = len(groups)
        crowd = pyro.sample(f"{n}_crowd", dist.Normal(1.2, 0.7))
        ability = pyro.sample(f"{n}_ability", laws.CommonScale(*ABILITY, g))
        bias = pyro.sample(f"{n}_bias", laws.CommonScale(*BIAS, g * (k - 1)))
        apart = bias.reshape(g, k - 1) @ contrasts(k).mT
        logit = (crowd + ability[:, None] + apart).mT
        wrong = torch.zeros(k, k - 1)
        if k > 2:
            shares = dist.Dirichlet(torch.full((k, k - 1), 2.0)).to_event(1)
            wrong = torch.log(pyro.sample(f"{n}_wrong", shares))
        # the right answer first, then the others; `order` puts the right one on the diagonal
        order = torch.tensor([[0 if c == i else c + (c < i) for c in range(k)] for i in range(k)])

        def log_answer(which: Tensor) -> Tensor:
            """(rows, groups, answers) of the classes ``which`` (rows,)."""
            own = logit[which][..., None]
            right = torch.nn.functional.logsigmoid(own)
            miss = torch.nn.functional.logsigmoid(-own)
            answers = torch.cat([right, miss + wrong[which][..., None, :]], -1)
            return answers.gather(-1, order[which][..., None, :].expand(answers.shape))

        return self.through(log_answer, cases, groups)
