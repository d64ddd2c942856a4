"""What can be said about a label model and its table before any fitting.

Features never sampled and sites never fed; supports that do not contain the data, or hold much that the declared unit
excludes; von Mises latents, whose support is the whole real line in Pyro; and whether anything but chance tells the
classes apart where labels are missing.
"""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
import torch
from pyro.distributions import constraints
from pyro.poutine.util import site_is_factor, site_is_subsample

from ..errors import InputError
from ..features import Angle, Column, Count, Feature, Positive, Ratio, Real
from ..model import LabelDensity, LabelModel
from ..model.impossible import innermost, kind_of, outside_support
from ..model.score import inside_cases
from ..model.structure import prior_trace
from ..table import Cases
from .finding import Finding
from .static_switching import switching


def check_static(model: LabelModel, cases: Cases) -> tuple[Finding, ...]:
    """Everything found, errors first; an empty result means that the model and its table fit together."""
    try:
        trace = prior_trace(model, cases, seed=0, rows=len(cases))
    except InputError as error:
        return (_of_error(model, error),)
    findings = [*_unused_columns(model, trace), *_unfed_sites(model, trace)]
    for name, feature in model.features.items():
        if name in trace.nodes:
            findings += _supports(
                name, feature, trace.nodes[name]["fn"], cases.columns[name], cases
            )
    findings += _turning_latents(trace)
    if not any(finding.level == "error" for finding in findings):
        try:
            density = LabelDensity(model, cases)
        except InputError as error:
            findings.append(_of_error(model, error))
        else:
            findings += switching(density)
    order = ("error", "warning", "note")
    return tuple(sorted(findings, key=lambda finding: order.index(finding.level)))


def refuse_errors(model: LabelModel, cases: Cases) -> None:
    """InputError for what `check_static` calls an error, by the most precise message there is."""
    density = LabelDensity(model, cases)  # which refuses nearly all of it itself, by row and cell
    trace = prior_trace(model, cases, seed=0, rows=len(cases))
    findings = switching(density)
    for name, feature in model.features.items():
        if name in trace.nodes:
            findings += _supports(
                name, feature, trace.nodes[name]["fn"], cases.columns[name], cases
            )
    for finding in findings:
        if finding.level == "error":
            raise InputError(f"{finding.where}: {finding.what}; {finding.mend}")


def _of_error(model: LabelModel, error: InputError) -> Finding:
    what, _, mend = str(error).rpartition("; ")
    return Finding(
        "error", f"model '{model.name}'", what or mend, mend if what else "mend the model file"
    )


def _unused_columns(model: LabelModel, trace: Any) -> list[Finding]:
    return [
        Finding(
            "error",
            f"feature '{name}'",
            "declared but never used",
            f"write pyro.sample('{name}', ...) inside `with cases:`, read it as z.{name}, or remove the declaration",
        )
        for name in model.features
        if name not in trace.nodes and name not in trace.read
    ]


def _unfed_sites(model: LabelModel, trace: Any) -> list[Finding]:
    """Continuous sites inside the cases that no column feeds."""
    findings = []
    for name, site in trace.nodes.items():
        if site["type"] != "sample" or site_is_subsample(site) or site_is_factor(site):
            continue
        fed = name in model.features or name == model.label_name or site["is_observed"]
        if fed or not inside_cases(site) or site["fn"].has_enumerate_support:
            continue
        what = f"no column feeds it and it is not discrete ({type(site['fn']).__name__})"
        mend = f"declare it in label_model({name}=...), or move it out of `with cases:` if it is a parameter"
        findings.append(Finding("error", f"site '{name}'", what, mend))
    return findings


def _supports(name: str, feature: Feature, fn: Any, column: Column, cases: Cases) -> list[Finding]:
    """The site's support against the values in the table, and against what was declared."""
    where = f"site '{name}'"
    kind = kind_of(fn)
    turns = "VonMises" in kind or kind == "ProjectedNormal"
    outside = outside_support(fn, column)
    if len(outside):
        what = (
            f"the support of {kind} does not contain the value of case '{cases.ids[outside[0]]}' "
            f"({len(outside)} of {int(column.cases_observed.sum())} cases)"
        )
        return [Finding("error", where, what, "choose a distribution on the range of the column")]
    support = fn.support
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    everywhere = isinstance(support, type(constraints.real))
    if isinstance(feature, Ratio) and everywhere:
        mend = "use a Beta or a LogitNormal, or declare Real(low=0, high=1) to say that it may"
        return [
            Finding(
                "warning", where, f"{kind} puts mass outside 0 to 1, where a ratio cannot lie", mend
            )
        ]
    if isinstance(feature, Positive) and everywhere:
        mend = "use a LogNormal or a Gamma, or declare Real() if a negative value is thinkable"
        return [Finding("warning", where, f"{kind} puts mass below zero", mend)]
    if isinstance(feature, Count) and not support.is_discrete:
        mend = "use a Poisson or a negative binomial, or declare Real()"
        return [Finding("warning", where, f"a count is a whole number, {kind} is continuous", mend)]
    if isinstance(feature, Angle) and feature.kind in ("circular", "axial") and not turns:
        mend = "use a VonMises, or declare low= and high= less than a turn apart"
        return [Finding("warning", where, f"a {feature.kind} angle wraps, {kind} does not", mend)]
    if isinstance(feature, Real | Positive) and turns:
        mend = "declare Angle('deg', ...) or Angle('rad', ...), so that the unit is known"
        return [
            Finding(
                "error", where, f"{kind} needs radians, but the column has no angular unit", mend
            )
        ]
    return []


def _turning_latents(trace: Any) -> list[Finding]:
    findings = []
    for name, site in trace.nodes.items():
        if site["type"] != "sample" or site["is_observed"] or inside_cases(site):
            continue
        if not isinstance(innermost(site["fn"]), dist.VonMises):
            continue
        concentration = float(torch.as_tensor(innermost(site["fn"]).concentration).min())
        what = (
            "a von Mises parameter has the whole real line as its support in Pyro, where chains can wrap by a turn; "
            "labelppl keeps it on the turn around its prior mean"
        )
        if concentration < 2:
            mend = "its prior is so wide that the ends of the turn matter; use --engine nuts or a tighter prior"
            findings.append(Finding("warning", f"site '{name}'", what, mend))
        else:
            mend = "nothing to do here; in plain Pyro use a Normal of the same spread instead"
            findings.append(Finding("note", f"site '{name}'", what, mend))
    return findings
