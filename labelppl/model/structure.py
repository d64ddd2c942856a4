"""What a label model does with a table: which sites are parameters, which are columns, which are summed over.

Found by running the expert's function once on the first cases with Pyro's own validation on, so that a mistake is
reported as a sentence about the expert's file before any fitting starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro import poutine
from pyro.poutine.messenger import Messenger
from pyro.poutine.util import site_is_factor, site_is_subsample
from torch import Tensor

from ..errors import InputError
from ..features import Category
from ..seeds import stream
from ..table import Cases
from .declare import LabelModel
from .forward import forward
from .impossible import innermost
from .parameters import Parameters
from .precision import float64_defaults
from .score import inside_cases

MOST_CONFIGURATIONS = 4096


@dataclass(frozen=True)
class Structure:
    """The sites of a label model, as found on a table.

    parameters: latent sites outside the cases. label_values: (classes,) the value the label site takes for each class.
    summed: discrete site no column feeds -> its values (values,). read: features used as inputs (``z.alpha``).
    sampled: features that are sites. sites: the distribution each of them had when the model was first run.
    codes: for each feature of codes, all its values (values,) in the dtype of its site.
    """

    parameters: Parameters
    label_values: Tensor
    summed: Mapping[str, Tensor]
    read: frozenset[str]
    sampled: frozenset[str]
    sites: Mapping[str, Any]
    codes: Mapping[str, Tensor]


def prior_trace(
    model: LabelModel, cases: Cases, seed: int, *, rows: int = 2, validate: bool = True
) -> Any:
    """A Pyro trace of the model on the first ``rows`` cases: parameters and label from the prior, features clamped."""
    some = cases.take(range(min(rows, len(cases))))
    plate = model.plate(some)
    data = {name: column.value for name, column in some.columns.items()}
    run = poutine.trace(poutine.condition(_Declared(model), data=data))
    with forward(model, stream(seed, "prior"), validate=validate):
        trace = run.get_trace(plate)
    trace.read = frozenset(plate.read)
    return trace


class _Declared(Messenger):
    """Refuses ``obs=`` at a declared site, whose values are the table's column, and a prior that cannot be drawn from."""

    def __init__(self, model: LabelModel) -> None:
        super().__init__()
        self.model = model

    def __call__(self, *args: Any) -> Any:
        """Run the model under this handler."""
        with self:
            return self.model(*args)

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        name = msg["name"]
        if isinstance(innermost(msg["fn"]), dist.ImproperUniform) and not msg["is_observed"]:
            raise InputError(
                f"site '{name}': an improper prior cannot be drawn from, so that nothing can be simulated or started from; "
                f"use a proper one that is wide, e.g. dist.Normal(0, 10), in the units of '{name}'"
            )
        if msg["is_observed"] and (name in self.model.features or name == self.model.label_name):
            what = "the label" if name == self.model.label_name else "a declared feature"
            raise InputError(
                f"site '{name}': obs= is given by hand, but '{name}' is {what} and takes its values from the table; "
                "remove obs="
            )


def find_structure(model: LabelModel, cases: Cases) -> Structure:
    """Sort the model's sites; InputError names the first one that fits nowhere and how to mend it."""
    trace = prior_trace(model, cases, seed=0)
    parameters: dict[str, Any] = {}
    summed: dict[str, Tensor] = {}
    label_values: Tensor | None = None
    for name, site in trace.nodes.items():
        if site["type"] == "param":
            raise InputError(
                f"site '{name}': pyro.param has no prior; write pyro.sample('{name}', prior)"
            )
        if (
            site["type"] != "sample"
            or site_is_subsample(site)
            or site["infer"].get("_deterministic")
        ):
            continue
        if name in model.features or name == model.label_name:
            _inside_or_refuse(name, site)
        if name == model.label_name:
            label_values = _label_values(name, site, cases.classes)
        elif name in model.features or site_is_factor(site):
            continue
        elif inside_cases(site):
            summed[name] = _discrete_values(name, site)
        elif not site["is_observed"]:
            parameters[name] = site
    if label_values is None:
        raise InputError(
            f"label '{model.label_name}': the model has no such site; "
            f"write pyro.sample('{model.label_name}', dist.Categorical(...)) inside `with cases:`"
        )
    sampled = frozenset(model.features) & frozenset(trace.nodes)
    for name in model.features:
        if name not in sampled | trace.read:
            raise InputError(
                f"feature '{name}': declared but never used; write pyro.sample('{name}', ...) inside `with cases:`, "
                f"read it as z.{name} in `with cases as z:`, or remove it from label_model(...)"
            )
    configurations = prod(len(values) for values in summed.values())
    if configurations > MOST_CONFIGURATIONS:
        raise InputError(
            f"sites {', '.join(summed)}: {configurations} combinations to sum over, at most {MOST_CONFIGURATIONS}; "
            "observe some of them or merge their values"
        )
    sites = {name: trace.nodes[name]["fn"] for name in sampled}
    codes = {
        name: _code_values(name, feature, trace.nodes[name])
        for name, feature in model.features.items()
        if isinstance(feature, Category) and name in sampled
    }
    independent = _independent_priors(model, cases, Parameters(parameters), trace)
    return Structure(
        Parameters(parameters, independent=independent), label_values, summed, trace.read, sampled, sites, codes
    )  # fmt: skip


def _inside_or_refuse(name: str, site: Mapping[str, Any]) -> None:
    if not inside_cases(site):
        raise InputError(
            f"site '{name}': it is a column, so it belongs inside `with cases:`; move it there"
        )


def _label_values(name: str, site: Mapping[str, Any], classes: tuple[str, ...]) -> Tensor:
    if not (site["fn"].has_enumerate_support and site["fn"].event_dim == 0):
        raise InputError(
            f"label '{name}': the model samples it from a {type(site['fn']).__name__}; "
            "expected a Categorical, or a Bernoulli for two classes"
        )
    values = _discrete_values(name, site)
    if len(values) != len(classes):
        raise InputError(
            f"label '{name}': the model gives it {len(values)} classes, the Label has {len(classes)} "
            f"({', '.join(classes)}); size its probabilities by len(cases.classes)"
        )
    return values


def _code_values(name: str, feature: Category, site: Mapping[str, Any]) -> Tensor:
    """The values (names,) of a feature of codes in its site's own dtype."""
    fn, kind = site["fn"], type(feature).__name__
    if not fn.support.is_discrete:
        raise InputError(
            f"feature '{name}': it is a {kind} of {len(feature.names)} names, but the model samples it from a "
            f"{type(fn).__name__}; use a Categorical or declare it as Real()"
        )
    if not fn.has_enumerate_support:
        return torch.arange(len(feature.names))
    values: Tensor = fn.enumerate_support(expand=False).reshape(-1)
    if len(values) != len(feature.names):
        raise InputError(
            f"feature '{name}': the model gives it {len(values)} values, {kind} has {len(feature.names)} "
            f"({', '.join(feature.names)}); size its probabilities alike"
        )
    return values


def _discrete_values(name: str, site: Mapping[str, Any]) -> Tensor:
    """All values (values,) of a discrete site inside the cases, in its own dtype."""
    fn = site["fn"]
    if not (fn.has_enumerate_support and fn.event_dim == 0):
        kind = type(fn).__name__
        raise InputError(
            f"site '{name}' inside `with cases:`: no column feeds it and it is not discrete ({kind}); declare it as a "
            f"feature in label_model({name}=...), or move it outside if it is a parameter"
        )
    values: Tensor = fn.enumerate_support(expand=False).reshape(-1)
    return values


def _independent_priors(
    model: LabelModel, cases: Cases, parameters: Parameters, first: Any
) -> bool:
    """Whether no prior depends on another parameter, as a second trace shows.

    A support that does would need a transform per draw; the layout has one per site, so it is refused.
    """
    second = prior_trace(model, cases, seed=1, validate=False)
    independent = True
    for site in parameters:
        one, other = first.nodes[site.name], second.nodes[site.name]
        again = Parameters({site.name: other})
        probe = torch.linspace(-1.0, 1.0, site.size, dtype=torch.float64)
        was = site.transform(probe.reshape(site.unconstrained_shape))
        now = again.constrain(probe)[0][site.name]
        if was.shape != now.shape or not torch.equal(was, now):
            raise InputError(
                f"site '{site.name}': the bounds of its prior depend on another parameter; "
                "sample it on a fixed range and rescale it with pyro.deterministic"
            )
        with float64_defaults(), pyro.validation_enabled(False):
            same = all(
                torch.equal(one["fn"].log_prob(value), other["fn"].log_prob(value))
                for value in (one["value"], other["value"])
            )
        independent &= same
    return independent
