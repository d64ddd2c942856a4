"""Student-t number given the class: a Gaussian that outliers do not move.

    z | y = k ~ t_nu(mu_k, sigma_k),  nu ~ Gamma(2, .1) shared,  mu_k ~ N(center, 2 spread),
    log sigma_k ~ N(log(.7 spread), 1.2)

Source of the prior of nu: Juarez and Steel, J. Business and Economic Statistics 28 (2010).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyro
import pyro.distributions as dist
from torch import Tensor

from .. import distributions as laws
from ..features import Feature, Label
from ..model import CasePlate
from .independent import Family, independent
from .law import LOG_SD, Law, Typical, bind


@dataclass(frozen=True)
class StudentT(Law):
    """The Student-t law of a number given the class: a Gaussian that outliers do not move.

    The sites are ``<name>_df`` (), the degrees of freedom of all classes, and ``<name>_mean`` and ``<name>_scale``
    (classes,), in the model's unit.

    Args:
        feature: A number.
        typical: Rough (mean, SD over all cases) in the column's unit; None takes it from the bounds, else from the
            table.
        name: The column; `with_name` sets it.

    Raises:
        InputError: For a feature of another kind, or a typical SD that is not above 0.

    Examples:
        >>> grade = StudentT(Real(), typical=(20, 30))
        >>> sorted(independent(diagnosis=Label("a", "b"), grade=grade).features)
        ['grade']
    """

    def units(self) -> dict[str, str]:
        """Both the mean and the scale are in the unit of the numbers."""
        return {f"{self.name}_{part}": self.name for part in ("mean", "scale")}

    def parameters(self, cases: CasePlate) -> Callable[[Tensor], Tensor]:
        center, spread = self.place()
        df = pyro.sample(f"{self.name}_df", dist.Gamma(2.0, 0.1))
        mean = self.by_class("mean", dist.Normal(center, 2 * spread), cases)
        scale = self.by_class("scale", dist.LogNormal(math.log(0.7 * spread), LOG_SD), cases)
        return self.observe(lambda y: laws.StudentT(df, mean[y], scale[y]))


def student_t(
    *,
    typical: Mapping[str, Typical] | None = None,
    prevalence: tuple[float, ...] | None = None,
    **declared: Label | Feature,
) -> Family:
    """Numbers with outliers, independent given the class: ``z | y = k ~ t_nu(mu_k, sigma_k)``.

    Args:
        typical: Rough (mean, SD over all cases) by column, in the column's unit; otherwise from bounds, else from the
            table.
        prevalence: p(Y) by class, (classes,), where it is fixed by design; otherwise it is learned.
        **declared: One `Label`; one or more numbers.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: Unless one argument is a Label and the others are numbers; for a typical size of a column that is
            not declared; for a prevalence that is not one positive number a class, with sum 1.

    Examples:
        >>> model = student_t(diagnosis=Label("a", "b"), grade=Real(), typical={"grade": (20, 30)})
        >>> sorted(model.features)
        ['grade']
    """
    return independent(prevalence=prevalence, **bind(StudentT, declared, typical or {}))
