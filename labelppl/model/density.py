"""The one computation everything rests on: L[i, k] = log p(z_i, votes_i, y_i = k | theta), for all draws at once.

The expert's own Pyro function is run with its features clamped and the label set to each class in turn; other discrete
sites are summed over. `torch.func.vmap` carries the draws; a model that cannot be vectorised falls back to a loop, and
says so. The posterior's unnormalised log density is

    log p(u) = log prior(theta(u)) + log |d theta / d u| + sum_labelled L[i, y_i] + sum_unlabelled logsumexp_k L[i, k]

(DESIGN §4). Where it is exact and equal, a class is set as one scalar rather than one value per case, so that whatever
does not differ between cases (a normalising constant) is computed once.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from itertools import product
from typing import NamedTuple

import numpy as np
import pyro
import torch
from torch import Tensor

from ..errors import InputError
from ..features import Column
from ..table import Cases
from .declare import LabelModel
from .plate import CasePlate
from .precision import float64_defaults
from .score import Score
from .structure import Structure, explain, find_structure, prior_trace

#: Numbers held at once by one pass of `class_log_joint`: 128 MiB of float64.
BLOCK = 2**24


class ClassJoint(NamedTuple):
    """log p(z_i, y_i = k | theta_s) and its label part.

    joint: (draws, cases, classes). label: log p(y_i = k | theta_s), (draws, 1 or cases, classes).
    """

    joint: Tensor
    label: Tensor


class LabelDensity:
    """The posterior density of a label model's parameters given ``cases``, and p(z, y = k) for any cases.

    Implements `labelppl.inference.base.Density`. Raises InputError where the model and the table do not fit together.
    """

    def __init__(self, model: LabelModel, cases: Cases) -> None:
        self.model, self.cases, self.classes = model, cases, cases.classes
        self.structure: Structure = find_structure(model, cases)
        self.parameters = self.structure.parameters
        self._refuse_missing_inputs(cases)
        self._pieces = self._by_class(cases)
        self._scalar = True
        self._vectorised = True
        self._choose_evaluation()

    @property
    def dim(self) -> int:
        """Number of unconstrained coordinates."""
        return self.parameters.dim

    @property
    def coordinates(self) -> tuple[str, ...]:
        """A name for each unconstrained coordinate."""
        return self.parameters.coordinates

    def log_prob(self, u: Tensor) -> Tensor:
        """Log density at ``u`` (draws, dim) -> (draws,)."""
        return self._map(self._log_prob, u)

    def start(self, n: int, seed: int) -> Tensor:
        """``n`` points (n, dim), each the coordinatewise median of 15 draws from the prior."""
        draws = []
        for i in range(15 * n):
            trace = prior_trace(self.model, self.cases, seed * 100_003 + i, rows=1, validate=False)
            draws.append(
                self.parameters.unconstrain(
                    {s.name: trace.nodes[s.name]["value"] for s in self.parameters}
                )
            )
        return torch.stack(draws).reshape(n, 15, self.dim).median(1).values

    def constrain(self, u: Tensor) -> dict[str, Tensor]:
        """Parameter values by site, each (draws, ...), at ``u`` (draws, dim)."""
        with float64_defaults():
            values: dict[str, Tensor] = torch.vmap(lambda v: self.parameters.constrain(v)[0])(u)
        return values

    def class_log_joint(
        self, values: Mapping[str, Tensor], cases: Cases | None = None
    ) -> ClassJoint:
        """L for every draw, case and class; ``values`` by site, each (draws, ...); default: the fitted cases."""
        cases = self.cases if cases is None else cases
        self._refuse_missing_inputs(cases)
        draws = len(next(iter(values.values())))
        step = max(1, BLOCK // (draws * len(self.classes)))
        blocks = []
        for first in range(0, len(cases), step):
            some = (
                cases.columns
                if step >= len(cases)
                else cases.take(range(first, min(first + step, len(cases)))).columns
            )
            size = min(step, len(cases) - first)
            blocks.append(
                self._map(lambda v, c=some, n=size: self._class_log_joint(v, c, n), dict(values))
            )
        joint = torch.cat([block[0] for block in blocks], 1)
        label = (
            blocks[0][1]
            if blocks[0][1].shape[1] == 1
            else torch.cat([block[1] for block in blocks], 1)
        )
        return ClassJoint(joint, label)

    def _class_log_joint(
        self, values: Mapping[str, Tensor], columns: Mapping[str, Column], n: int
    ) -> tuple[Tensor, Tensor]:
        """(cases, classes) joint and (1 or cases, classes) label part, for one draw."""
        joint, label = [], []
        for k in range(len(self.classes)):
            _, log_label, log_rest = self._summed(values, k, columns, n)
            joint.append((log_label + log_rest).expand(n))
            label.append(torch.atleast_1d(log_label))
        return torch.stack(joint, -1), torch.stack(label, -1)

    def _log_prob(self, u: Tensor) -> Tensor:
        values, log_jacobian = self.parameters.constrain(u)
        total = log_jacobian
        log_prior = None
        for k, columns, n in self._pieces:
            if k is not None:
                log_prior, log_label, log_rest = self._summed(values, k, columns, n)
                total = total + (log_label + log_rest).expand(n).sum()
            else:
                per_class = []
                for each in range(len(self.classes)):
                    log_prior, log_label, log_rest = self._summed(values, each, columns, n)
                    per_class.append((log_label + log_rest).expand(n))
                total = total + torch.logsumexp(torch.stack(per_class, -1), -1).sum()
        assert log_prior is not None
        return total + log_prior

    def _summed(
        self, values: Mapping[str, Tensor], k: int, columns: Mapping[str, Column], n: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """log prior (), log p(y = k), and log p(z | y = k) with the other discrete sites summed over."""
        names, choices = list(self.structure.summed), list(self.structure.summed.values())
        if not names:
            return self._run(
                values, {self.model.label_name: self.structure.label_values[k]}, columns, n
            )
        rests = []
        for combination in product(*choices):
            discrete = dict(zip(names, combination, strict=True))
            discrete[self.model.label_name] = self.structure.label_values[k]
            log_prior, log_label, log_rest = self._run(values, discrete, columns, n)
            rests.append((log_label + log_rest).expand(n))
        # A summed site may be a parent of the label, so the label's part cannot be told apart from the rest.
        joint = torch.logsumexp(torch.stack(rests, -1), -1)
        return log_prior, log_label, joint - log_label

    def _run(
        self,
        values: Mapping[str, Tensor],
        discrete: Mapping[str, Tensor],
        columns: Mapping[str, Column],
        n: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        inputs = {name: column.values for name, column in columns.items()}
        plate = CasePlate(n, self.classes, inputs, broadcast=not self._scalar)
        if not self._scalar:
            discrete = {name: value.expand(n) for name, value in discrete.items()}
        with Score(self.model.label_name, values, discrete, columns) as score:
            self.model(plate)
        return score.log_prior, score.log_label, score.log_rest

    def _map(self, function, over):  # type: ignore[no-untyped-def]
        """``function`` of each draw, stacked along a new first axis."""
        with float64_defaults(), pyro.validation_enabled(False):
            if self._vectorised:
                return torch.vmap(function)(over)
            n = len(over) if isinstance(over, Tensor) else len(next(iter(over.values())))
            each = [
                over[i] if isinstance(over, Tensor) else {k: v[i] for k, v in over.items()}
                for i in range(n)
            ]
            results = [function(one) for one in each]
            if isinstance(results[0], tuple):
                return tuple(torch.stack(parts) for parts in zip(*results, strict=True))
            return torch.stack(results)

    def _by_class(self, cases: Cases) -> list[tuple[int | None, Mapping[str, Column], int]]:
        """The cases split into those of each class and the unlabelled (None)."""
        pieces: list[tuple[int | None, Mapping[str, Column], int]] = []
        for k in np.unique(cases.labels):
            some = cases.take(cases.labels == k)
            pieces.append((None if k < 0 else int(k), some.columns, len(some)))
        return pieces

    def _choose_evaluation(self) -> None:
        """One scalar per class if the model allows it and agrees; vmap if it works; said when it does not."""
        u = self.start(2, seed=0)
        self._scalar, self._vectorised = False, False
        try:
            plain = self.log_prob(u)
        except InputError:
            raise
        except Exception as error:
            raise explain(self.model, error) from error
        if not torch.isfinite(plain).all():
            self._refuse_impossible_case(u)
        for scalar, vectorised in ((True, True), (False, True), (True, False)):
            self._scalar, self._vectorised = scalar, vectorised
            try:
                got = self.log_prob(u)
            except (
                Exception
            ) as error:  # whatever the expert's code meets under vmap, the loop is still right
                reason = " ".join(str(error).split())[:120]
                continue
            if torch.allclose(got, plain, rtol=1e-9, atol=1e-9):
                break
        else:
            self._scalar, self._vectorised = False, False
        if not self._vectorised:
            warnings.warn(
                f"model '{self.model.name}' cannot be vectorised over draws ({reason}); draws are evaluated one by one",
                stacklevel=2,
            )

    def _refuse_impossible_case(self, u: Tensor) -> None:
        """Name the first case that has density zero under the prior's median."""
        joint = self.class_log_joint(self.constrain(u)).joint
        best = joint.amax(-1)
        bad = ~torch.isfinite(best).all(0)
        if bad.any():
            case = self.cases.ids[int(bad.nonzero()[0])]
            raise InputError(
                f"case '{case}': its measurements have density zero or undefined under every class at the prior median; "
                "check the sites' supports against the table, or widen the priors"
            )
        raise InputError(
            f"model '{self.model.name}': its log density is not finite at the prior median; check the priors"
        )

    def _refuse_missing_inputs(self, cases: Cases) -> None:
        """A value read as an input has no density, so a missing one cannot be integrated out."""
        for name in self.structure.read - self.structure.sampled:
            column = cases.columns[name]
            missing = ~column.cases_observed
            if missing.any():
                row = int(missing.nonzero()[0])
                raise InputError(
                    f"column '{name}', row {row + 1} (id '{cases.ids[row]}'): got an empty cell, expected a value, since "
                    f"the model reads z.{name} as an input; fill it, or give '{name}' a site of its own in the model"
                )
