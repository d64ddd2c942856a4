"""Simulation-based calibration of a label model: is the posterior right, and are the labels?

Parameters theta* are drawn from the prior and cases from the model, for a table with the same missing entries, inputs and
numbers of votes as the given one; then the model is fitted to them. Over many repetitions

* the rank of f(theta*, data) among posterior draws f(theta_s, data) is uniform, whatever f is (Talts et al. 2018). f is
  every coordinate of the parameters, but also the joint log-likelihood, the log probability of the given labels and the
  class posterior p(y | z, theta) of some cases, since a posterior that ignores the data passes a test of parameters alone
  (Modrák et al. 2023);
* the ranks of all parameters together tell whether the posterior is too narrow or too wide (`sbc_pooled`);
* soft labels p are calibrated: E[(1{y = k} - p_k) g(p)] = 0 for every g, for fitted cases with their own label left out
  and for new ones. With g = 1 this is the mean; with g = p_k it is the sharpness, in which a case's own label betrays
  itself if it has leaked into its soft label.

Weighted draws are resampled to equal weights before they are ranked. A fit that its own checks refuse is set aside: they
look at the data alone, so that ranks remain uniform among the others. Assumption: simulations are independent.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..arrays import Array
from ..errors import FailedWork, InputError
from ..inference.base import Engine, Progress
from ..inference.engines import check_name, own_name
from ..model import LabelDensity, LabelModel
from ..posterior import fit
from ..seeds import stream
from ..softlabels import SoftLabels, soft_labels
from ..softlabels.labels import LeaveOut
from ..table import Cases
from .sbc_pooled import exchangeable_scores
from .sbc_record import LEAST_SIMULATIONS, Sbc, by_columns
from .sbc_simulate import simulate_table

#: Cases whose class posterior is ranked, and cases of each kind whose soft labels are tested in every simulation.
RANKED_CASES, LABELLED_CASES = 3, 50


def sbc(
    model: LabelModel,
    cases: Cases,
    *,
    simulations: int = 100,
    draws: int = 200,
    engine: str | Engine = "laplace",
    leave_out: LeaveOut = "loo",
    seed: int = 0,
    simulator: LabelModel | None = None,
    progress: Progress | None = None,
) -> Sbc:
    """Simulation-based calibration of ``model`` on tables like ``cases``.

    draws: posterior draws that each true value is ranked among. engine: the engine to check. leave_out: how fitted cases are
    labelled. simulator: draws the data from another model with the same label and features, to see what a wrong model does.
    progress: called with (simulations done, simulations in all). Raises InputError where the model cannot be simulated.
    """
    if simulations < LEAST_SIMULATIONS:
        raise InputError(
            f"sbc: got {simulations} simulations, expected at least {LEAST_SIMULATIONS}; fewer tell nothing"
        )
    called = check_name(engine) if isinstance(engine, str) else own_name(engine)
    setting = _setting(model, cases, simulator)
    ranks, scores, residuals, refused = [], [], [], []
    names: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    parameters = 0
    for r in range(simulations):
        own = stream(seed, "sbc", r).integer()
        try:
            once = _once(setting, draws, engine, leave_out, own)
        except FailedWork as error:
            refused.append(str(error))
        else:
            names, tests = tuple(once.ranks), tuple(once.residuals)
            parameters = once.parameters
            scores.append(once.scores)
            ranks.append(list(once.ranks.values()))
            residuals.append(list(once.residuals.values()))
        if progress is not None:
            progress(r + 1, simulations)
    return Sbc(
        model=model.name,
        engine=called,
        quantities=names,
        ranks=by_columns(ranks, len(names)).astype(np.int64),
        scores=by_columns(scores, draws + 1),
        parameters=parameters,
        draws=draws,
        tests=tests,
        residuals=by_columns(residuals, len(tests)),
        refused=tuple(refused),
        seed=seed,
    )


class Setting(NamedTuple):
    """model: what is fitted. density: what data are drawn from. table: the given cases, then some again as new ones."""

    model: LabelModel
    density: LabelDensity
    table: Cases
    fitted: int


def _setting(model: LabelModel, cases: Cases, simulator: LabelModel | None) -> Setting:
    """Bind the simulating model to the table, and add the rows that will be new cases."""
    model = model.for_cases(cases)
    source = model if simulator is None else simulator.for_cases(cases)
    again = np.arange(min(len(cases), LABELLED_CASES))
    table = cases.take(np.concatenate([np.arange(len(cases)), again]))
    ids = np.array([*(f"fitted{i}" for i in range(len(cases))), *(f"new{i}" for i in again)])
    return Setting(model, LabelDensity(source, cases), replace(table, ids=ids), len(cases))


class Once(NamedTuple):
    """What one simulation gives: ranks by quantity, the first ``parameters`` of them coordinates, the pooled scores
    (draws + 1,), residuals by test."""

    ranks: Mapping[str, int]
    parameters: int
    scores: Array
    residuals: Mapping[str, float]


def _once(
    setting: Setting, draws: int, engine: str | Engine, leave_out: LeaveOut, seed: int
) -> Once:
    """Raises FailedWork where the simulated data cannot be fitted."""
    made = simulate_table(setting.density, setting.table, seed)
    known = made.cases.take(np.arange(setting.fitted))
    new = made.cases.take(np.arange(setting.fitted, len(made.cases)))
    try:
        posterior = fit(setting.model, known, engine=engine, seed=seed)
    except InputError as error:
        raise FailedWork(str(error)) from error
    if posterior.problems:
        raise FailedWork("; ".join(posterior.problems))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        some = known.take(np.arange(min(len(known), LABELLED_CASES)))
        fitted, unseen = (
            soft_labels(posterior, some, leave_out=leave_out),
            soft_labels(posterior, new),
        )
    residuals = _residuals(f"fitted ({leave_out})", fitted, made.labels[: len(some)])
    residuals |= _residuals("new", unseen, made.labels[setting.fitted :])
    rows = posterior.equal_weight_rows(draws)
    density = posterior.density
    if not _same_parameters(
        density, made.values
    ):  # data of another model: there is no truth to rank
        return Once({}, 0, np.zeros(draws + 1), residuals)
    truth = density.parameters.unconstrain({k: v[0] for k, v in made.values.items()})
    points = torch.cat([truth[None], posterior.sampled.points.flatten(0, 1)[rows]])
    quantities = dict(zip(density.coordinates, points.unbind(-1), strict=True))
    values = {k: torch.cat([made.values[k], v[rows]]) for k, v in posterior.values.items()}
    quantities |= _data_quantities(density, values, known)
    scores = exchangeable_scores(
        points[0].numpy(), points[1:].numpy(), stream(seed, "scores").numpy()
    )
    return Once(_ranks(quantities, seed), density.dim, scores, residuals)


def _ranks(quantities: Mapping[str, Tensor], seed: int) -> dict[str, int]:
    """Ranks of the true values, the first of each quantity (1 + draws,), among the draws; ties are broken at random."""
    rng = stream(seed, "ties").numpy()
    ranks = {}
    for name, value in quantities.items():
        below, ties = int((value[1:] < value[0]).sum()), int((value[1:] == value[0]).sum())
        ranks[name] = below + int(rng.integers(0, ties + 1))
    return ranks


def _same_parameters(density: LabelDensity, values: Mapping[str, Tensor]) -> bool:
    return {s.name: s.shape for s in density.parameters} == {
        k: v[0].shape for k, v in values.items()
    }


def _data_quantities(
    density: LabelDensity, values: Mapping[str, Tensor], cases: Cases
) -> dict[str, Tensor]:
    """Quantities that depend on the data, each (1 + draws,)."""
    with torch.no_grad():
        joint = density.class_log_joint(values, cases).joint
    evidence = torch.logsumexp(joint, -1)
    known = torch.from_numpy(cases.labels)
    own = joint.gather(-1, known.clamp(min=0)[None, :, None].expand(len(joint), -1, 1))[..., 0]
    own = torch.where(known >= 0, own, evidence)
    quantities = {
        "log p(cases | parameters)": own.sum(-1),
        "log p(labels | measurements)": (own - evidence).sum(-1),
    }
    for i in range(min(len(cases), RANKED_CASES)):
        quantities[f"p({cases.classes[0]}) of case {i + 1}"] = (
            joint[:, i, 0] - evidence[:, i]
        ).exp()
    if bool((known < 0).all()):
        del quantities["log p(labels | measurements)"]
    return quantities


def _residuals(kind: str, labels: SoftLabels, truth: Array) -> dict[str, float]:
    """Means over the cases of (1{y = k} - p_k) g(p)."""
    residual = np.eye(len(labels.classes))[truth] - labels.probs
    # With two classes one says what the other does.
    named = labels.classes[len(labels.classes) == 2 :]
    first = len(labels.classes) - len(named)
    residuals = {f"{kind}: {k}": float(residual[:, first + i].mean()) for i, k in enumerate(named)}
    residuals[f"{kind}: sharpness"] = float((residual * labels.probs).sum(-1).mean())
    return residuals
