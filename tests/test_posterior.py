"""Fits through every engine, what ArviZ sees of them, and their files."""

from __future__ import annotations

import importlib
import json
import types
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray as xr

from labelppl import Angle, Category, Label, Positive, Ratio, Real, Vector, families, label_model
from labelppl.arviz_groups import LEAST_DRAWS, as_arviz
from labelppl.errors import InputError
from labelppl.families import gaussian, independent, logistic
from labelppl.inference.base import Draws
from labelppl.inference.modes import find_modes
from labelppl.posterior import Posterior, fit, to_arviz
from labelppl.seeds import stream
from labelppl.softlabels import soft_labels
from labelppl.table import Cases, cases_from_frame

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)
    import arviz as az


@label_model(y=Label("normal", "ill"), a=Real(), b=Real())
def naive(cases):  # type: ignore[no-untyped-def]
    prevalence = pyro.sample("prevalence", dist.Dirichlet(torch.ones(2)))
    with pyro.plate("class", 2):
        mean = pyro.sample(
            "mean", dist.Normal(torch.tensor([[5.0, 3.0], [4.0, 4.0]]), 1.0).to_event(1)
        )
    with cases:
        y = pyro.sample("y", dist.Categorical(prevalence))
        pyro.sample("a", dist.Normal(mean[y, 0], 1.0))
        pyro.sample("b", dist.Normal(mean[y, 1], 1.0))


@label_model(y=Label("normal", "ill"), a=Real())
def known(cases):  # type: ignore[no-untyped-def]
    """Everything is from the literature: there is nothing to infer."""
    with cases:
        y = pyro.sample("y", dist.Categorical(torch.tensor([0.9, 0.1])))
        pyro.sample("a", dist.Normal(torch.tensor([5.0, 4.0])[y], 1.0))


closed = gaussian(y=Label("normal", "ill"), a=Real(), b=Real(), typical={"a": (4.5, 1.2)})


def table(n: int = 30, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    ill = np.arange(n) % 2
    noise = rng.normal(size=(n, 2))
    return pd.DataFrame(
        {
            "id": [f"c{i}" for i in range(n)],
            "y": np.array(["normal", "ill"])[ill],
            "a": 5 - ill + noise[:, 0],
            "b": 3 + ill + noise[:, 1],
        }
    )


def read(frame: pd.DataFrame, model: Any = naive) -> Cases:
    return cases_from_frame(frame, model.label_name, model.label, model.features)


@pytest.fixture(scope="module")
def posterior() -> Posterior:
    frame = table()
    frame.loc[3, "a"] = None
    frame.loc[7, "y"] = None
    return fit(naive, read(frame), engine="laplace", seed=3)


@pytest.fixture(scope="module")
def in_closed_form() -> Posterior:
    return fit(closed, read(table(60), closed))


# --- engines ---------------------------------------------------------------------------------------


def test_an_engine_of_the_users_own_draws_the_posterior() -> None:
    """Objects before names: a function that maps a density and a seed to draws, here Laplace's plain normal."""

    def plain_normal(density: Any, *, seed: int, progress: Any = None) -> Draws:
        modes = find_modes(density, density.start(1, seed))
        root = torch.linalg.cholesky(torch.linalg.inv(modes.precisions[0]))
        noise = torch.randn(1000, density.dim, generator=stream(seed, "mine").torch()).double()
        return Draws("plain normal", (modes.points[0] + noise @ root.mT)[None])

    mine = fit(naive, read(table()), engine=plain_normal, seed=3)
    assert (mine.sampled.engine, mine.problems) == ("plain normal", ())
    by_laplace = soft_labels(fit(naive, mine.cases, engine="laplace")).probs
    np.testing.assert_allclose(soft_labels(mine).probs, by_laplace, atol=0.05)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(InputError, match="engine 'nothing': expected one of auto, exact"):
        fit(naive, read(table()), engine="nothing")


def test_engines_agree(posterior: Posterior) -> None:
    found = fit(naive, posterior.cases, engine="chains")
    assert found.problems == ()
    for name, value in posterior.values.items():
        expected = torch.einsum("s,s...->...", posterior.log_weights.exp(), value)
        got = torch.einsum("s,s...->...", found.log_weights.exp(), found.values[name])
        error = 5 * value.std(0) * np.sqrt(1 / 2000 + 1 / 400)
        assert bool(((got - expected).abs() < error).all())
    np.testing.assert_allclose(soft_labels(found).probs, soft_labels(posterior).probs, atol=0.02)


def test_auto_tells_what_it_tried(posterior: Posterior, in_closed_form: Posterior) -> None:
    automatic = fit(naive, posterior.cases)
    assert automatic.sampled.engine == "laplace"
    assert automatic.diagnostics["tried"] == "laplace qualified"
    assert in_closed_form.sampled.engine == "exact"
    assert in_closed_form.closed is not None
    assert in_closed_form.diagnostics["tried"] == "exact qualified"


def test_auto_tells_why_a_family_has_no_closed_form_here() -> None:
    frame = table()
    frame.loc[4, "y"] = None
    found = fit(closed, read(frame, closed))
    assert found.closed is None
    assert str(found.diagnostics["tried"]).startswith("exact not possible (row 5: no label")
    with pytest.raises(InputError, match="row 5: no label"):
        fit(closed, read(frame, closed), engine="exact")


def test_exact_is_refused_without_a_closed_form() -> None:
    with pytest.raises(InputError, match="no closed-form posterior"):
        fit(naive, read(table()), engine="exact")


def test_draws_of_the_closed_form_follow_the_density(in_closed_form: Posterior) -> None:
    """For draws u of a density p: E[d log p / du] = 0 and E[u . d log p / du] = -1 in every coordinate (Stein)."""
    u = in_closed_form.sampled.points[0, ::4]
    score = torch.vmap(torch.func.grad(lambda v: in_closed_form.density.log_prob(v[None])[0]))(u)
    away = u - u.median(0).values
    # The nodes of the shared scale are about 200 independent draws of it.
    for value, expected in ((score, 0.0), (score * away, -1.0)):
        error = value.std(0) / np.sqrt(200)
        assert bool(((value.mean(0) - expected).abs() < 4 * error).all())


def test_priors_without_size_are_taken_from_the_table(in_closed_form: Posterior) -> None:
    """``b`` was declared without typical=; the fitted model carries what it took, also into refits."""
    again = fit(in_closed_form.model, in_closed_form.cases.take(range(20)))
    assert again.model.evidence == in_closed_form.model.evidence  # type: ignore[attr-defined]


def test_a_logistic_model_is_sized_too() -> None:
    model = logistic(y=Label("normal", "ill"), a=Real(), b=Real())
    found = fit(model, read(table(60), model))
    assert found.closed is None
    assert found.problems == ()
    center = found.model.typical["a"][0]  # type: ignore[attr-defined]
    assert center == pytest.approx(float(table(60)["a"].mean()), abs=1e-9)
    assert set(soft_labels(found).source) == {"loo"}


def test_nothing_to_infer() -> None:
    found = fit(known, read(table()[["id", "y", "a"]], known))
    labels = soft_labels(found)
    a = found.cases.columns["a"].values.numpy()
    odds = 0.1 / 0.9 * np.exp(-0.5 * (a - 4) ** 2 + 0.5 * (a - 5) ** 2)
    np.testing.assert_allclose(labels.probs[:, 1], odds / (1 + odds), atol=1e-12)
    np.testing.assert_allclose(labels.sd, 0, atol=1e-12)
    assert set(labels.source) == {"loo"}


def test_weights_and_values(posterior: Posterior) -> None:
    assert float(posterior.log_weights.exp().sum()) == pytest.approx(1, abs=1e-12)
    assert posterior.values["mean"].shape == (4096, 2, 2)
    np.testing.assert_allclose(posterior.values["prevalence"].sum(-1), 1, atol=1e-12)


@pytest.mark.parametrize("n", [10, 1000, 9000])
def test_equal_weight_rows(posterior: Posterior, n: int) -> None:
    rows = posterior.equal_weight_rows(n)
    times = torch.bincount(rows, minlength=4096)
    assert bool(((times - n * posterior.log_weights.exp()).abs() < 1 + 1e-9).all())
    assert bool((rows.diff() >= 0).all())


# --- ArviZ -----------------------------------------------------------------------------------------


def test_groups_have_named_dimensions(posterior: Posterior) -> None:
    idata = to_arviz(posterior)
    assert set(idata.groups()) >= {
        "posterior",
        "log_likelihood",
        "posterior_predictive",
        "observed_data",
        "constant_data",
    }
    probs = idata.posterior_predictive["y_probs"]
    assert probs.dims == ("chain", "draw", "case", "class")
    assert list(probs["class"].values) == ["normal", "ill"]
    assert list(probs["case"].values[:2]) == ["c0", "c1"]
    np.testing.assert_allclose(probs.sum("class"), 1, atol=1e-6)
    assert idata.log_likelihood["y"].dims == ("chain", "draw", "case")
    assert idata.posterior.sizes["chain"] == 1  # weighted draws, in their order
    assert idata.posterior["mean"].dims == ("chain", "draw", "class", "mean_dim_1")
    assert list(idata.posterior["mean"]["class"].values) == ["normal", "ill"]
    assert np.isnan(idata.observed_data["a"].values[3])
    assert not bool(idata.constant_data["a_observed"][3])
    assert int(idata.observed_data["y"][7]) == -1
    assert idata.posterior.attrs["inference_library"] == "labelppl"


def test_resampled_draws_have_the_weighted_means(posterior: Posterior) -> None:
    idata = posterior.to_arviz()
    for name, value in posterior.values.items():
        weighted = torch.einsum("s,s...->...", posterior.log_weights.exp(), value)
        shown = idata.posterior[name].mean(("chain", "draw")).values
        assert (np.abs(shown - weighted.numpy()) < 4 * value.std(0).numpy() / 4000**0.5).all()
    carried = np.exp(idata.sample_stats["log_weight"].values).sum()
    assert carried == pytest.approx(1, abs=1e-12)


def test_log_likelihood_is_the_marginal_one(posterior: Posterior) -> None:
    found = posterior.datasets()
    points = found["posterior"]
    values = {
        name: torch.from_numpy(points[name].values.reshape(-1, *points[name].shape[2:])[:50])
        for name in posterior.values
    }
    joint = posterior.density.class_log_joint(values).joint
    shown = found["log_likelihood"]["y"].values.reshape(-1, 30)[:50]
    y = torch.from_numpy(posterior.cases.labels)
    own = joint[:, torch.arange(30), y.clamp(min=0)]
    expected = torch.where(y >= 0, own, torch.logsumexp(joint, -1))
    np.testing.assert_allclose(shown, expected, rtol=1e-5)
    probs = found["posterior_predictive"]["y_probs"].values.reshape(-1, 30, 2)[:50]
    np.testing.assert_allclose(probs, torch.softmax(joint, -1), atol=1e-6)


def test_arviz_summarises_and_compares(posterior: Posterior) -> None:
    idata = posterior.to_arviz()
    summary = az.summary(idata)
    assert (
        summary["r_hat"].isna().all()
    )  # weighted draws are one chain, of which R-hat says nothing
    found = az.loo(idata, pointwise=True)
    assert float(found.pareto_k.max()) < 0.7
    # Leave-one-out density of the cases, in closed form: -log mean 1 / p.
    terms = idata.log_likelihood["y"].values.reshape(-1, 30)
    naive_loo = -np.log(np.mean(np.exp(-terms), 0))
    np.testing.assert_allclose(found.loo_i, naive_loo, atol=0.05)
    both = {m.name: fit(m, read(table(), m)).to_arviz() for m in (naive, closed)}
    assert set(az.compare(both).index) == {"naive", "independent"}


def test_large_tables_are_thinned_evenly(
    posterior: Posterior, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelppl.arviz_groups.datasets.MOST_NUMBERS", 1)
    found = posterior.datasets()
    for name in ("posterior", "log_likelihood", "posterior_predictive"):
        assert found[name].sizes["chain"] * found[name].sizes["draw"] == LEAST_DRAWS
    assert found["sample_stats"].sizes["draw"] == 4096
    assert found["log_likelihood"].sizes["case"] == 1
    assert found["observed_data"].sizes["case"] == 1
    assert found["constant_data"].sizes["fitted_case"] == 30
    others = posterior.datasets(rows=[4, 9])
    assert list(others["log_likelihood"]["case"].values) == ["c4", "c9"]
    assert found["posterior"].attrs["pointwise_cases"] == "1 of 30"
    weighted = (posterior.log_weights.exp()[:, None] * posterior.values["prevalence"]).sum(0)
    shown = found["posterior"]["prevalence"].mean(("chain", "draw")).values
    error = 4 * posterior.values["prevalence"].std(0).numpy() / LEAST_DRAWS**0.5
    assert (np.abs(shown - weighted.numpy()) < error).all()


def test_draws_of_two_proposals_in_turn_have_their_real_error(posterior: Posterior) -> None:
    """1,024 draws of N(-1, 1.3), then as many of N(1, 1.3), weighted to N(0, 1) by the mixture of both."""
    rng, errors, reported = np.random.default_rng(1), [], []
    for seed in range(150):
        x = np.concatenate([rng.normal(m, 1.3, 1024) for m in (-1.0, 1.0)])
        log_q = np.logaddexp(*(-0.5 * ((x - m) / 1.3) ** 2 for m in (-1.0, 1.0)))
        log_w = torch.log_softmax(torch.from_numpy(-0.5 * x**2 - log_q), 0)
        weighted = Draws("laplace", torch.from_numpy(x)[None, :, None], log_weights=log_w[None])
        of = replace(posterior, sampled=weighted, seed=seed)
        shown = x[of.equal_weight_rows(2048, mix=True)]
        errors.append(shown.mean())
        reported.append(float(az.mcse(shown)))
        # Proposal by proposal, halves of the row of draws disagree, and a handful of draws is all that is left.
        assert float(az.ess(x[of.equal_weight_rows(2048)])) < 0.2 * float(az.ess(shown))
    assert 0.8 < np.std(errors) / np.mean(reported) < 1.25


def test_the_reported_error_of_weighted_draws_is_the_real_one(posterior: Posterior) -> None:
    """Over 150 runs of importance sampling with 40 % effective draws: real error over reported mcse is .8 to 1.25."""
    rng, errors, reported = np.random.default_rng(0), [], []
    for seed in range(150):
        x = rng.normal(size=(2048, 3)) * 1.3
        log_w = torch.from_numpy(-0.5 * (x**2).sum(1) * (1 - 1 / 1.3**2))
        points = torch.from_numpy(x)[None]
        weighted = Draws("laplace", points, log_weights=torch.log_softmax(log_w, 0)[None])
        shown = x[
            replace(posterior, sampled=weighted, seed=seed).equal_weight_rows(2048, mix=True), 0
        ]
        errors.append(shown.mean())
        reported.append(float(az.mcse(shown)))
    assert 0.8 < np.std(errors) / np.mean(reported) < 1.25


def test_axes_of_a_family_are_named_by_class_and_component(in_closed_form: Posterior) -> None:
    shown = in_closed_form.datasets()["posterior"]
    root = shown["measured_scale_tril"]
    assert root.dims[2:] == ("class", "measured_component", "measured_component_2")
    assert list(root["measured_component"].values) == ["a", "b"]
    assert shown["measured_spread"].dims[2:] == ("measured_component",)
    assert shown["prevalence"].dims[2:] == ("class",)


def test_chains_keep_their_chains(posterior: Posterior, monkeypatch: pytest.MonkeyPatch) -> None:
    points = posterior.sampled.points[:, :1200].reshape(3, 400, -1)
    unweighted = replace(posterior, sampled=Draws("nuts", points))
    found = unweighted.datasets()["posterior"]
    assert (found.sizes["chain"], found.sizes["draw"]) == (3, 400)
    whole = unweighted.values["prevalence"].reshape(3, 400, 2)
    np.testing.assert_array_equal(found["prevalence"], whole)
    monkeypatch.setattr("labelppl.arviz_groups.datasets.MOST_NUMBERS", 1)
    thinned = unweighted.datasets()["posterior"]["prevalence"]
    assert thinned.shape == (3, 134, 2)
    np.testing.assert_array_equal(thinned[:, :3], whole[:, [0, 2, 5]])


def test_arviz_1_gets_a_tree(posterior: Posterior) -> None:
    """ArviZ 1.x has no InferenceData; groups whose draws differ may stand side by side in a tree."""
    tree = as_arviz(posterior.datasets(), types.SimpleNamespace(__version__="1.3"))
    assert isinstance(tree, xr.DataTree)
    assert set(tree.children) == set(posterior.datasets())
    assert tree["posterior_predictive"]["y_probs"].dims == ("chain", "draw", "case", "class")


# --- files -----------------------------------------------------------------------------------------


def test_many_draws_are_kept_as_far_as_the_file_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept in memory is what is saved, and its weights still sum to one."""
    model = naive
    whole = fit(model, read(table()), engine="laplace", seed=0)
    monkeypatch.setattr("labelppl.posterior.fitting.KEPT_NUMBERS", 1000 * whole.density.dim)
    some = fit(model, read(table()), engine="laplace", seed=0)
    assert some.diagnostics["kept_draws"] == len(some.log_weights) == 1000
    assert float(some.log_weights.exp().sum()) == pytest.approx(1, abs=1e-12)
    assert torch.equal(some.sampled.points[:, 1], whole.sampled.points[:, 4])
    ids = soft_labels(whole).ids
    np.testing.assert_array_equal(soft_labels(some).ids, ids)
    np.testing.assert_allclose(soft_labels(some).probs, soft_labels(whole).probs, atol=0.03)


def test_values_are_in_the_units_of_the_table_and_named() -> None:
    frame = pd.DataFrame(
        {
            "id": range(10, 22),
            "roof": [60.0, 62, 58, 65, 61, 59, 50, 48, 52, 51, 49, ">70"],
            "covered": np.linspace(30, 60, 12),
            "side": ["left", "right"] * 6,
            "w": np.linspace(1, 2, 12),
            "h": np.linspace(2, 1, 12) ** 2,
            "y": ["normal"] * 6 + ["ill"] * 6,
        }
    )
    model = independent(
        y=Label("normal", "ill"),
        roof=families.VonMises(Angle("deg", low=20, high=90)),
        covered=families.Beta(Ratio("%")),
        side=families.Categorical(Category("left", "right")),
        extent=families.Gaussian(Vector(w=Real("mm"), h=Real("mm"))),
    )
    cases = cases_from_frame(frame, "y", model.label, model.features)
    groups = fit(model, cases, engine="laplace", seed=0).datasets()
    observed, constant = groups["observed_data"], groups["constant_data"]
    assert observed["case"].values.tolist() == list(range(10, 22))
    assert observed["case"].dtype.kind == "i"
    np.testing.assert_allclose(observed["roof"][:11], frame["roof"][:11].astype(float))
    assert np.isnan(observed["roof"][11])
    np.testing.assert_allclose([constant["roof_low"][11], constant["roof_high"][11]], [70, 90])
    assert observed["roof"].attrs["units"] == "deg"
    np.testing.assert_allclose(observed["covered"], frame["covered"])
    np.testing.assert_allclose(observed["extent"], frame[["w", "h"]])
    assert observed["extent"]["extent_component"].values.tolist() == ["w", "h"]
    assert observed["side"].attrs["names"] == '["left", "right"]'
    assert observed["y"].attrs["names"] == '["normal", "ill"]'

    # Parameters stay in the model's unit, and say how many of the column's units that is.
    parameters = groups["posterior"]
    assert json.loads(parameters["roof_mean"].attrs["column_units"]) == pytest.approx(180 / np.pi)
    assert json.loads(parameters["roof_mean"].attrs["column_unit"]) == "deg"
    assert json.loads(parameters["covered_mean"].attrs["column_units"]) == 100
    assert json.loads(parameters["extent_mean"].attrs["column_unit"]) == ["mm", "mm"]
    assert "column_units" not in parameters["roof_concentration"].attrs


def test_a_mean_of_logarithms_has_no_unit() -> None:
    frame = pd.DataFrame({"y": ["a", "b"] * 8, "x": np.linspace(1, 9, 16)})
    for law, parameters in (
        (families.LogNormal(Positive("ml")), set()),
        (families.StudentT(Real("ml")), {"x_mean", "x_scale"}),
    ):
        model = independent(y=Label("a", "b"), x=law)
        cases = cases_from_frame(frame, "y", model.label, model.features)
        drawn = fit(model, cases, seed=0).datasets()["posterior"]
        assert {name for name in drawn if "column_unit" in drawn[name].attrs} == parameters


def test_the_file_stays_small_whatever_the_table(
    posterior: Posterior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every share of the file a thousandth of what it is, so are its parts, but for twelve bytes a case."""
    for name in ("datasets.MOST_NUMBERS", "datasets.MOST_VALUES", "datasets.MOST_MEASURED"):
        whole = getattr(importlib.import_module("labelppl.arviz_groups.datasets"), name[9:])
        monkeypatch.setattr(f"labelppl.arviz_groups.{name}", whole // 1000)
    datasets = posterior.datasets()
    for name, share in (
        ("posterior", 2**23),
        ("log_likelihood", 3 * 2**22),
        ("posterior_predictive", 3 * 2**22),
        ("observed_data", 2**23),
    ):
        assert sum(v.nbytes for v in datasets[name].data_vars.values()) <= share / 1000, name
    digests = [v for n, v in datasets["constant_data"].items() if str(n).startswith("fitted")]
    assert sum(v.nbytes for v in digests) == 12 * len(posterior.cases)


def test_save_and_load(posterior: Posterior, tmp_path: Path) -> None:
    posterior.save(tmp_path / "posterior.nc")
    again = Posterior.load(tmp_path / "posterior.nc", naive, posterior.cases)
    assert torch.equal(again.sampled.points.reshape(-1), posterior.sampled.points.reshape(-1))
    assert torch.equal(again.log_weights, posterior.log_weights)
    assert again.sampled.khat == posterior.sampled.khat
    assert dict(again.diagnostics) == dict(posterior.diagnostics)
    assert again.problems == posterior.problems
    assert again.seed == 3
    one, other = soft_labels(posterior), soft_labels(again)
    np.testing.assert_array_equal(one.probs, other.probs)
    idata = az.from_netcdf(tmp_path / "posterior.nc")
    assert float(az.summary(idata)["ess_bulk"].min()) > 400
    assert az.loo(idata).n_data_points == 30


def test_very_many_coordinates_are_known_by_their_digest(
    posterior: Posterior, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelppl.arviz_groups.datasets.NAMED_COORDINATES", 3)
    posterior.save(tmp_path / "posterior.nc")
    with xr.open_dataset(tmp_path / "posterior.nc", group="sample_stats") as stats:
        assert stats["coordinate"].values.tolist() == [0, 1, 2, 3, 4]
    again = Posterior.load(tmp_path / "posterior.nc", naive, posterior.cases)
    assert torch.equal(again.log_weights, posterior.log_weights)


def test_a_closed_form_survives_its_file(in_closed_form: Posterior, tmp_path: Path) -> None:
    in_closed_form.save(tmp_path / "posterior.nc")
    again = Posterior.load(tmp_path / "posterior.nc", closed, in_closed_form.cases)
    assert again.closed is not None
    np.testing.assert_allclose(
        soft_labels(again).probs, soft_labels(in_closed_form).probs, atol=1e-12
    )


def test_problems_survive_the_file(posterior: Posterior, tmp_path: Path) -> None:
    bad = replace(posterior, sampled=replace(posterior.sampled, problems=("one", "two, three")))
    bad.save(tmp_path / "posterior.nc")
    assert Posterior.load(tmp_path / "posterior.nc", naive, bad.cases).problems == (
        "one",
        "two, three",
    )


def test_the_fitted_cases_are_found_in_a_larger_shuffled_table(
    posterior: Posterior, tmp_path: Path
) -> None:
    posterior.save(tmp_path / "posterior.nc")
    frame = table()
    frame.loc[3, "a"] = None
    frame.loc[7, "y"] = None
    more = pd.concat([table(5, seed=1).assign(id=list("vwxyz")), frame[::-1]], ignore_index=True)
    again = Posterior.load(tmp_path / "posterior.nc", naive, read(more))
    np.testing.assert_array_equal(again.cases.ids, posterior.cases.ids)


CHANGES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "case 'c5' was fitted but is not in the table": lambda f: f.drop(index=5),
    "column 'y' of case 'c6' has changed": lambda f: f.assign(
        y=np.where(f["id"] == "c6", "ill", f["y"])
    ),
    "column 'b' of case 'c2' has changed": lambda f: f.assign(
        b=np.where(f["id"] == "c2", 9.0, f["b"])
    ),
    "column 'a' of case 'c3' has changed": lambda f: f.assign(a=f["a"].fillna(4.0)),
}


@pytest.mark.parametrize("message", CHANGES)
def test_a_changed_table_is_refused(posterior: Posterior, tmp_path: Path, message: str) -> None:
    posterior.save(tmp_path / "posterior.nc")
    frame = table()
    frame.loc[3, "a"] = None
    frame["y"] = frame["y"].astype(object)
    frame.loc[7, "y"] = None
    changed = CHANGES[message](frame)
    changed.loc[changed["id"] == "c7", "y"] = None
    with pytest.raises(InputError, match=message):
        Posterior.load(tmp_path / "posterior.nc", naive, read(changed))


def test_another_model_is_refused(posterior: Posterior, tmp_path: Path) -> None:
    posterior.save(tmp_path / "posterior.nc")

    @label_model(y=Label("normal", "ill"), a=Real(), b=Real())
    def other(cases):  # type: ignore[no-untyped-def]
        mean = pyro.sample("mean", dist.Normal(4.0, 1.0))
        with cases:
            y = pyro.sample("y", dist.Categorical(torch.tensor([0.5, 0.5])))
            pyro.sample("a", dist.Normal(mean + y, 1.0))
            pyro.sample("b", dist.Normal(mean - y, 1.0))

    with pytest.raises(
        InputError, match=r"was fitted with .* parameters, .* but the model now has"
    ):
        Posterior.load(tmp_path / "posterior.nc", other, posterior.cases)
    with pytest.raises(InputError, match="was fitted without a column 'c'"):
        Posterior.load(
            tmp_path / "posterior.nc",
            replace(naive, features={**naive.features, "c": Real()}),
            posterior.cases,
        )
    with pytest.raises(InputError, match="no such posterior"):
        Posterior.load(tmp_path / "nothing.nc", naive, posterior.cases)
