"""Coverage of intervals in worlds the model does not describe: the worlds' truths are true, and a wrong model is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch

from labelppl import Label, Positive, Ratio, Real, Vector, label_model
from labelppl.checks.coverage import Coverage, _simulate, coverage
from labelppl.checks.coverage_worlds import WORLDS, movable
from labelppl.errors import InputError
from labelppl.model import LabelDensity
from labelppl.table import cases_from_frame

Y = Label("no", "yes")


@label_model(y=Y, a=Real(), b=Positive(), c=Ratio(), v=Vector("p", "q"))
def mixed(cases):  # type: ignore[no-untyped-def]
    with pyro.plate("class", 2):
        mean = pyro.sample("mean", dist.Normal(torch.tensor([0.0, 1.0]), 0.3))
    with cases:
        y = pyro.sample("y", dist.Bernoulli(torch.tensor(0.3))).long()
        pyro.sample("a", dist.Normal(mean[y], 1.0))
        pyro.sample("b", dist.LogNormal(mean[y], 0.8))
        pyro.sample("c", dist.Beta(2.0 + y, 3.0))
        pyro.sample("v", dist.Normal(torch.stack([mean[y], mean[y]], -1), 1.5).to_event(1))


def _table(n: int) -> Any:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": rng.normal(size=n), "b": rng.lognormal(size=n), "c": rng.beta(2, 3, n)}
    )
    frame["p"], frame["q"] = rng.normal(size=(2, n))
    frame["y"] = np.where(np.arange(n) % 3 == 0, "yes", "no")
    return cases_from_frame(frame, "y", mixed.label, mixed.features)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_the_truth_of_a_world_is_calibrated(world: Any) -> None:
    """Whatever p says happens as often: E[(1{y} - p) g(p)] = 0, over 4,000 simulated cases, 4 standard errors."""
    table = _table(4000)
    density = LabelDensity(mixed, table)
    places = movable(density)
    assert [(p.feature, p.component) for p in places] == [
        ("a", None),
        ("b", None),
        ("c", None),
        ("v", 0),
        ("v", 1),
    ]
    truth = {"mean": torch.tensor([[0.1, 0.9]], dtype=torch.float64)}
    made = _simulate(density, table, truth, world, places, seed=3)
    p = made.truth[:, 1].numpy()
    residual = made.cases.labels - p
    for g in (np.ones_like(p), p, np.sqrt(p), (p > 0.5) * 1.0):
        product = residual * g
        assert abs(product.mean()) < 4 * product.std() / np.sqrt(len(p)), world.name
    if world.rare is not None:
        assert np.mean(made.cases.labels == 0) == pytest.approx(world.rare, abs=0.02)
    # The model itself is wrong there: its own p(Y|Z) is not calibrated where the world differs in the measurements.
    if world.spreads != (1.0, 1.0) or world.outliers or world.sheared:
        joint = density.class_log_joint(truth, made.cases).joint[0]
        own = torch.softmax(joint, -1)[:, 1].numpy()
        assert float(np.abs(own - p).mean()) > 0.01


def _steady(scale: float) -> Any:
    """One measurement with a mean to learn; ``scale`` is the spread the model believes in."""

    @label_model(y=Y, a=Real())
    def model(cases):  # type: ignore[no-untyped-def]
        with pyro.plate("class", 2):
            mean = pyro.sample("mean", dist.Normal(0.0, 3.0))
        with cases:
            y = pyro.sample("y", dist.Bernoulli(torch.tensor(0.5))).long()
            pyro.sample("a", dist.Normal(mean[y], scale))

    return model


def test_a_model_that_fixes_the_spread_is_told_where_it_fails(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    y = np.arange(24) % 2
    model = _steady(1.0)
    frame = pd.DataFrame({"a": rng.normal(2 * y, 1), "y": np.where(y, "yes", "no")})
    cases = cases_from_frame(frame, "y", model.label, model.features)
    seen: list[tuple[int, int]] = []
    result = coverage(
        model,
        cases,
        simulations=5,
        engine="laplace",
        worlds=WORLDS[1:2],
        progress=lambda done, total: seen.append((done, total)),
    )
    frame = result.to_frame().set_index("world")
    assert seen[-1] == (5, 5)
    assert frame.loc["unequal spreads", "coverage"] < 0.6
    (finding,) = result.findings
    assert finding.where == "coverage, unequal spreads"
    assert "give each class a spread of its own" in finding.mend
    result.save(tmp_path / "coverage.json")
    saved = json.loads((tmp_path / "coverage.json").read_text())
    assert [world["world"] for world in saved["worlds"]] == ["unequal spreads"]


def _coverage(mean: float, simulations: int = 40, refused: int = 0) -> Coverage:
    covered = np.full((1, simulations), mean)
    covered[0, ::2] += 0.02
    covered[0, 1::2] -= 0.02
    covered[0, :refused] = np.nan
    return Coverage("m", ("outliers",), covered, covered, ("no mode",), 0)


def test_the_limits_just_inside_and_just_outside() -> None:
    """Standard error .02 / sqrt(39): .0032; .87 must be missed by two of them."""
    assert _coverage(0.8642).findings == ()
    assert "StudentT" in _coverage(0.8630).findings[0].mend
    assert _coverage(0.9, refused=20).findings == ()
    assert "only 19 of 40" in _coverage(0.9, refused=21).findings[0].what


def test_too_few_simulations_are_refused() -> None:
    with pytest.raises(InputError, match="expected at least 5"):
        coverage(mixed, _table(6), simulations=4)
