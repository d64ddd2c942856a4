"""Class-conditional Gaussian with full covariance, the paper's label model (Vega et al. 2021, Eq. 6).

    z | y = k ~ N(mu_k, Sigma_k),  Sigma_k ~ IW(d + 2, diag(spread^2)),  mu_k | Sigma_k ~ N(center, Sigma_k / kappa0)

E[Sigma_k] = diag(spread^2). The posterior predictive is a multivariate t in closed form (`exact.gaussian`),
which, unlike plugged-in estimates, is not overconfident at 5 to 50 cases a class.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import pyro
import pyro.distributions as dist
import torch
from torch import Tensor

from ..distributions import InverseWishartCholesky
from ..errors import InputError
from ..features import Column, Feature, Label, Scalar, Vector
from ..model import CasePlate
from .exact import NIW, Factor, GaussianFactor
from .independent import Family, independent
from .law import Law, Typical, bounds, place, typical_of


@dataclass(frozen=True)
class Gaussian(Law):
    """A `Vector` with full covariance, or one number. Sites ``<name>_mean`` and ``<name>_scale_tril``.

    typical_of: for a Vector, (center, spread) by component. kappa0: prior cases' worth of belief in the center.
    """

    components: Mapping[str, Typical] | None = None
    kappa0: float = 0.1

    accepts = (Scalar, Vector)

    def tuned(self, columns: Mapping[str, Column]) -> Self:
        if not isinstance(self.feature, Vector):
            return super().tuned(columns)
        column, sizes = columns[self.name], dict(self.components or {})
        for i, (name, part) in enumerate(self.feature.components.items()):
            if name not in sizes and bounds(part) is None:
                alone = Column(column.values[:, i], column.observed[:, i])
                sizes[name] = typical_of(name, part, alone)
        return replace(self, components=sizes)

    def prior(self) -> NIW:
        """The normal-inverse-Wishart prior in the model's unit."""
        if isinstance(self.feature, Vector):
            sizes = self.components or {}
            places = [place(n, part, sizes.get(n)) for n, part in self.feature.components.items()]
        else:
            places = [self.place()]
        center, spread = torch.tensor(places, dtype=torch.float64).T
        return NIW.around(center, spread, self.kappa0)

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        classes = len(cases.classes)
        prior = self.prior()
        d = len(prior.mean)
        root = torch.linalg.cholesky(prior.scale)
        tril = pyro.sample(
            f"{self.name}_scale_tril",
            InverseWishartCholesky(prior.nu, root).expand([classes]).to_event(1),
        )
        mean = pyro.sample(
            f"{self.name}_mean",
            dist.MultivariateNormal(
                prior.mean.expand(classes, d), scale_tril=tril / prior.kappa**0.5
            ).to_event(1),
        )

        def observe(y: Tensor) -> Tensor:
            if isinstance(self.feature, Vector):
                return pyro.sample(self.name, dist.MultivariateNormal(mean[y], scale_tril=tril[y]))
            else:
                return pyro.sample(self.name, dist.Normal(mean[y, 0], tril[y, 0, 0]))

        return observe

    def factor(self, columns: Mapping[str, Column], labels: Tensor, classes: int) -> Factor:
        made = GaussianFactor.fit(self.name, columns[self.name], labels, classes, self.prior())
        return replace(
            made, mean_site=f"{self.name}_mean", scale_tril_site=f"{self.name}_scale_tril"
        )


def gaussian(
    *,
    typical: Mapping[str, Typical] | None = None,
    prevalence: tuple[float, ...] | None = None,
    kappa0: float = 0.1,
    **declared: Label | Feature,
) -> Family:
    """The paper's label model in one line: ``gaussian(diagnosis=Label("a", "b"), x=Real(), y=Real())``.

    Several numbers become one `Vector` called ``measured``; a Vector keeps its name. typical: (center, spread)
    by column, in the column's unit.
    """
    laws: dict[str, Any] = {}
    loose: dict[str, Scalar] = {}
    typical = dict(typical or {})
    columns: set[str] = set()
    for name, what in declared.items():
        if isinstance(what, Vector):
            laws[name] = Gaussian(what, components=typical, kappa0=kappa0)
            columns |= set(what.components)
        elif isinstance(what, Scalar):
            loose[name] = what
        elif isinstance(what, Label):
            laws[name] = what
        else:
            raise InputError(
                f"gaussian: '{name}' is {what!r}, expected a Label, numbers or a Vector"
            )
    unknown = set(typical) - columns - set(loose)
    if unknown:
        raise InputError(f"typical: got '{min(unknown)}', which is not a declared column")
    if len(loose) == 1:
        ((name, only),) = loose.items()
        laws[name] = Gaussian(only, typical.get(name), kappa0=kappa0)
    elif loose:
        laws["measured"] = Gaussian(Vector(**loose), components=typical, kappa0=kappa0)
    return independent(prevalence=prevalence, **laws)
