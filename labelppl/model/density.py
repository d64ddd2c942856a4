"""The one computation everything rests on: L[i, k] = log p(z_i, votes_i, y_i = k | theta), for all draws at once.

The expert's own Pyro function is run with its features clamped and the label set; other discrete sites are summed over,
and missing parents integrated out (`missing`). `torch.func.vmap` carries the draws; a model that cannot be vectorised falls
back to a loop, and says so. The posterior's unnormalised log density is

    log p(u) = log prior(theta(u)) + log |d theta / d u| + sum_labelled L[i, y_i] + sum_unlabelled logsumexp_k L[i, k]

There are two equal ways to evaluate it. With few numbers at stake, one run of the model holds every pair of
a case and a class as a row of its own (`expand`), so that Pyro's overhead is paid once. With many, one run per class sets
the class as one scalar, so that whatever does not differ between cases (a normalising constant) is computed once per draw.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..seeds import stream
from ..table import Cases
from .class_joint import ClassJoint, Collected, chunks
from .declare import LabelModel
from .evaluator import Evaluator, draws_of
from .expand import all_pairs, expand
from .fitted import Fitted, arrange
from .forward import as_model_error
from .impossible import refuse_case, refuse_gradient, refuse_outside, refuse_zero
from .missing import Relations
from .precision import float64_defaults
from .quadratic import check_quadratic
from .start import prior_draws, prior_medians
from .structure import Structure, find_structure

#: Numbers per site (draws x rows x components, such as raters) up to which a row per pair is faster than a run per class.
ONE_RUN = 2**15
#: Cases on which the ways of evaluating a model are compared: one row a case and a class would be too large for all.
PROBE_CASES = 2000
#: Numbers in one pass of `class_log_joint`: 32 MiB of float64 per intermediate result.
PASS_NUMBERS = 2**22


class LabelDensity:
    """The posterior density of a label model's parameters given ``cases``, and p(z, y = k) for any cases.

    Implements `labelppl.inference.base.Density`.

    Args:
        model: The label model.
        cases: The cases it is fitted to.

    Raises:
        InputError: The model and the table do not fit together.

    Examples:
        >>> from labelppl.families import gaussian
        >>> from labelppl.table import cases_from_frame
        >>> frame = pd.DataFrame({"x": [0.1, 0.4, 0.2, 2.1, 1.8, 2.4], "y": ["a"] * 3 + ["b"] * 3})
        >>> model = gaussian(y=Label("a", "b"), x=Real(low=0, high=4))
        >>> cases = cases_from_frame(frame, "y", model.label, model.features)
        >>> density = LabelDensity(model, cases)
        >>> points = density.start(3, seed=0)
        >>> density.log_prob(points).shape
        torch.Size([3])
        >>> density.class_log_joint(density.constrain(points)).joint.shape
        torch.Size([3, 6, 2])
    """

    def __init__(self, model: LabelModel, cases: Cases) -> None:
        self.model, self.classes = model, cases.classes
        self.structure: Structure = find_structure(model, cases)
        self.cases = cases = self._type_codes(cases)
        self.parameters = self.structure.parameters.with_anchors(model.anchors(cases))
        self._evaluator = Evaluator(model, self.structure, self.classes)
        self._probe = self.start(2, seed=0)
        probe = {name: value[0] for name, value in self.constrain(self._probe).items()}
        run = partial(self._evaluator.site_log_probs, probe)
        self._relations = Relations(self.structure, len(self.classes), run)
        self._check(cases)
        self._fitted = arrange(cases, self.structure, self._relations)
        self._choose_evaluation()

    @property
    def dim(self) -> int:
        """Number of unconstrained coordinates."""
        return self.parameters.dim

    @property
    def coordinates(self) -> tuple[str, ...]:
        """A name for each unconstrained coordinate."""
        return self.parameters.coordinates

    @property
    def numbers(self) -> int:
        """How many numbers the evaluation of one point holds; engines bound their batches by it."""
        return self._fitted.different * len(self.classes)

    def log_prob(self, u: Tensor) -> Tensor:
        """Log density at ``u`` (draws, dim) -> (draws,)."""
        numbers = len(u) * self._fitted.every.rows.size * self._fitted.cells
        if not self._evaluator.scalar or numbers <= ONE_RUN:
            return self._evaluator.over_draws(self._log_prob_at_once, u)
        return self._evaluator.over_draws(self._log_prob_by_class, u)

    def start(self, n: int, seed: int) -> Tensor:
        """``n`` points (n, dim) near the prior's median."""
        own = stream(seed, "prior medians")
        return prior_medians(self.model, self.cases, self.parameters, n, own)

    def prior_draws(self, n: int, seed: int) -> Tensor:
        """``n`` single draws (n, dim) from the prior."""
        own = stream(seed, "prior draws")
        return prior_draws(self.model, self.cases, self.parameters, n, own)

    def constrain(self, u: Tensor) -> dict[str, Tensor]:
        """Parameter values by site, each (draws, ...), at ``u`` (draws, dim)."""
        with float64_defaults():
            values: dict[str, Tensor] = torch.vmap(lambda v: self.parameters.constrain(v)[0])(u)
        return values

    def site_log_probs(
        self,
        values: Mapping[str, Tensor],
        cases: Cases,
        label: Tensor,
        *,
        gradient: bool = False,
    ) -> dict[str, Tensor]:
        """Log probability of every site inside the cases, () or (cases,), for one draw and the label's values (cases,).

        Discrete sites that are summed over take their first value.
        """
        first = {name: each[:1].expand(len(label)) for name, each in self.structure.summed.items()}
        return self._evaluator.site_log_probs(
            values, cases.columns, label, first, gradient=gradient
        )

    def class_log_joint(
        self, values: Mapping[str, Tensor], cases: Cases | None = None
    ) -> ClassJoint:
        """L for every draw, case and class; ``values`` by site, each (draws, ...); default: the fitted cases."""
        if cases is None:
            cases = self.cases
        else:
            cases = self._type_codes(cases)
            self._check(cases)
        draws, classes = draws_of(values), len(self.classes)
        which, patterns = self._relations.patterns(cases)
        plain = np.array([pattern.simple for pattern in patterns])[which] & self._evaluator.scalar
        whole = Collected(classes, draws, len(cases))
        step = max(1, PASS_NUMBERS // (draws * max(classes, self._fitted.cells)))
        for rows, some in chunks(cases, np.flatnonzero(plain), step):
            for k in range(classes):
                part = self._evaluator.over_draws(
                    lambda v, k=k, c=some: self._evaluator.by_class(
                        v, k, c.columns, len(c), prior=False
                    )[1:],
                    values,
                )
                whole.put_sum(k, rows, *part)
        widest = max(pattern.rows for pattern in patterns)
        for rows, some in chunks(cases, np.flatnonzero(~plain), max(1, step // widest)):
            pairs = all_pairs(np.arange(len(some)), classes)
            expansion = expand(some, self.structure, self._relations, pairs)
            joint, label = self._evaluator.over_draws(
                lambda v, e=expansion: self._evaluator.by_pair(v, e, prior=False)[1:], values
            )
            for k in range(classes):
                whole.put(k, rows, joint[:, k::classes], label[:, k::classes])
        return whole.result()

    def _log_prob_at_once(self, u: Tensor, some: Fitted | None = None) -> Tensor:
        values, log_jacobian = self.parameters.constrain(u)
        fitted = self._fitted if some is None else some
        log_prior, joint, _ = self._evaluator.by_pair(values, fitted.every.rows)
        return log_jacobian + log_prior + fitted.every.total(joint)

    def _log_prob_by_class(self, u: Tensor, some: Fitted | None = None) -> Tensor:
        values, total = self.parameters.constrain(u)
        fitted = self._fitted if some is None else some
        needs_prior = True  # one run tells it, the others need not
        for k, columns, counts in fitted.pieces:
            each = []
            for k_each in range(len(self.classes)) if k is None else (k,):
                log_prior, rest, label = self._evaluator.by_class(
                    values, k_each, columns, len(counts), prior=needs_prior
                )
                needs_prior, total = False, total + log_prior
                each.append(rest + label)
            whole = each[0] if k is not None else torch.logsumexp(torch.stack(each, -1), -1)
            total = total + (whole * counts).sum()
        if (others := fitted.others) is not None:
            log_prior, joint, _ = self._evaluator.by_pair(values, others.rows, prior=needs_prior)
            total = total + log_prior + others.total(joint)
        return total

    def _choose_evaluation(self) -> None:
        """vmap if it works, one scalar per class if that agrees, tried on some of the cases; said when draws must be looped over."""
        u, some = self._probe, self._some_cases()
        at_once = partial(self._log_prob_at_once, some=some)
        try:
            plain = self._evaluator.over_draws(at_once, u)
        except InputError:
            raise
        except Exception as error:
            raise as_model_error(self.model, error) from error
        self._evaluator.vectorised = True
        try:
            vectorised = self._evaluator.over_draws(at_once, u)
            reason = "vectorised values differ"
            self._evaluator.vectorised = _same(vectorised, plain)
        except Exception as error:  # whatever the expert's code meets under vmap, the loop is right
            self._evaluator.vectorised, reason = False, " ".join(str(error).split())[:120]
        try:
            by_class = partial(self._log_prob_by_class, some=some)
            self._evaluator.scalar = _same(self._evaluator.over_draws(by_class, u), plain)
        except Exception:  # a model may need one value per case, and then gets it
            self._evaluator.scalar = False
        if not torch.isfinite(self.log_prob(u)).all():
            refuse_zero(self)
            refuse_case(self, u)
        self._refuse_dependent_cases()
        if not self._evaluator.vectorised:
            warnings.warn(
                f"model '{self.model.name}' cannot be vectorised over draws ({reason}); draws are evaluated one by one",
                stacklevel=2,
            )
        refuse_zero(self)
        refuse_gradient(self)

    def _some_cases(self) -> Fitted:
        """The fitted cases; of many an even part, with some of every label and every pattern of missing parents."""
        if len(self.cases) <= PROBE_CASES:
            return self._fitted
        which, _ = self._relations.patterns(self.cases)
        kinds = np.unique(np.stack([which, self.cases.labels]), axis=1, return_index=True)[1]
        even = np.linspace(0, len(self.cases) - 1, PROBE_CASES).astype(np.int64)
        rows = np.union1d(kinds, even)
        return arrange(self.cases.take(rows), self.structure, self._relations)

    def _refuse_dependent_cases(self) -> None:
        """A case whose density depends on who else is in the table would be labelled differently elsewhere."""
        values = {name: value[:1] for name, value in self.constrain(self._probe).items()}
        with torch.no_grad():
            among = self.class_log_joint(values).joint[0]
            for row in {0, len(self.cases) - 1}:
                alone = self.class_log_joint(values, self.cases.take([row])).joint[0, 0]
                if not torch.allclose(alone, among[row], rtol=1e-6, atol=1e-6, equal_nan=True):
                    raise InputError(
                        f"model '{self.model.name}': the density of case '{self.cases.ids[row]}' depends on the other "
                        "rows of the table (such as z.x.mean()), so that new cases could not be labelled alike; "
                        "write the number into the model file"
                    )

    def _type_codes(self, cases: Cases) -> Cases:
        """Codes in the dtype of their site's values, e.g. floating for a Bernoulli."""
        columns = dict(cases.columns)
        for name, codes in self.structure.codes.items():
            columns[name] = replace(columns[name], values=columns[name].values.to(codes.dtype))
        return replace(cases, columns=columns) if self.structure.codes else cases

    def _check(self, cases: Cases) -> None:
        """Refuse what is missing and cannot be integrated out."""
        for name in sorted(self.structure.read - self.structure.sampled):
            missing = ~cases.columns[name].cases_observed
            if missing.any():
                row = int(missing.nonzero()[0])
                seen = "an interval" if bool(cases.columns[name].censored[row]) else "an empty cell"
                raise InputError(
                    f"column '{name}', row {row + 1} (id '{cases.ids[row]}'): got {seen}, expected a value, since "
                    f"the model reads z.{name} as an input; fill it, or give '{name}' a site of its own in the model"
                )
        refuse_outside(self, cases)
        check_quadratic(cases, self._relations)


def _same(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-9, atol=1e-9)
