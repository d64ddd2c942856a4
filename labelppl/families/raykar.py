"""`raykar`: votes and features jointly; the class prior of a case is its logistic p(Y | z), votes are Dawid-Skene's.

    y_i ~ p(Y | z_i) (`logistic`),  vote of rater j | y_i = k ~ C_j[k]

One fit learns the classifier and the raters; p(Y | z_i, votes_i) is the soft label of a training row, p(Y | z_i) that of a
case nobody voted on. Source: Raykar et al., JMLR 11 (2010).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import pyro
import pyro.distributions as dist

from ..errors import InputError
from ..features import Feature, Label, Votes
from ..model import CasePlate
from ..table import Cases
from .law import Typical
from .logistic import Discriminative, linear_predictor, logistic, sizes_in
from .rater_models import DawidSkene


@dataclass(frozen=True)
class VotesAndFeatures(Discriminative):
    """A `Discriminative` whose label is seen through raters. raters: the law of their votes."""

    raters: DawidSkene = field(kw_only=True)

    def for_cases(self, cases: Cases) -> VotesAndFeatures:
        measured = {n: f for n, f in self.features.items() if not isinstance(f, Votes)}
        sizes = sizes_in(measured, self.typical, cases)
        fn = _function(self.label_name, measured, sizes, self.raters)
        return replace(self, typical=sizes, fn=fn)


def raykar(
    *,
    typical: Mapping[str, Typical] | None = None,
    diagonal: float = 3.0,
    elsewhere: float = 1.5,
    **declared: Label | Feature,
) -> VotesAndFeatures:
    """Votes and measurements jointly: the class prior of a case is its logistic p(Y | z), votes are Dawid-Skene's.

    ``y_i ~ p(Y | z_i)``, ``vote of rater j | y_i = k ~ C_j[k]``. Source: Raykar et al., JMLR 11 (2010).

    Args:
        typical: Rough (mean, SD over all cases) by column, in the column's unit; otherwise from bounds, else from the
            table.
        diagonal: Dirichlet parameter of the right answer in a row of the confusion matrix.
        elsewhere: Dirichlet parameter of each wrong answer.
        **declared: One `Label`, one `Votes`, and one or more numbers, angles or categories.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: Unless the arguments are one Label, one Votes, and numbers, angles or categories; for a typical size
            of a column that is none of these measurements.

    Examples:
        >>> model = raykar(truth=Label("no", "yes"), votes=Votes(), x=Real(low=0, high=1))
        >>> sorted(model.features)
        ['votes', 'x']
    """
    votes = {n: f for n, f in declared.items() if isinstance(f, Votes)}
    if len(votes) != 1:
        raise InputError(f"raykar: got {len(votes)} Votes features, expected one")
    ((name, feature),) = votes.items()
    base = logistic(typical=typical, **{n: f for n, f in declared.items() if n != name})
    law = DawidSkene(feature, None, diagonal=diagonal, elsewhere=elsewhere).with_name(name)
    return VotesAndFeatures(
        _function(base.label_name, base.features, base.typical, law),
        base.label_name,
        base.label,
        {**base.features, name: feature},
        typical=base.typical,
        raters=law,
    )


def _function(
    label_name: str,
    measured: Mapping[str, Feature],
    typical: Mapping[str, Typical],
    raters: DawidSkene,
) -> Callable[[CasePlate], None]:
    """The model as a plain Pyro function."""

    def raykar(cases: CasePlate) -> None:
        score = linear_predictor(measured, typical, len(cases.classes))
        votes = raters.parameters(cases)
        with cases as z:
            y = pyro.sample(label_name, dist.Categorical(logits=score(z)))
            votes(y)

    return raykar
