"""Running a label model for many draws: by pairs of a case and a class in one run, or by class with the class one scalar.

`torch.func.vmap` carries the draws where the model allows it; else they are looped over.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import pyro
import torch
from torch import Tensor

from ..features import Column
from .declare import LabelModel
from .expand import Expansion
from .plate import CasePlate
from .precision import float64_defaults
from .score import Score, plus
from .structure import Structure


class Evaluator:
    """A label model with its structure.

    scalar: whether a class may be set as one scalar. vectorised: whether draws are carried by vmap.
    """

    def __init__(self, model: LabelModel, structure: Structure, classes: tuple[str, ...]) -> None:
        self.model, self.structure, self.classes = model, structure, classes
        self.scalar, self.vectorised = False, False

    def by_pair(
        self, values: Mapping[str, Tensor], rows: Expansion, *, prior: bool = True
    ) -> tuple[Tensor, Tensor, Tensor]:
        """log prior () if wanted, and by pair (pairs,): log p(z, y = k) and its label part."""
        discrete = {**rows.discrete, self.model.label_name: rows.label}
        score = self.run(values, discrete, rows.columns, rows.size, apart=rows.apart, prior=prior)
        label = plus(score.log_label, score.log_summed).expand(rows.size)
        return (score.log_prior, *rows.reduce(plus(score.log_rest, label), label))

    def by_class(
        self,
        values: Mapping[str, Tensor],
        k: int,
        columns: Mapping[str, Column],
        n: int,
        *,
        prior: bool = True,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The class one scalar: log prior () if wanted, log p(z | y = k) (cases,) and log p(y = k) (1 or cases,)."""
        names, choices = list(self.structure.summed), list(self.structure.summed.values())
        label_value = {self.model.label_name: self.structure.label_values[k]}
        rest, label = [], []
        for combination in product(*choices):
            discrete = {**label_value, **dict(zip(names, combination, strict=True))}
            score = self.run(values, discrete, columns, n, broadcast=False, prior=prior)
            rest.append(score.log_rest.expand(n))
            label.append(torch.atleast_1d(plus(score.log_label, score.log_summed)))
        if len(rest) == 1:
            return score.log_prior, rest[0], label[0]
        whole = _log_sum(label)
        joint = _log_sum([plus(r, part) for r, part in zip(rest, label, strict=True)])
        # Of an impossible class both are -inf; their difference shall not be not-a-number.
        return score.log_prior, joint - whole.clamp(min=torch.finfo(whole.dtype).min), whole

    def run(
        self,
        values: Mapping[str, Tensor],
        discrete: Mapping[str, Tensor],
        columns: Mapping[str, Column],
        n: int,
        *,
        broadcast: bool = True,
        apart: Mapping[str, Tensor] | None = None,
        sites: dict[str, Tensor] | None = None,
        prior: bool = True,
    ) -> Score:
        inputs = {name: column.value for name, column in columns.items()}
        plate = CasePlate(n, self.classes, inputs, broadcast=broadcast)
        label = self.model.label_name
        with Score(
            label, values, discrete, columns, apart=apart, sites=sites, prior=prior
        ) as score:
            self.model(plate)
        return score

    def site_log_probs(
        self,
        values: Mapping[str, Tensor],
        columns: Mapping[str, Column],
        label: Tensor,
        discrete: Mapping[str, Tensor],
        *,
        gradient: bool = False,
    ) -> dict[str, Tensor]:
        """Log probability (rows,) of every site inside the cases, for one draw; gradient: with autograd's record."""
        sites: dict[str, Tensor] = {}
        with float64_defaults(), pyro.validation_enabled(False), torch.set_grad_enabled(gradient):
            codes = {**discrete, self.model.label_name: label}
            self.run(values, codes, columns, len(label), sites=sites)
        return sites

    def over_draws(self, function, over):  # type: ignore[no-untyped-def]
        """``function`` of each draw, stacked along a new first axis."""
        with float64_defaults(), pyro.validation_enabled(False):
            if isinstance(over, Tensor):
                n, each = len(over), over.__getitem__
            else:
                n, each = draws_of(over), lambda i: {k: v[i] for k, v in over.items()}
            # One draw needs no vmap, whose overhead is as large as the operations themselves.
            if self.vectorised and n != 1 and len(over):
                return torch.vmap(function)(over)
            results = [function(each(i)) for i in range(n)]
            if isinstance(results[0], tuple):
                return tuple(torch.stack(parts) for parts in zip(*results, strict=True))
            return torch.stack(results)


def draws_of(values: Mapping[str, Tensor]) -> int:
    """Number of draws; a model without parameters has one."""
    return len(next(iter(values.values()))) if values else 1


def _log_sum(parts: list[Tensor]) -> Tensor:
    return torch.logsumexp(torch.stack(torch.broadcast_tensors(*parts), -1), -1)
