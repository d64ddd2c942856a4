"""Simulation-based calibration: passes what is right, and fails what was planted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch
from scipy.stats import kstest

from labelppl import Category, Label, Real, VoteCounts, label_model
from labelppl.checks.sbc import _once, _setting, sbc
from labelppl.checks.sbc_bands import band, counts_below, fractional_ranks, p_values
from labelppl.checks.sbc_record import Sbc
from labelppl.checks.sbc_simulate import simulate_table
from labelppl.errors import InputError
from labelppl.model import LabelDensity, LabelModel, load_model
from labelppl.table import Cases, cases_from_frame

SIMULATIONS = 40


def declared(**options: float) -> LabelModel:
    @label_model(y=Label("no", "yes"), a=Real())
    def two(cases):  # type: ignore[no-untyped-def]
        prevalence = pyro.sample("prevalence", dist.Dirichlet(3 * torch.ones(2)))
        width = torch.tensor(options.get("width", 1.0))
        mean = pyro.sample("mean", dist.Normal(torch.tensor([0.0, 2.0]), width).to_event(1))
        with cases, pyro.poutine.scale(scale=options.get("times", 1.0)):
            y = pyro.sample("y", dist.Categorical(prevalence))
            pyro.sample("a", dist.Normal(mean[y], 1.0))

    return two


RIGHT = declared()


def read(model: LabelModel, frame: pd.DataFrame) -> Cases:
    return cases_from_frame(frame, model.label_name, model.label, model.features)


def table(n: int = 12) -> Cases:
    """Some labels and some measurements are missing."""
    frame = pd.DataFrame({"y": ["no", "yes"] * (n // 2), "a": np.linspace(-1, 3, n)})
    frame.loc[3, "a"] = None
    frame.loc[5, "y"] = None
    return read(RIGHT, frame)


@pytest.fixture(scope="module")
def right() -> Sbc:
    return sbc(RIGHT, table(), simulations=SIMULATIONS, engine="laplace", seed=2)


def test_a_right_model_passes(right: Sbc) -> None:
    assert right.passed, right.problems
    assert right.ranks.shape == (SIMULATIONS - len(right.refused), 3 + 2 + 3)
    assert right.ranks.min() >= 0
    assert right.ranks.max() <= right.draws
    assert set(right.quantities) >= {"mean[0]", "log p(cases | parameters)", "p(no) of case 1"}
    assert set(right.tests) == {
        "fitted (loo): yes",
        "fitted (loo): sharpness",
        "new: yes",
        "new: sharpness",
    }
    assert (right.to_frame()["p"] >= right.limit).all()


def test_a_wrong_prior_fails() -> None:
    """The data come from means with a spread of 1, the model says .2."""
    found = sbc(declared(width=0.2), table(), simulations=25, simulator=RIGHT)
    assert not found.passed
    assert any(p.startswith("mean[") and "too narrow" in p for p in found.problems)


def test_a_doubled_likelihood_fails() -> None:
    found = sbc(declared(times=2.0), table(), simulations=SIMULATIONS, simulator=RIGHT)
    assert not found.passed
    assert any(p.startswith("log p(cases") for p in found.problems)
    assert any("sharpness: soft labels claim more than they know" in p for p in found.problems)


def test_a_leaked_label_fails() -> None:
    """In-sample soft labels have seen the case's own label; parameters and new cases are as they should be."""
    found = sbc(RIGHT, table(4), simulations=SIMULATIONS, leave_out="fitted")
    assert not found.passed
    assert all(p.startswith("fitted (fitted): sharpness") for p in found.problems), found.problems
    assert "leaked" in found.problems[0]


def test_save_load_and_picture(right: Sbc, tmp_path: Path) -> None:
    right.save(tmp_path / "sbc.json")
    again = Sbc.load(tmp_path / "sbc.json")
    np.testing.assert_array_equal(again.ranks, right.ranks)
    np.testing.assert_array_equal(again.residuals, right.residuals)
    assert again.problems == right.problems
    assert again.pooled == pytest.approx(right.pooled, rel=1e-3)
    assert again.to_frame().equals(right.to_frame())
    right.plot(tmp_path / "sbc.png")
    assert (tmp_path / "sbc.png").stat().st_size > 10_000
    with pytest.raises(InputError, match="no calibration check"):
        Sbc.load(tmp_path / "none.json")


def test_the_same_seed_gives_the_same_ranks() -> None:
    setting = _setting(RIGHT, table(), None)
    one, same, other = (_once(setting, 50, "laplace", "loo", seed) for seed in (1, 1, 2))
    assert (one.ranks, one.residuals) == (same.ranks, same.residuals)
    assert np.array_equal(one.scores, same.scores)
    assert one.ranks != other.ranks


def test_refused_fits_are_set_aside_and_counted() -> None:
    @label_model(y=Label("no", "yes"), a=Real())
    def funnel(cases):  # type: ignore[no-untyped-def]
        v = pyro.sample("v", dist.Normal(0.0, 6.0))
        x = pyro.sample("x", dist.Normal(0.0, torch.exp(v / 2)))
        with cases:
            y = pyro.sample("y", dist.Categorical(torch.tensor([0.5, 0.5])))
            pyro.sample("a", dist.Normal(x + 2 * y, 50.0))

    found = sbc(funnel, table(), simulations=20)
    assert len(found.refused) > 10
    assert not found.passed
    assert "of 20 simulated data sets could be fitted" in found.problems[0]


def test_too_few_simulations_are_refused() -> None:
    with pytest.raises(InputError, match="expected at least 20"):
        sbc(RIGHT, table(), simulations=5)


# --- simulated tables ------------------------------------------------------------------------------


def test_simulated_tables_have_the_pattern_of_the_given_one() -> None:
    cases = table()
    made = simulate_table(LabelDensity(RIGHT, cases), cases, seed=1)
    np.testing.assert_array_equal(made.cases.labels >= 0, cases.labels >= 0)
    np.testing.assert_array_equal(
        made.cases.labels[cases.labels >= 0], made.labels[cases.labels >= 0]
    )
    np.testing.assert_array_equal(made.cases.columns["a"].observed, cases.columns["a"].observed)
    assert not torch.equal(made.cases.columns["a"].values, cases.columns["a"].values)
    assert made.values["mean"].shape == (1, 2)


def test_simulated_cases_follow_the_model() -> None:
    frame = pd.DataFrame({"y": ["no", "yes"] * 1000, "a": np.linspace(-1, 3, 2000)})
    cases = read(RIGHT, frame)
    made = simulate_table(LabelDensity(RIGHT, cases), cases, seed=4)
    residual = made.cases.columns["a"].values - made.values["mean"][0, made.labels]
    assert kstest(residual.numpy(), "norm").pvalue > 1e-3
    share = float(made.values["prevalence"][0, 1])
    assert abs(made.labels.mean() - share) < 4 * np.sqrt(share * (1 - share) / 2000)


def test_numbers_of_votes_stay() -> None:
    votes = load_model("votes")
    frame = pd.DataFrame({"votes_a": [3, 0, 7, None], "votes_b": [1, 2, 5, None], "label": None})
    cases = cases_from_frame(frame, votes.label_name, votes.label, votes.features)
    made = simulate_table(LabelDensity(votes, cases), cases, seed=0)
    column = made.cases.columns["votes"]
    assert isinstance(votes.features["votes"], VoteCounts)
    assert column.values[:3].sum(-1).tolist() == [4, 2, 12]
    assert column.observed.tolist() == [True, True, True, False]
    assert (made.cases.labels == -1).all()


def test_inputs_stay_and_parents_are_drawn() -> None:
    @label_model(y=Label("no", "yes"), side=Category("l", "r"), a=Real(), b=Real())
    def chained(cases):  # type: ignore[no-untyped-def]
        slope = pyro.sample("slope", dist.Normal(0.0, 1.0))
        with cases as z:
            y = pyro.sample("y", dist.Bernoulli(logits=slope * (2 * z.side - 1)))
            a = pyro.sample("a", dist.Normal(y, 0.1))
            assert a.shape[-1:] == z.a.shape[-1:]
            pyro.sample("b", dist.Normal(z.a, 0.1))

    frame = pd.DataFrame({"y": "no", "side": ["l", "r"] * 20, "a": 50.0, "b": -70.0})
    cases = cases_from_frame(frame, "y", chained.label, chained.features)
    made = simulate_table(LabelDensity(chained, cases), cases, seed=0).cases
    assert torch.equal(made.columns["side"].values, cases.columns["side"].values)
    a, b = made.columns["a"].values, made.columns["b"].values
    assert float(a.abs().max()) < 2
    assert float((b - a).abs().max()) < 1


def test_a_model_that_reads_before_it_samples_is_refused() -> None:
    @label_model(y=Label("no", "yes"), a=Real(), b=Real())
    def backwards(cases):  # type: ignore[no-untyped-def]
        slope = pyro.sample("slope", dist.Normal(0.0, 1.0))
        with cases as z:
            y = pyro.sample("y", dist.Bernoulli(probs=0.5 * torch.ones(())))
            pyro.sample("b", dist.Normal(slope * z.a, 0.1))
            pyro.sample("a", dist.Normal(y, 1.0))

    frame = pd.DataFrame({"y": "no", "a": np.linspace(3, 5, 10), "b": 0.1})
    cases = cases_from_frame(frame, "y", backwards.label, backwards.features)
    with pytest.raises(InputError, match="before it samples that feature"):
        simulate_table(LabelDensity(backwards, cases), cases, seed=0)


# --- uniformity ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [20, 60, 200])
def test_bands_hold_uniform_ranks_as_often_as_they_say(n: int) -> None:
    rng = np.random.default_rng(n)
    u = rng.random((n, 4000))
    counts, inside = counts_below(u), band(n, 0.9)
    held = ((counts >= inside.low) & (counts <= inside.high)).all(1).mean()
    assert held == pytest.approx(0.9, abs=4 * np.sqrt(0.09 / 4000) + 0.02)
    p = p_values(u)
    assert (p <= 0.1).mean() == pytest.approx(0.1, abs=4 * np.sqrt(0.09 / 4000) + 0.02)


def test_band_and_p_value_agree() -> None:
    u = np.random.default_rng(0).random((50, 300)) ** np.linspace(1, 3, 300)
    inside = band(50, 0.95)
    counts = counts_below(u)
    held = np.all((counts >= inside.low) & (counts <= inside.high), axis=1)
    p = p_values(u)
    assert np.all(held | (p <= 0.051))
    assert not np.any(held & (p < 0.049))


@pytest.mark.parametrize("power", [0.3, 3.0])
def test_what_is_not_uniform_is_found(power: float) -> None:
    assert p_values(np.random.default_rng(0).random((100, 1)) ** power)[0] < 1e-3


def test_ranks_of_few_draws_are_spread_evenly() -> None:
    ranks = np.random.default_rng(1).integers(0, 5, (3000, 1))
    u = fractional_ranks(ranks, 4, np.random.default_rng(0))
    assert kstest(u[:, 0], "uniform").pvalue > 1e-3
    assert 0 <= u.min() <= u.max() <= 1


def test_bad_method() -> None:
    bad: Any = "metropolis"
    with pytest.raises(InputError, match="engine 'metropolis'"):
        sbc(RIGHT, table(), engine=bad)
