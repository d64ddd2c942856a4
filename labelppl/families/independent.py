"""`independent`: features that are independent given the class, each with its own law; the family of families.

    p(y = k, z) = pi_k prod_f p(z_f | y = k),   pi ~ Dirichlet(counts), or fixed

With a `Vector` and a Gaussian law the features inside it are dependent. Class sizes chosen by the
investigator (case-control) say nothing about p(Y): give `prevalence=` and pi is that, not inferred. Where
every law has a closed form, `exact` is the posterior without any sampling.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from ..errors import InputError
from ..features import Label, ReaderFeature
from ..model import CasePlate, LabelModel, SiteSampler
from ..table import Cases
from .exact import ExactPosterior, Prevalence
from .law import Law


@dataclass(frozen=True)
class Family(LabelModel):
    """A label model made of laws; the same kind of object as ``@label_model`` gives. `independent` makes one.

    Args:
        fn: The Pyro function.
        label_name: The label's column.
        label: The label.
        features: The features by column.
        options: Values of the function's keyword-only arguments; none here.
        source: The model file, where there is one.
        called: The model's name, where the function's own says nothing.
        evidence: The laws.
        counts: Pseudo-cases of each class in the Dirichlet prior of p(Y).
        prevalence: p(Y) by class, (classes,), where it is fixed by design.

    Raises:
        InputError: For a feature named like an attribute of the plate.

    Examples:
        >>> from labelppl.families import Gaussian
        >>> model = independent(truth=Label("no", "yes"), x=Gaussian(Real()), prevalence=(0.9, 0.1))
        >>> isinstance(model, Family), model.prevalence
        (True, (0.9, 0.1))
    """

    evidence: tuple[Law, ...] = field(default=(), kw_only=True)
    counts: float = field(default=1.0, kw_only=True)
    prevalence: tuple[float, ...] | None = field(default=None, kw_only=True)

    def for_cases(self, cases: Cases) -> Family:
        """The same model with prior sizes taken from the table where none were declared (an empirical prior)."""
        tuned = tuple(e.tune(cases.columns) for e in self.evidence)
        fn = _function(self.label_name, tuned, self.counts, self.prevalence)
        return replace(self, evidence=tuned, fn=fn)

    def axes(self) -> dict[str, tuple[str, ...]]:
        """Names of the first axes of each site that has one."""
        named: dict[str, tuple[str, ...]] = {"prevalence": ("class",)}
        for law in self.evidence:
            named |= law.axes()
        return named

    def units(self) -> dict[str, str]:
        """Site -> the feature in whose unit it is."""
        return {site: name for law in self.evidence for site, name in law.units().items()}

    def exact(self, cases: Cases, seed: int = 0) -> ExactPosterior:
        """Posterior in closed form, its sites named as in the Pyro function.

        Args:
            cases: The table.
            seed: Of the laws whose closed form needs draws.

        Returns:
            The posterior.

        Raises:
            InputError: Where a law, an unlabelled case or a missing entry has no closed form.
        """
        labels = torch.from_numpy(cases.labels)
        k = len(cases.classes)
        factors = tuple(e.factor(cases.columns, labels, k, seed) for e in self.evidence)
        if self.prevalence is None:
            prior = torch.full((k,), self.counts, dtype=torch.float64)
            return ExactPosterior(Prevalence.fit(labels, prior), factors, labels)
        fixed = torch.tensor(self.prevalence, dtype=torch.float64)
        return ExactPosterior(Prevalence(fixed, fixed=True), factors, labels)

    @property
    def takes_strangers(self) -> bool:
        readers = [law for law in self.evidence if isinstance(law.feature, ReaderFeature)]
        return bool(readers) and all(law.takes_strangers for law in readers)

    @property
    def named_by_answers(self) -> bool:
        return any(law.named_by_answers for law in self.evidence)

    def samplers(self, cases: Cases) -> Mapping[str, SiteSampler]:
        """Those of the only law, under the uniform prior of p(Y) that they are made for."""
        if len(self.evidence) != 1 or self.prevalence is not None or self.counts != 1.0:
            return {}
        return self.evidence[0].samplers(cases.columns, cases.labels, cases.classes)

    def power(self, cases: Cases, diagnostics: Mapping[str, float | int | str]) -> Tensor | None:
        if len(self.evidence) != 1:
            return None
        law = self.evidence[0]
        return law.power(cases.columns[law.name], diagnostics)


def independent(
    *,
    counts: float = 1.0,
    prevalence: Sequence[float] | None = None,
    **declared: Label | Law,
) -> Family:
    """A label model of features that are independent given the class, each with a law of its own.

    ``p(y = k, z) = pi_k prod_f p(z_f | y = k)``, ``pi ~ Dirichlet(counts)`` or fixed.

    Args:
        counts: Pseudo-cases of each class in the Dirichlet prior of p(Y).
        prevalence: p(Y) by class, (classes,), where it is fixed by design, as in a case-control study.
        **declared: One `Label` and one or more laws, by column.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: Unless exactly one argument is a Label and the others are laws, one or more; for a prevalence that
            is not one positive number a class, with sum 1.

    Examples:
        >>> from labelppl.families import Gaussian, VonMises
        >>> alpha = VonMises(Angle("deg", low=20, high=90))
        >>> model = independent(diagnosis=Label("a", "b"), alpha=alpha, width=Gaussian(Real("mm")))
        >>> sorted(model.features)
        ['alpha', 'width']
    """
    label_name, label = the_label(declared)
    evidence = []
    for name, what in declared.items():
        if isinstance(what, Label):
            continue
        if not isinstance(what, Law):
            raise InputError(
                f"independent: '{name}' is {what!r}, expected a law of families, e.g. VonMises(Angle('deg', ...))"
            )
        evidence.append(what.with_name(name))
    if not evidence:
        raise InputError("independent: expected at least one feature beside the Label")
    features = {n: f for e in evidence for n, f in e.features.items()}
    fixed = None if prevalence is None else tuple(float(p) for p in prevalence)
    if fixed is not None and (min(fixed) <= 0 or abs(sum(fixed) - 1) > 1e-6):
        raise InputError(f"prevalence: got {fixed}, expected positive numbers that sum to 1")
    if fixed is not None and label.classes and len(fixed) != len(label.classes):
        raise InputError(
            f"prevalence: got {len(fixed)} numbers, expected one for each of {', '.join(label.classes)}"
        )
    laws = tuple(evidence)
    return Family(
        _function(label_name, laws, counts, fixed),
        label_name,
        label,
        features,
        evidence=laws,
        counts=counts,
        prevalence=fixed,
    )


def the_label(declared: Mapping[str, Any]) -> tuple[str, Label]:
    """The one Label among what was declared; InputError if there is none or more than one."""
    labels = [(name, what) for name, what in declared.items() if isinstance(what, Label)]
    if len(labels) != 1:
        names = ", ".join(name for name, _ in labels) or "none"
        raise InputError(
            f"expected exactly one Label, got {names}; e.g. diagnosis=Label('no', 'yes')"
        )
    return labels[0]


def _function(
    label_name: str, evidence: tuple[Law, ...], counts: float, prevalence: tuple[float, ...] | None
) -> Callable[[CasePlate], None]:
    """The family as a plain Pyro function."""

    def independent(cases: CasePlate) -> None:
        k = len(cases.classes)
        if prevalence is None:
            pi = pyro.sample("prevalence", dist.Dirichlet(torch.full((k,), counts)))
        else:
            pi = torch.tensor(prevalence)
        laws = [e.parameters(cases) for e in evidence]
        with cases:
            y = pyro.sample(label_name, dist.Categorical(pi))
            for law in laws:
                law(y)

    return independent
