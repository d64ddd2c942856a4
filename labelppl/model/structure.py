"""What a label model does with a table: which sites are parameters, which are columns, which are summed over.

Found by running the expert's function once on the first cases with Pyro's own validation on, so that a mistake is
reported as a sentence about the expert's file before any fitting starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import pyro
import torch
from pyro import poutine
from pyro.poutine.util import site_is_factor, site_is_subsample
from torch import Tensor

from ..errors import InputError
from ..table import Cases
from .declare import LabelModel
from .load import line_in
from .parameters import Parameters
from .precision import float64_defaults
from .score import inside_cases

MOST_CONFIGURATIONS = 4096


@dataclass(frozen=True)
class Structure:
    """The sites of a label model, as found on a table.

    parameters: latent sites outside the cases. label_values: (classes,) the value the label site takes for each class.
    summed: discrete site no column feeds -> its values (values,). read: features used as inputs (``z.alpha``).
    sampled: features that are sites.
    """

    parameters: Parameters
    label_values: Tensor
    summed: Mapping[str, Tensor]
    read: frozenset[str]
    sampled: frozenset[str]


def prior_trace(
    model: LabelModel, cases: Cases, seed: int, *, rows: int = 2, validate: bool = True
) -> Any:
    """A Pyro trace of the model on the first ``rows`` cases: parameters and label from the prior, features clamped."""
    some = cases.take(range(min(rows, len(cases))))
    plate = model.plate(some)
    data = {name: column.values for name, column in some.columns.items()}
    run = poutine.trace(poutine.condition(model, data=data))
    with torch.random.fork_rng(devices=[]), pyro.validation_enabled(validate), float64_defaults():
        torch.manual_seed(seed)
        try:
            trace = run.get_trace(plate)
        except InputError:
            raise
        except Exception as error:
            raise explain(model, error) from error
    trace.read = frozenset(plate.read)
    return trace


def explain(model: LabelModel, error: Exception) -> InputError:
    """The error of a run of the expert's function, as one sentence about their file and line."""
    source = Path(model.fn.__code__.co_filename)
    text = " ".join(str(error).split())
    return InputError(
        f"{source.name}{line_in(source, error)}: {type(error).__name__}: {text}; mend the model file"
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
    found = Structure(Parameters(parameters), label_values, summed, trace.read, sampled)
    _refuse_moving_support(model, cases, found.parameters)
    return found


def _inside_or_refuse(name: str, site: Mapping[str, Any]) -> None:
    if not inside_cases(site):
        raise InputError(
            f"site '{name}': it is a column, so it belongs inside `with cases:`; move it there"
        )


def _label_values(name: str, site: Mapping[str, Any], classes: tuple[str, ...]) -> Tensor:
    values = _discrete_values(name, site)
    if len(values) != len(classes):
        raise InputError(
            f"label '{name}': the model gives it {len(values)} classes, the Label has {len(classes)} "
            f"({', '.join(classes)}); size its probabilities by len(cases.classes)"
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


def _refuse_moving_support(model: LabelModel, cases: Cases, parameters: Parameters) -> None:
    """A support that depends on another parameter would need a transform per draw; the layout has one per site."""
    other = prior_trace(model, cases, seed=1)
    again = Parameters({site.name: other.nodes[site.name] for site in parameters})
    probe = torch.linspace(-1.0, 1.0, parameters.dim, dtype=torch.float64)
    first, second = parameters.constrain(probe)[0], again.constrain(probe)[0]
    for name in first:
        if first[name].shape != second[name].shape or not torch.equal(first[name], second[name]):
            raise InputError(
                f"site '{name}': the bounds of its prior depend on another parameter; "
                "sample it on a fixed range and rescale it with pyro.deterministic"
            )
