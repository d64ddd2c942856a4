"""What no parameter can repair is refused before the first engine, by site, row and cell.

A value outside its site's support; a label or a value that its site gives the probability zero whatever the parameters, as
Categorical([1, 0]) does, where torch writes the smallest number it knows in place of zero; and a site whose log density has
no finite gradient where engines start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import torch
from torch import Tensor
from torch.distributions import constraints

from ..errors import InputError
from ..features import Column, Scalar, Vector
from ..table import Cases

if TYPE_CHECKING:
    from .density import LabelDensity

#: What torch's Categorical and Bernoulli write for a probability of zero in float64.
LOG_ZERO = float(np.log(np.finfo(np.float64).eps))
#: Draws of the prior, beside two points near its median, under all of which a site must give zero to be refused.
ZERO_PROBES = 16
#: Cases that are looked at together under all of them.
ZERO_CASES = 1000
#: Log density of a case under its own class that is low enough to look at it site by site.
LOW_DENSITY = -20.0


def refuse_outside(density: LabelDensity, cases: Cases) -> None:
    """InputError for the first measured value outside its site's support, where that does not depend on parameters."""
    for name, feature in density.model.features.items():
        fn = density.structure.sites.get(name)
        if fn is None or not isinstance(feature, Scalar | Vector) or _depends(fn):
            continue
        outside = outside_support(fn, cases.columns[name])
        if len(outside):
            row = int(outside[0])
            raise InputError(
                f"column '{name}', row {row + 1} (id '{cases.ids[row]}'): got {_cell(cases.columns[name], row)}, which the "
                f"support of {kind_of(fn)} does not contain ({len(outside)} of {len(cases)} cases); "
                "choose a distribution on the range of the column"
            )


def outside_support(fn: Any, column: Column) -> Tensor:
    """Rows of measured values outside the support of ``fn``; any representative of an angle is inside a periodic one."""
    kind = kind_of(fn)
    if ("VonMises" in kind and not kind.startswith("HalfCircle")) or kind == "ProjectedNormal":
        return torch.zeros(0, dtype=torch.long)
    rows = column.cases_observed
    inside = torch.atleast_1d(fn.support.check(column.value)).expand(len(rows))
    return (rows & ~inside).nonzero()[:, 0]


def kind_of(fn: Any) -> str:
    """The name of a law inside Pyro's wrappers."""
    return type(innermost(fn)).__name__


def refuse_zero(density: LabelDensity) -> None:
    """InputError where a labelled case has probability zero under its own class whatever the parameters."""
    cases = density.cases.take(np.flatnonzero(density.cases.labelled))
    if not len(cases) or density.structure.summed:
        return
    u = torch.cat([density.start(2, 0), density.prior_draws(ZERO_PROBES, 0)])
    values = density.constrain(u)
    own = torch.from_numpy(cases.labels)
    suspect = torch.empty(len(cases), dtype=torch.bool)
    with torch.no_grad():
        for rows in torch.arange(len(cases)).split(ZERO_CASES):
            joint = density.class_log_joint(values, cases.take(rows.numpy())).joint
            low = joint.gather(-1, own[rows][None, :, None].expand(len(joint), -1, 1))[..., 0]
            suspect[rows] = ~(low > LOW_DENSITY).any(0)  # not-a-number is suspect
    if not bool(suspect.any()):
        return
    cases = cases.take(suspect.numpy())
    for rows in torch.arange(len(cases)).split(ZERO_CASES):
        _refuse_zero_among(density, cases.take(rows.numpy()), values, len(u))


def _refuse_zero_among(
    density: LabelDensity, cases: Cases, values: dict[str, Tensor], points: int
) -> None:
    """`refuse_zero`, site by site, for cases of which every row may hold a matrix of the class."""
    labels = density.structure.label_values[torch.from_numpy(cases.labels)]
    zero: dict[str, Tensor] = {}
    for at in range(points):
        one = {name: value[at] for name, value in values.items()}
        for name, log_prob in density.site_log_probs(one, cases, labels).items():
            here = ~(log_prob > LOG_ZERO + 1e-9).expand(len(cases))
            here &= ~(log_prob < LOG_ZERO - 1e-9) | torch.isinf(log_prob) | torch.isnan(log_prob)
            zero[name] = zero.get(name, here) & here
    for name, rows in zero.items():
        if bool(rows.any()):
            _refuse_zero(density, cases, name, int(rows.nonzero()[0]))


def _refuse_zero(density: LabelDensity, cases: Cases, name: str, row: int) -> NoReturn:
    model, case = density.model, cases.ids[row]
    label = cases.classes[int(cases.labels[row])]
    if name == model.label_name:
        raise InputError(
            f"label '{name}': the model gives the class '{label}' probability zero whatever its parameters, but case "
            f"'{case}' is labelled so; give every class that occurs a positive probability"
        )
    got = _cell(cases.columns[name], row)
    raise InputError(
        f"site '{name}', case '{case}': under its class '{label}' the value {got} has probability zero whatever the "
        "parameters; check the site's support and fixed probabilities, or the cell"
    )


def refuse_case(density: LabelDensity, u: Tensor) -> NoReturn:
    """Name the first case, and its site, whose density is zero or undefined at the points ``u`` under every class."""
    values, cases = density.constrain(u), density.cases
    bad = ~torch.isfinite(density.class_log_joint(values).joint.amax(-1)).all(0)
    if not bool(bad.any()):
        raise InputError(
            f"model '{density.model.name}': its log density is not finite at the prior median; check the priors"
        )
    row = int(bad.nonzero()[0])
    one = cases.take(np.repeat(row, len(cases.classes)))
    at = {name: value[0] for name, value in values.items()}
    sites = density.site_log_probs(at, one, density.structure.label_values)
    broken = [name for name, each in sites.items() if not bool(torch.isfinite(each).any())]
    where = f"site '{broken[0]}', case" if broken else "case"
    raise InputError(
        f"{where} '{cases.ids[row]}': its measurements have density zero or undefined under every class at the prior median; "
        "check the sites' supports against the table, or widen the priors"
    )


def refuse_gradient(density: LabelDensity) -> None:
    """InputError where the log density has no finite gradient at any starting point: names site, row and cell."""
    starts, slopes = density.start(2, 0), []
    for start in starts:  # one after the other: autograd keeps what every case needs
        u = start[None].clone().requires_grad_()
        total = density.log_prob(u).sum()
        if (
            not density.dim or not total.requires_grad
        ):  # nothing to infer, or nothing to learn it from
            return
        (slope,) = torch.autograd.grad(total, u)
        if bool(torch.isfinite(slope).all()):
            return
        slopes.append(slope[0])
    slope = torch.stack(slopes)
    cases = density.cases
    own = torch.from_numpy(np.maximum(cases.labels, 0))
    labels = density.structure.label_values[own]
    bad = density.coordinates[int((~torch.isfinite(slope)).any(0).nonzero()[0])]
    point = starts[:1].detach().requires_grad_()
    values = {name: value[0] for name, value in density.constrain(point).items()}
    for row in range(len(cases)):  # one by one: a slope of infinity spoils those of its neighbours
        sites = density.site_log_probs(
            values, cases.take([row]), labels[row : row + 1], gradient=True
        )
        for name, log_prob in sites.items():
            if log_prob.requires_grad and not _finite(log_prob.sum(), point):
                what = "" if name == density.model.label_name else ", value "
                cell = _cell(cases.columns[name], row) if what and name in cases.columns else ""
                raise InputError(
                    f"site '{name}', row {row + 1} (id '{cases.ids[row]}'){what if cell else ''}{cell}: its log density has "
                    f"no finite gradient in {bad} at the prior median; keep the value off the edge of the support, or "
                    "rewrite the site"
                )
    raise InputError(
        f"parameter '{bad}': the log density has no finite gradient in it at the prior median; "
        "check its prior and what is computed from it, e.g. a root of 0"
    )


def _finite(value: Tensor, point: Tensor) -> bool:
    (slope,) = torch.autograd.grad(value, point, retain_graph=True, allow_unused=True)
    return slope is None or bool(torch.isfinite(slope).all())


def _cell(column: Column, row: int) -> str:
    """What the model sees of a cell, for messages."""
    if bool(column.censored[row]):
        assert column.low is not None
        assert column.high is not None
        return f"{float(column.low[row]):g} to {float(column.high[row]):g}"
    values = column.values[row].reshape(-1).tolist()
    return ", ".join(f"{value:g}" for value in values)


def _depends(fn: Any) -> bool:
    """Whether a law's support depends on its parameters."""
    support: Any = type(innermost(fn)).support
    return isinstance(support, constraints.dependent_property | property) or bool(
        constraints.is_dependent(support)
    )


def innermost(fn: Any) -> Any:
    """The law inside Pyro's wrappers."""
    while hasattr(fn, "base_dist") and type(fn).__name__ in (
        "Independent",
        "MaskedDistribution",
        "ExpandedDistribution",
    ):
        fn = fn.base_dist
    return fn
