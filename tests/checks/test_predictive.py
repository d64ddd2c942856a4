"""Prior predictive against bounds and table; posterior predictive dependence, planted and absent."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch

from labelppl import Angle, Label, Ratio, Real, Vector, label_model
from labelppl.checks.predictive import check_prior, simulate_sites
from labelppl.checks.predictive_dependence import check_dependence, dependences
from labelppl.model import load_model
from labelppl.posterior import fit
from labelppl.table import cases_from_frame

Y = Label("a", "b")


def read(model, **columns):
    return cases_from_frame(pd.DataFrame(columns), model.label_name, model.label, model.features)


def angle_model(center, spread, **feature):
    @label_model(y=Y, x=Angle("deg", **feature))
    def model(cases):
        mean = pyro.sample("mean", dist.Normal(center, spread))
        with cases:
            pyro.sample("y", dist.Bernoulli(0.5))
            pyro.sample("x", dist.VonMises(mean, 100.0))

    return model


def test_priors_that_fit_are_left_alone():
    model = angle_model(math.radians(55), math.radians(5), low=20, high=90)
    assert check_prior(model, read(model, y=["a", "b"], x=[50, 60])) == ()
    hip = load_model("hip")
    cases = read(hip, diagnosis=["normal", None] * 4, alpha=[61, 52] * 4, coverage=[0.6, None] * 4)
    assert check_prior(hip, cases) == ()


def test_priors_in_the_wrong_unit_are_found():
    # 55 radians wrap to 85 degrees below zero: outside the bounds, and nowhere near the table.
    model = angle_model(55.0, 0.01, low=20, high=90)
    bounds, table = check_prior(model, read(model, y=["a", "b"], x=[50, 60]))
    assert bounds.where == table.where == "feature 'x'"
    assert "the priors put 100% of its values outside 20 to 90 deg" in bounds.what
    assert "100% of the measured values lie outside the central 99 %" in table.what
    assert "median measured 50 deg" in table.what or "median measured 60 deg" in table.what
    assert "angles are radians in the model" in table.mend


def test_wide_priors_on_a_ratio_are_found():
    @label_model(y=Y, x=Ratio("%"))
    def model(cases):
        mean = pyro.sample("mean", dist.Normal(0.5, 1.0))
        with cases:
            pyro.sample("y", dist.Bernoulli(0.5))
            pyro.sample("x", dist.Normal(mean, 0.1))

    (finding,) = check_prior(model, read(model, y=["a", "b"], x=[50, 60]))
    share = float(finding.what.split("put ")[1].split("%")[0]) / 100
    # P(|N(0, 1.005)| > .5) = .62, by 300 draws of the mean.
    assert share == pytest.approx(0.62, abs=5 * math.sqrt(0.62 * 0.38 / 300))


def test_simulation_clamps_what_it_is_told_and_repeats():
    hip = load_model("hip")
    cases = read(hip, diagnosis=["normal", "dysplastic"], alpha=[61, 52], coverage=[0.6, 0.4])
    runs = [
        {
            "alpha_mean": torch.tensor([0.5, 1.0], dtype=torch.float64),
            "alpha_kappa": torch.full((2,), 1e6, dtype=torch.float64),
            "diagnosis": torch.tensor([0, 1]),
        }
    ] * 3
    drawn = simulate_sites(hip, cases, ["alpha", "coverage"], runs, seed=1)
    assert drawn["alpha"].shape == (3, 2)
    assert torch.allclose(
        drawn["alpha"], torch.tensor([0.5, 1.0], dtype=torch.float64).expand(3, 2), atol=0.01
    )
    again = simulate_sites(hip, cases, ["alpha", "coverage"], runs, seed=1)
    assert torch.equal(drawn["coverage"], again["coverage"])


def pair(joint):
    features = {"both": Vector("x", "v")} if joint else {"x": Real(), "v": Real()}

    @label_model(y=Y, **features)
    def model(cases):
        with pyro.plate("class", 2):
            mean = pyro.sample("mean", dist.Normal(torch.zeros(2), 3.0).to_event(1))
            scale = pyro.sample("scale", dist.LogNormal(torch.zeros(2), 0.5).to_event(1))
            corr = pyro.sample("corr", dist.LKJCholesky(2, 1.0))
        with cases:
            y = pyro.sample("y", dist.Categorical(torch.ones(2) / 2))
            if joint:
                tril = scale[y].unsqueeze(-1) * corr[y]
                pyro.sample("both", dist.MultivariateNormal(mean[y], scale_tril=tril))
            else:
                pyro.sample("x", dist.Normal(mean[y][..., 0], scale[y][..., 0]))
                pyro.sample("v", dist.Normal(mean[y][..., 1], scale[y][..., 1]))

    return model


def fitted(joint, rho, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, 120)
    x = rng.normal(size=120)
    v = rho * x + math.sqrt(1 - rho**2) * rng.normal(size=120)
    # The classes lie apart, so that the correlation over all cases is high even where it is zero within a class.
    x, v = x + 2 * y, v + 2 * y
    x[rng.random(120) < 0.1] = np.nan
    label = np.array(["a", "b"], dtype=object)[y]
    label[:10] = None
    model = pair(joint)
    return fit(model, read(model, y=label, x=x, v=v), engine="laplace", seed=0)


def test_dependence_that_the_model_leaves_out_is_found():
    (finding,) = check_dependence(fitted(joint=False, rho=0.6))
    assert finding.where == "features 'x' and 'v'"
    assert "counted twice" in finding.what
    (measured,) = dependences(fitted(joint=False, rho=0.6))
    # Spearman's correlation of a normal pair is 6/pi asin(rho/2) = .58; drawn ones centre on zero.
    assert measured.r == pytest.approx(0.58, abs=3 * 0.8 / math.sqrt(100))
    assert measured.low < 0 < measured.high < measured.r
    assert measured.p <= 2 / 201


def test_dependence_that_the_model_holds_or_that_is_not_there_is_left_alone():
    assert check_dependence(fitted(joint=True, rho=0.6)) == ()
    assert check_dependence(fitted(joint=False, rho=0.0)) == ()
