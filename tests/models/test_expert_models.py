"""Zoo models of measurements, networks and raters: recovered from data they simulate; the network exact for any gaps."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyro
import pytest
import torch
from pyro import poutine
from pyro.poutine.util import site_is_subsample
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.model_selection import StratifiedKFold

from labelppl import LabelModel, load_model
from labelppl.features import Ballots, Column, Vector
from labelppl.inference.laplace import laplace
from labelppl.model import CasePlate, LabelDensity
from labelppl.model.score import inside_cases
from labelppl.table import Cases, cases_from_frame

DATA = Path(__file__).parents[3] / "shared" / "data"


def _simulate(
    model: LabelModel, n: int, seed: int, inputs: dict[str, Column]
) -> tuple[Cases, dict[str, Any]]:
    """Cases and parameters from the model's prior; ``inputs`` are columns it only reads."""
    classes = model.label.classes or ("a", "b", "c")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.random.fork_rng(devices=[]), pyro.validation_enabled(False):
            torch.manual_seed(seed)
            plate = CasePlate(n, classes, {name: c.value for name, c in inputs.items()})
            trace = poutine.trace(model).get_trace(plate)
    finally:
        torch.set_default_dtype(before)
    columns, parameters, labels = dict(inputs), {}, None
    for name, site in trace.nodes.items():
        if site["type"] != "sample" or site_is_subsample(site):
            continue
        if name == model.label_name:
            labels = site["value"].numpy().astype(np.int64)
        elif name in model.features:
            whole = isinstance(model.features[name], Vector)
            seen = torch.ones(site["value"].shape if whole else (n,), dtype=torch.bool)
            value = site["value"]
            is_votes = isinstance(value, Ballots)
            columns[name] = Column.of_ballots(value) if is_votes else Column(value, seen)
        elif not inside_cases(site):
            parameters[name] = site["value"]
    assert labels is not None
    ids = np.arange(n).astype(str)
    return Cases(ids, classes, labels, columns, np.full(n, "train")), parameters


def _inputs(name: str, n: int) -> dict[str, Column]:
    generator = torch.Generator().manual_seed(0)
    seen = torch.ones(n, dtype=torch.bool)

    def uniform(low: float, high: float) -> Column:
        u = torch.rand(n, generator=generator, dtype=torch.float64)
        return Column(low + (high - low) * u, seen)

    votes = Column.of_ballots(Ballots.everyone(n, 4))
    return {
        "liver": lambda: {n: uniform(30, 220) for n in ("liver", "diaphragm", "periportal")},
        "dawid_skene": lambda: {"votes": votes},
        "raykar": lambda: {"votes": votes, "diameter": uniform(2, 35), "texture": uniform(0, 1)},
        "vertebral": dict,
    }.get(name, dict)()


@pytest.mark.parametrize("name", ["liver", "glaucoma", "network", "dawid_skene", "raykar"])
def test_parameters_are_recovered(name: str, away: Any) -> None:
    """Every true parameter within 4.5 posterior standard deviations, on the unconstrained scale."""
    model = load_model(name)
    cases, truth = _simulate(model, 300, seed=2, inputs=_inputs(name, 300))
    density = LabelDensity(model, cases)
    assert float(away(density, truth).abs().max()) < 4.5


def test_network_is_exact_for_every_pattern_of_missing_nodes() -> None:
    """p(Y | observed) against the assembled joint: an enumerated sex and a joint normal of the four numbers."""
    model = load_model("network")
    cases, theta = _simulate(model, 64, seed=0, inputs={})
    nodes = ("sex", "hypertrophy", "velocity", "gradient", "area", "log_calcium")
    patterns = np.array(list(itertools.product((True, False), repeat=6)))
    columns = {
        name: Column(cases.columns[name].values, torch.tensor(patterns[:, i]))
        for i, name in enumerate(nodes)
    }
    gaps = Cases(cases.ids, cases.classes, np.full(64, -1), columns, cases.split)
    density = LabelDensity(model, gaps)
    got = density.class_log_joint({k: v[None] for k, v in theta.items()}).joint[0].numpy()
    t = {k: v.numpy() for k, v in theta.items()}
    for i, seen in enumerate(patterns):
        z = {name: float(cases.columns[name].values[i]) for name in nodes}
        for k in range(2):
            expected = 0.0
            for sex in (0, 1):
                if seen[0] and z["sex"] != sex:
                    continue
                p = t["men"] if sex else 1 - t["men"]
                thick = t["hypertrophied"][k]
                if seen[1]:
                    p = p * (thick if z["hypertrophy"] else 1 - thick)
                mean = np.array(
                    [
                        t["velocity_mean"][k],
                        t["gradient_mean"][k],
                        t["area_mean"][k],
                        t["calcium_mean"][k] + sex * t["calcium_men"][k],
                    ]
                )
                lean = np.array([1.0, t["gradient_slope"][k], t["area_slope"][k], 0.0])
                own = [0.0, t["gradient_sd"][k], t["area_sd"][k], t["calcium_sd"][k]]
                covariance = np.outer(lean, lean) * t["velocity_sd"][k] ** 2 + np.diag(
                    np.square(own)
                )
                at = np.flatnonzero(seen[2:])
                away = np.array([z[n] for n in nodes[2:]])[at] - mean[at]
                block = covariance[np.ix_(at, at)]
                quadratic = away @ np.linalg.solve(block, away) if len(at) else 0.0
                log_det = np.linalg.slogdet(2 * math.pi * block)[1] if len(at) else 0.0
                expected += p * math.exp(-0.5 * (quadratic + log_det))
            assert got[i, k] == pytest.approx(math.log(t["prevalence"][k] * expected), abs=1e-8)


def test_vertebral_is_at_least_as_good_as_discriminant_analysis() -> None:
    path = DATA / "vertebral" / "vertebral.csv"
    if not path.is_file():
        pytest.skip("the shared vertebral table is not here")
    model = load_model("vertebral")
    frame = pd.read_csv(path, dtype=str)
    cases = cases_from_frame(frame, model.label_name, model.label, model.features)
    x = frame[list(model.features)].astype(float).to_numpy()
    y = cases.labels
    ours, rivals = (
        np.zeros((len(y), 3)),
        {"qda": np.zeros((len(y), 3)), "lda": np.zeros((len(y), 3))},
    )
    for train, test in StratifiedKFold(10, shuffle=True, random_state=0).split(x, y):
        density = LabelDensity(model, cases.take(train))
        draws = laplace(density, seed=0, draws=300, starts=1)
        assert draws.log_weights is not None
        values = density.constrain(draws.points[0])
        joint = density.class_log_joint(values, cases.take(test)).joint
        log_mean = torch.logsumexp(joint + draws.log_weights[0][:, None, None], 0)
        ours[test] = torch.softmax(log_mean, -1).numpy()
        for name, kind in (
            ("qda", QuadraticDiscriminantAnalysis),
            ("lda", LinearDiscriminantAnalysis),
        ):
            rivals[name][test] = kind().fit(x[train], y[train]).predict_proba(x[test])

    def score(p: np.ndarray) -> tuple[float, float]:
        own = np.clip(p[np.arange(len(y)), y], 1e-12, 1)
        return float(-np.log(own).mean()), float((p.argmax(1) == y).mean())

    log_loss, accuracy = score(ours)
    print(f"ours {log_loss:.3f} {accuracy:.3f}", {k: score(p) for k, p in rivals.items()})
    for p in rivals.values():
        assert log_loss <= score(p)[0]
        assert accuracy >= score(p)[1]


def test_vertebral_is_recovered_from_its_own_data(away: Any) -> None:
    """Measurement after measurement is drawn given those before it, which the model reads as inputs."""
    model = load_model("vertebral")
    n = 500
    columns = {
        name: Column(torch.zeros(n, dtype=torch.float64), torch.ones(n, dtype=torch.bool))
        for name in model.features
    }
    given: dict[str, Any] = {}
    for name in model.features:
        drawn = _pass(model, n, columns, given)
        given |= {site: value for site, value in drawn.items() if site not in model.features}
        columns[name] = Column(drawn[name], columns[name].observed)
    cases = Cases(
        np.arange(n).astype(str),
        model.label.classes,
        given.pop(model.label_name).numpy(),
        columns,
        np.full(n, "train"),
    )
    density = LabelDensity(model, cases)
    off = away(density, given, draws=2000)
    assert float(off.abs().max()) < 4.5, dict(zip(density.coordinates, off.tolist(), strict=True))


def _pass(
    model: LabelModel, n: int, columns: dict[str, Column], given: dict[str, Any]
) -> dict[str, Any]:
    """One run of the model with these columns as inputs: the value of every site."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.random.fork_rng(devices=[]), pyro.validation_enabled(False):
            torch.manual_seed(len(given))
            values = {name: column.values for name, column in columns.items()}
            plate = CasePlate(n, model.label.classes, values)
            trace = poutine.trace(poutine.condition(model, data=given)).get_trace(plate)
    finally:
        torch.set_default_dtype(before)
    return {
        name: site["value"]
        for name, site in trace.nodes.items()
        if site["type"] == "sample" and not site_is_subsample(site)
    }
