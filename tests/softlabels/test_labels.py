"""Soft labels against brute force: refits without each case, direct sums over draws, and the identities of docs/methods.md §3."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from labelppl.errors import InputError
from labelppl.inference.base import Draws
from labelppl.model import load_model
from labelppl.posterior import Posterior, fit
from labelppl.posterior.fitting import _points
from labelppl.softlabels import SoftLabels, soft_labels
from labelppl.table import Cases

ALL = 10**9  # as many draws as there are


def own(labels: SoftLabels) -> np.ndarray:
    """p(y_i) of the given labels (cases,)."""
    return labels.probs[np.arange(len(labels)), labels.labels]


def drawn(posterior: Posterior, draws: int) -> Posterior:
    """The same posterior by many draws of the closed form, which is then forgotten."""
    assert posterior.closed is not None
    points = _points(posterior.density, posterior.closed, draws, 5)
    return Posterior(posterior.density, Draws("exact", points[None]), seed=0)


# --- leave-one-out ---------------------------------------------------------------------------------


def test_exact_leave_one_out_equals_refits(fitted_exactly: Posterior) -> None:
    labels, cases = soft_labels(fitted_exactly), fitted_exactly.cases
    assert set(labels.source) == {"loo"}
    for i in range(0, len(cases), 7):
        rest = cases.take(np.arange(len(cases)) != i)
        again = fit(fitted_exactly.model, rest, engine="exact")
        refit = soft_labels(again, cases.take([i]))
        assert refit.source[0] == "new"
        # Both have 400 draws of the scale that the classes share; sd and interval have 4,000 draws of their own.
        np.testing.assert_allclose(labels.probs[i], refit.probs[0], atol=0.01)
        np.testing.assert_allclose(labels.sd[i], refit.sd[0], atol=0.01)
        np.testing.assert_allclose(labels.hi[i], refit.hi[0], atol=0.04)


@pytest.mark.parametrize("prevalence", [None, {"ill": 0.05}])
def test_smoothed_leave_one_out_equals_refits(
    fitted_exactly: Posterior, prevalence: dict[str, float] | None
) -> None:
    """PSIS over draws against the closed form, to 1e-3 plus the draws' own Monte Carlo error."""
    expected = soft_labels(fitted_exactly, prevalence=prevalence, keep_draws=4000)
    got = soft_labels(drawn(fitted_exactly, 60_000), prevalence=prevalence)
    assert got.khat.max() < 0.7
    error = 4 * got.sd / np.sqrt(60_000 / 5)
    assert (np.abs(got.probs - expected.probs) <= 1e-3 + error).all()
    assert np.abs(got.probs - expected.probs).mean() < 5e-4
    # The spread of the exact labels comes from fewer draws; its own error is large where a few of them make it.
    away = expected.draws - expected.draws.mean(0)
    kurtosis = (away**4).mean(0) / (away**2).mean(0) ** 2
    of_sd = 4 * expected.sd / 2 * np.sqrt(kurtosis / len(away))
    assert (np.abs(expected.sd - got.sd) <= 2e-3 + of_sd).all()


def test_leave_one_out_of_a_missing_measurement_equals_refits(
    read: Any, table: Any, models: Any
) -> None:
    cases = read(models["naive"], table(40, seed=3, missing=0.3))
    posterior = fit(models["naive"], cases, engine="laplace")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels = soft_labels(posterior)
    for i in (0, 11, 25):
        rest = cases.take(np.arange(40) != i)
        refit = soft_labels(
            fit(models["naive"], rest, engine="laplace"), cases.take([i]), draws=ALL
        )
        error = 4 * float(refit.sd.max()) * np.sqrt(2 / 2000)
        np.testing.assert_allclose(labels.probs[i], refit.probs[0], atol=error)


@pytest.mark.parametrize("name", ["naive", "logistic"])
@pytest.mark.parametrize("seed", range(3))
def test_leave_one_out_never_scores_above_in_sample(
    name: str, seed: int, read: Any, table: Any, models: Any
) -> None:
    posterior = fit(models[name], read(models[name], table(30, seed)), engine="laplace", seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        left_out, inside = soft_labels(posterior), soft_labels(posterior, leave_out="fitted")
    assert set(inside.source) == {"fitted"}
    assert np.log(own(left_out)).mean() < np.log(own(inside)).mean()


def test_binary_identities(fitted_exactly: Posterior) -> None:
    """LOO odds against y_i are the posterior mean of the odds; LOO p(y_i) is the harmonic mean (docs/methods.md §3)."""
    many = drawn(fitted_exactly, 40_000)
    joint = many.density.class_log_joint(many.values).joint
    p = torch.softmax(joint, -1).numpy()
    y = fitted_exactly.cases.labels
    mine = p[:, np.arange(len(y)), y]
    odds, error = (1 / mine - 1).mean(0), 4 * (1 / mine).std(0) / np.sqrt(len(mine))
    exact = own(soft_labels(fitted_exactly))
    assert (np.abs((1 / exact - 1) - odds) <= error + 1e-9).all()
    harmonic = 1 / (1 / mine).mean(0)
    inside = own(soft_labels(many, leave_out="fitted", draws=ALL))
    np.testing.assert_allclose(inside, mine.mean(0), atol=1e-12)
    assert (harmonic <= mine.mean(0) + 1e-12).all()
    assert (exact <= mine.mean(0) + 4 * mine.std(0) / np.sqrt(len(mine))).all()


# --- the exact predictive ---------------------------------------------------------------------------


@pytest.mark.parametrize("prevalence", [None, {"ill": 0.03}])
def test_new_cases_get_the_exact_generative_predictive(
    fitted: Posterior, read: Any, table: Any, prevalence: dict[str, float] | None
) -> None:
    """E[pi_k f_k] / sum_j E[pi_j f_j], not the mean of p(y | z, theta)."""
    new = read(fitted.model, table(15, seed=9, prefix="new", missing=0.2))
    labels = soft_labels(fitted, new, draws=ALL, prevalence=prevalence)
    joint, label = fitted.density.class_log_joint(fitted.values, new)
    if prevalence is not None:
        joint = joint - label + torch.log(torch.tensor([0.97, 0.03], dtype=torch.float64))
    direct = torch.logsumexp(fitted.log_weights[:, None, None] + joint, 0)
    np.testing.assert_allclose(labels.probs, torch.softmax(direct, -1), atol=1e-12)
    cut = (fitted.log_weights.exp()[:, None, None] * torch.softmax(joint, -1)).sum(0)
    assert float((torch.softmax(direct, -1) - cut).abs().max()) > 1e-4
    assert set(labels.source) == {"new"}


def test_discriminative_models_average_uniformly(
    fitted_logistic: Posterior, read: Any, table: Any
) -> None:
    new = read(fitted_logistic.model, table(15, seed=9, prefix="new"))
    for prevalence in (None, {"ill": 0.03}):
        labels = soft_labels(fitted_logistic, new, draws=ALL, prevalence=prevalence, keep_draws=1)
        joint, _ = fitted_logistic.density.class_log_joint(fitted_logistic.values, new)
        fitted, _ = fitted_logistic.density.class_log_joint(fitted_logistic.values)
        change = torch.zeros(1, 1, 2, dtype=torch.float64)
        if prevalence is not None:
            study = torch.softmax(fitted, -1).mean(1, keepdim=True)
            change = torch.log(torch.tensor([0.97, 0.03], dtype=torch.float64) / study)
        p = torch.softmax(joint + change, -1)
        expected = (fitted_logistic.log_weights.exp()[:, None, None] * p).sum(0)
        np.testing.assert_allclose(labels.probs, expected, atol=1e-12)


def test_a_row_without_measurements_is_the_prior(fitted: Posterior, read: Any) -> None:
    empty = read(fitted.model, pd.DataFrame({"a": [np.nan], "b": [np.nan]}))
    weights = fitted.log_weights.exp()
    expected = (weights[:, None] * fitted.values["prevalence"]).sum(0)
    labels = soft_labels(fitted, empty, draws=ALL)
    np.testing.assert_allclose(labels.probs[0], expected, atol=1e-12)
    shifted = soft_labels(fitted, empty, draws=ALL, prevalence={"ill": 0.03})
    np.testing.assert_allclose(shifted.probs[0], [0.97, 0.03], atol=1e-12)


def test_prevalence_check_value(read: Any, table: Any, conjugate: Any) -> None:
    """docs/methods.md §3: p = .8 at prevalence .5 becomes .110092 at .03."""
    half = replace(conjugate, prevalence=(0.5, 0.5))
    posterior = fit(half, read(half, table(60)), engine="exact")
    grid = pd.DataFrame({"a": np.linspace(3, 6, 301), "b": np.full(301, 3.8)})
    study = soft_labels(posterior, read(half, grid)).probs[:, 1]
    there = soft_labels(posterior, read(half, grid), prevalence={"ill": 0.03}).probs[:, 1]
    order = np.argsort(study)
    assert np.interp(0.8, study[order], there[order]) == pytest.approx(0.110092, abs=1e-4)
    odds = (study / (1 - study)) * (0.03 / 0.97)
    np.testing.assert_allclose(there, odds / (1 + odds), atol=1e-12)


def test_prevalence_moves_every_draw(fitted: Posterior, read: Any, table: Any) -> None:
    """With one draw the label is that draw's: logit p' - logit p = logit pi' - logit pi(theta)."""
    new = read(fitted.model, table(5, seed=9, prefix="new"))
    for s in (0, 17):
        alone = Posterior(fitted.density, Draws("one", fitted.sampled.points[:, s : s + 1]), 0)
        before = soft_labels(alone, new).probs
        after = soft_labels(alone, new, prevalence={"ill": 0.2}).probs
        pi = alone.values["prevalence"][0].numpy()
        moved = np.log(after[:, 1] / after[:, 0]) - np.log(before[:, 1] / before[:, 0])
        np.testing.assert_allclose(moved, np.log(0.2 / 0.8) - np.log(pi[1] / pi[0]), atol=1e-10)


def test_new_cases_by_fewer_draws_agree_within_their_error(
    fitted: Posterior, read: Any, table: Any
) -> None:
    new = read(fitted.model, table(50, seed=9, prefix="new"))
    few, every = soft_labels(fitted, new), soft_labels(fitted, new, draws=ALL)
    assert (np.abs(few.probs - every.probs) < 4 * every.sd / np.sqrt(1000)).all()


# --- what a record says ------------------------------------------------------------------------------


@pytest.mark.parametrize("leave_out", ["loo", "fitted", "crossfit"])
def test_uncertainty_adds_up(fitted: Posterior, fitted_exactly: Posterior, leave_out: Any) -> None:
    for posterior in (fitted, fitted_exactly):
        labels = soft_labels(posterior, leave_out=leave_out)
        np.testing.assert_allclose(labels.probs.sum(1), 1, atol=1e-12)
        np.testing.assert_allclose(labels.entropy, labels.aleatoric + labels.epistemic, atol=1e-12)
        assert (labels.epistemic >= 0).all()
        assert (labels.aleatoric >= 0).all()
        assert (labels.entropy <= np.log(2) + 1e-12).all()
        assert (labels.lo <= labels.hi).all()
        assert (labels.concentration > 0).all()
        assert (labels.mean_log <= np.log(labels.probs) + 0.05).all()
        np.testing.assert_allclose(labels.lo[:, 0], 1 - labels.hi[:, 1], atol=0.02)


def test_kept_draws_carry_the_label(fitted: Posterior) -> None:
    labels = soft_labels(fitted, keep_draws=500)
    assert labels.draws is not None
    assert labels.draws.shape == (500, 40, 2)
    np.testing.assert_allclose(labels.draws.sum(-1), 1, atol=1e-12)
    assert (np.abs(labels.draws.mean(0) - labels.probs) < 4 * labels.sd / np.sqrt(500)).all()
    np.testing.assert_allclose(labels.draws.std(0), labels.sd, rtol=0.15, atol=2e-3)
    some = labels.take(np.array([3, 1]))
    assert some.draws is not None
    np.testing.assert_array_equal(some.draws, labels.draws[:, [3, 1]])


def test_save_and_load(fitted: Posterior, tmp_path: Any) -> None:
    for prevalence in (None, {"ill": 0.1}):
        labels = soft_labels(fitted, prevalence=prevalence)
        labels.save(tmp_path / "labels.parquet")
        again = SoftLabels.load(tmp_path / "labels.parquet")
        for name in ("ids", "labels", "probs", "lo", "hi", "mean_log", "khat", "source", "entropy"):
            np.testing.assert_array_equal(getattr(again, name), getattr(labels, name))
        assert again.classes == labels.classes
        if prevalence is None:
            assert again.prevalence is None
        else:
            np.testing.assert_array_equal(again.prevalence, [0.9, 0.1])
    columns = pd.read_parquet(tmp_path / "labels.parquet").columns
    expected = (
        "id label p_normal p_ill sd_normal sd_ill lo_normal hi_ill entropy aleatoric epistemic"
    )
    assert set(expected.split()) | {"concentration", "source", "khat"} <= set(columns)


def test_the_same_seed_gives_the_same_bytes(
    tmp_path: Any, read: Any, table: Any, models: Any
) -> None:
    for name in ("one", "other"):
        posterior = fit(models["naive"], read(models["naive"], table()), engine="laplace", seed=4)
        soft_labels(posterior).save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_loading_what_is_not_there(tmp_path: Any) -> None:
    with pytest.raises(InputError, match="no soft labels; run labelppl label"):
        SoftLabels.load(tmp_path / "labels.parquet")
    pd.DataFrame({"x": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputError, match="not a file of soft labels"):
        SoftLabels.load(tmp_path / "other.parquet")


# --- which cases were fitted -------------------------------------------------------------------------


def test_order_and_mixture_of_cases_do_not_matter(fitted: Posterior, read: Any, table: Any) -> None:
    both = pd.concat([table(6, seed=9, prefix="new"), table()[::-1]], ignore_index=True)
    mixed = soft_labels(fitted, read(fitted.model, both))
    assert list(mixed.source) == ["new"] * 6 + ["loo"] * 40
    np.testing.assert_allclose(mixed.probs[6:], soft_labels(fitted).probs[::-1], atol=1e-12)


def test_a_fitted_case_is_left_out_by_the_label_of_the_fit(
    fitted: Posterior, read: Any, table: Any
) -> None:
    """The table to be labelled may have lost the label, or state another; the fit used what it used."""
    expected = soft_labels(fitted).probs
    for other in (table().drop(columns="y"), table().assign(y="ill")):
        np.testing.assert_allclose(
            soft_labels(fitted, read(fitted.model, other)).probs, expected, atol=1e-12
        )


def test_rows_of_another_table_are_new_though_their_numbers_collide(
    read: Any, table: Any, models: Any
) -> None:
    first, second = table(30).drop(columns="id"), table(30, seed=8).drop(columns="id")
    posterior = fit(models["naive"], read(models["naive"], first), engine="laplace")
    labels = soft_labels(posterior, read(models["naive"], second))
    assert set(labels.source) == {"new"}
    assert np.isnan(labels.khat).all()
    named = soft_labels(
        posterior, read(models["naive"], second.assign(id=[f"n{i}" for i in range(30)]))
    )
    np.testing.assert_allclose(labels.probs, named.probs, atol=1e-12)


def test_unlabelled_fitted_cases(read: Any, table: Any, models: Any) -> None:
    """They inform the fit, and their label is the posterior's, not weighed by their measurements a second time."""
    frame = table(40)
    frame.loc[::4, "y"] = None
    posterior = fit(models["naive"], read(models["naive"], frame), engine="laplace")
    labels = soft_labels(posterior, draws=ALL)
    assert list(labels.source[:4]) == ["fitted", "loo", "loo", "loo"]
    assert list(labels.labels[:2]) == [-1, posterior.cases.labels[1]]
    joint, _ = posterior.density.class_log_joint(posterior.values)
    mean = (posterior.log_weights.exp()[:, None, None] * torch.softmax(joint, -1)).sum(0)
    np.testing.assert_allclose(labels.probs[::4], mean[::4], atol=1e-12)


@pytest.mark.parametrize("bad", [{"leave_out": "all"}, {"prevalence": {"sick": 0.1}}, {"draws": 0}])
def test_bad_arguments(fitted: Posterior, bad: Any) -> None:
    with pytest.raises(InputError, match="expected"):
        soft_labels(fitted, **bad)


def test_other_classes_are_refused(fitted: Posterior, read: Any, table: Any) -> None:
    new = replace(read(fitted.model, table()), classes=("ill", "normal"))
    with pytest.raises(InputError, match="expected those of the fit"):
        soft_labels(fitted, new)


def test_an_impossible_case_is_named(fitted: Posterior, read: Any) -> None:
    new = read(fitted.model, pd.DataFrame({"id": ["p", "q"], "a": [4.0, 1e200], "b": [4.0, 4.0]}))
    with pytest.raises(InputError, match="case 'q'"):
        soft_labels(fitted, new)


# --- what may not be ----------------------------------------------------------------------------------


def test_label_switching_is_settled_by_the_priors(read: Any) -> None:
    """Hips without any label: ten seeds, ten times the mode in which dysplastic hips have the flatter roof."""
    hip = load_model("hip")
    for seed in range(10):
        rng = np.random.default_rng(seed)
        ill = rng.random(80) < 0.5
        alpha = rng.normal(np.where(ill, 50.0, 64.0), 4.0)
        mean = np.where(ill, 0.42, 0.60)
        frame = pd.DataFrame({"alpha": alpha, "coverage": rng.beta(40 * mean, 40 * (1 - mean))})
        posterior = fit(hip, read(hip, frame), engine="laplace", seed=seed)
        roof = (posterior.log_weights.exp()[:, None] * posterior.values["alpha_mean"]).sum(0)
        assert roof[0] > roof[1], seed
        labels = soft_labels(posterior)
        assert ((labels.probs[:, 1] > 0.5) == ill).mean() > 0.9


def test_cases_taken(fitted: Posterior) -> None:
    some: Cases = fitted.cases.take([4, 2])
    np.testing.assert_allclose(
        soft_labels(fitted, some).probs, soft_labels(fitted).probs[[4, 2]], atol=1e-12
    )
