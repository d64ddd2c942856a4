"""Every named constant and gate of the soft labels, just inside and just outside; and conventions that are easily lost."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from labelppl.errors import FailedWork, InputError
from labelppl.inference.base import Draws
from labelppl.inference.convergence import khat_limit
from labelppl.posterior import Posterior, fit
from labelppl.posterior.fitting import _points
from labelppl.psis import LEAST_TAIL, pareto_smooth
from labelppl.softlabels import SoftLabels, blocks, refits, soft_labels
from labelppl.softlabels.blocks import SPREAD_DRAWS, SPREAD_NUMBERS, Labeller
from labelppl.softlabels.predictive import predictive
from labelppl.softlabels.record import MOST_DRAWS, join
from labelppl.split import held_out_folds
from labelppl.table import Cases

ALL = 10**9
NUMBERS = ("probs", "sd", "lo", "hi", "entropy", "epistemic", "mean_log", "khat")


def same(one: SoftLabels, other: SoftLabels, atol: float = 1e-12) -> None:
    for name in NUMBERS:
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), atol=atol, err_msg=name
        )


def doubting(labels: SoftLabels, khat: dict[int, float]) -> SoftLabels:
    """The same labels with the k-hat of some cases changed, and that of the others nought."""
    values = np.zeros(len(labels))
    values[list(khat)] = list(khat.values())
    return replace(labels, khat=values)


# --- intervals and moments ---------------------------------------------------------------------------


def test_the_interval_holds_90_percent_of_the_label_posterior(
    fitted: Posterior, read: Any, table: Any
) -> None:
    """At most 5 % of the weight lies beyond each end, and 5 % or more with the end itself."""
    new = read(fitted.model, table(12, seed=9, prefix="new"))
    labels = soft_labels(fitted, new, draws=ALL)
    joint = fitted.density.class_log_joint(fitted.values, new).joint.permute(1, 2, 0)
    p = torch.softmax(joint, 1).numpy()
    w = torch.softmax(fitted.log_weights + torch.logsumexp(joint, 1), -1).numpy()[:, None]
    rounding = 1e-9
    for end, sign in ((labels.lo, 1), (labels.hi, -1)):
        away = sign * (p - end[..., None])
        assert ((w * (away <= rounding)).sum(-1) >= 0.05 - rounding).all()
        assert ((w * (away < -rounding)).sum(-1) <= 0.05 + rounding).all()


def test_moments_are_those_of_the_weighted_draws(fitted: Posterior, read: Any, table: Any) -> None:
    new = read(fitted.model, table(6, seed=9, prefix="new"))
    labels = soft_labels(fitted, new, draws=ALL)
    joint = fitted.density.class_log_joint(fitted.values, new).joint.permute(1, 2, 0)
    p = torch.softmax(joint, 1).numpy()
    w = torch.softmax(fitted.log_weights + torch.logsumexp(joint, 1), -1).numpy()[:, None]
    mean = (w * p).sum(-1)
    np.testing.assert_allclose(labels.probs, mean, atol=1e-12)
    np.testing.assert_allclose(labels.sd, ((w * p**2).sum(-1) - mean**2) ** 0.5, atol=1e-9)
    np.testing.assert_allclose(labels.mean_log, (w * np.log(p)).sum(-1), atol=1e-9)
    total, open_ = -(mean * np.log(mean)).sum(-1), -(w * (p * np.log(p))).sum((1, 2))
    np.testing.assert_allclose(labels.entropy, total, atol=1e-12)
    np.testing.assert_allclose(labels.aleatoric, open_, atol=1e-9)
    np.testing.assert_allclose(labels.epistemic, total - open_, atol=1e-9)
    pooled = (mean * (1 - mean)).sum(-1) / (labels.sd**2).sum(-1) - 1
    np.testing.assert_allclose(labels.concentration, pooled, rtol=1e-9)


# --- k-hat ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("draws", [100, 1000, 40_000])
def test_the_limit_of_k_hat_is_that_of_the_draws(fitted_exactly: Posterior, draws: int) -> None:
    """min(1 - 1/log10 S, .7): .50, .67, .70."""
    assert fitted_exactly.closed is not None
    points = _points(fitted_exactly.density, fitted_exactly.closed, draws, 5)
    posterior = Posterior(fitted_exactly.density, Draws("few", points[None]), seed=0)
    limit = min(1 - 1 / np.log10(draws), 0.7)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        labels = soft_labels(posterior)
    told = [str(w.message) for w in caught if "k-hat of" in str(w.message)]
    assert ((labels.source == "refit") == (labels.khat >= limit)).all()
    assert bool(told) is bool((labels.khat >= limit).any())
    assert all(f"k-hat of {limit:.2f} or more" in message for message in told)


def test_a_handful_of_draws_has_the_limit_of_ten(fitted: Posterior) -> None:
    """1 - 1/log10 S is negative below ten draws, where log10 S is below one."""
    alone = Posterior(fitted.density, Draws("one", fitted.sampled.points[:, :1]), 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels = soft_labels(alone)
    # One draw weighs 1: exact, so that no case is refitted though k-hat is at the limit of nought.
    assert khat_limit(10) == 0.0
    assert (labels.khat == 0).all()
    assert set(labels.source) == {"loo"}


def test_a_k_hat_at_the_limit_is_refitted_and_one_below_is_not(fitted: Posterior) -> None:
    labeller, cases = Labeller(fitted, None, 0, MOST_DRAWS), fitted.cases
    labels, row = soft_labels(fitted, leave_out="fitted"), np.arange(len(cases))
    below = doubting(labels, {3: np.nextafter(0.6, 0)})
    assert refits.replace_doubtful(labeller, cases, row, below, 0.6) is below
    at = doubting(labels, {3: 0.6})
    with pytest.warns(UserWarning, match=r"1 of 40 cases have a k-hat of 0\.60 or more \(c3\)"):
        mended = refits.replace_doubtful(labeller, cases, row, at, 0.6)
    assert list(np.flatnonzero(mended.source == "refit")) == [3]
    np.testing.assert_array_equal(mended.khat, at.khat)
    # What needed no weights is exact, and not in doubt even at a limit of nought.
    exact = doubting(labels, {})
    assert refits.replace_doubtful(labeller, cases, row, exact, 0.0) is exact


@pytest.mark.parametrize(("doubtful", "how"), [(20, "refit"), (21, "crossfit")])
def test_up_to_twenty_cases_are_refitted_one_by_one(
    fitted: Posterior, monkeypatch: pytest.MonkeyPatch, doubtful: int, how: str
) -> None:
    labels = soft_labels(fitted, leave_out="fitted")
    sizes: list[int] = []

    def counted(_: Any, kept: Any, cases: Cases, source: str) -> SoftLabels:
        sizes.append(len(cases))
        return replace(labels.take(np.arange(len(cases))), source=np.full(len(cases), source))

    monkeypatch.setattr(refits, "refit", counted)
    with pytest.warns(UserWarning, match=f"^{doubtful} of 40 cases"):
        mended = refits.replace_doubtful(
            Labeller(fitted, None, 0, MOST_DRAWS),
            fitted.cases,
            np.arange(40),
            doubting(labels, dict.fromkeys(range(doubtful), 0.9)),
            0.7,
        )
    assert list(np.flatnonzero(mended.source == how)) == list(range(doubtful))
    assert sum(sizes) == doubtful
    assert (len(sizes) == doubtful) is (how == "refit")


@pytest.mark.parametrize(("cases", "named"), [(5, "c0, c1, c2, c3, c4)"), (6, "c4, …)")])
def test_a_message_names_five_cases(
    fitted: Posterior, monkeypatch: pytest.MonkeyPatch, cases: int, named: str
) -> None:
    labels = soft_labels(fitted, leave_out="fitted")
    monkeypatch.setattr(refits, "refit", lambda _, kept, some, source: labels.take([0]))
    khat = dict.fromkeys(range(cases), 0.9)
    with pytest.warns(UserWarning, match="refitted without its label") as told:
        refits.replace_doubtful(
            Labeller(fitted, None, 0, MOST_DRAWS),
            fitted.cases,
            np.arange(40),
            doubting(labels, khat),
            0.7,
        )
    assert named in str(told[0].message)


@pytest.mark.parametrize(("draws", "finite"), [(5 * LEAST_TAIL, True), (20, False)])
def test_a_tail_of_five_draws_can_be_fitted(draws: int, finite: bool) -> None:
    assert LEAST_TAIL == 5
    _, khat = pareto_smooth(np.random.default_rng(0).normal(size=(3, draws)))
    assert (np.isfinite(khat) == finite).all()


# --- refits -----------------------------------------------------------------------------------------


def test_a_refit_that_fails_its_checks_labels_nothing(
    fitted: Posterior, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(model: Any, cases: Cases, **options: Any) -> Posterior:
        again = fit(model, cases, **options)
        bad = replace(again.sampled, problems=("the chains have not met",))
        return replace(again, sampled=bad)

    monkeypatch.setattr(refits, "fit", failing)
    labeller = Labeller(fitted, None, 0, MOST_DRAWS)
    with pytest.raises(FailedWork, match="without c0 must not be trusted: the chains have not met"):
        refits.refit(labeller, np.arange(40) > 0, fitted.cases.take([0]), "refit")


def test_folds_and_refits_have_the_seed_of_the_posterior(
    read: Any, table: Any, models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = read(models["naive"], table(30))
    posterior = fit(models["naive"], cases, engine="laplace", seed=7)
    calls: list[tuple[tuple[str, ...], int]] = []

    def watched(model: Any, kept: Cases, *, seed: int) -> Posterior:
        calls.append((tuple(kept.ids), seed))
        return fit(model, kept, seed=seed)

    monkeypatch.setattr(refits, "fit", watched)
    soft_labels(posterior, leave_out="crossfit")
    folds = held_out_folds(cases.labels, None, 5, seed=7)
    wanted = [tuple(cases.take(np.setdiff1d(np.arange(30), fold)).ids) for fold in folds]
    assert [ids for ids, _ in calls] == wanted
    assert [seed for _, seed in calls] == [7] * 5
    other = [set(fold) for fold in held_out_folds(cases.labels, None, 5, seed=0)]
    assert other != [set(fold) for fold in folds]


@pytest.mark.parametrize(("groups", "enough"), [(4, False), (5, True)])
def test_as_many_groups_as_folds_are_enough(
    read: Any, table: Any, models: Any, groups: int, enough: bool
) -> None:
    frame = table(20).assign(group=np.arange(20) % groups)
    posterior = fit(models["naive"], read(models["naive"], frame), engine="laplace")
    if enough:
        assert set(soft_labels(posterior, leave_out="crossfit").source) == {"crossfit"}
    else:
        with pytest.raises(InputError, match="got 4 groups, expected at least 5"):
            soft_labels(posterior, leave_out="crossfit")


# --- prevalence -------------------------------------------------------------------------------------


def test_a_fitted_unlabelled_case_under_another_prevalence_is_weighed_by_what_changed(
    read: Any, table: Any, models: Any
) -> None:
    """The fit used its measurements under the study's prevalence: the weights are e'(z) / e(z) of each draw.

    That is what a fit without the case says of it as a new one, the prevalence moved.
    """
    frame = table(10, seed=4)
    frame.loc[0, ["a", "b"]] = 4.2, 3.6
    frame["y"] = [None, *frame["y"][1:]]
    model, there = models["naive"], {"ill": 0.02}
    posterior = fit(model, read(model, frame), engine="laplace")
    got = soft_labels(posterior, posterior.cases.take([0]), draws=ALL, prevalence=there)
    assert list(got.source) == ["fitted"]
    joint, label = posterior.density.class_log_joint(posterior.values)
    moved = joint - label + torch.log(torch.tensor([0.98, 0.02], dtype=torch.float64))
    p = torch.softmax(moved, -1)[:, 0]
    ratio = (torch.logsumexp(moved, -1) - torch.logsumexp(joint, -1))[:, 0]
    weights = torch.softmax(posterior.log_weights + ratio, 0)
    np.testing.assert_allclose(got.probs[0], (weights[:, None] * p).sum(0), atol=1e-12)
    alone = fit(model, read(model, frame[1:]), engine="laplace")
    new = soft_labels(alone, read(model, frame[:1]), draws=ALL, prevalence=there)
    error = 4 * float(new.sd.max()) * np.sqrt(2 / 1000)
    np.testing.assert_allclose(got.probs, new.probs, atol=error)
    flat = (posterior.log_weights.exp()[:, None] * p).sum(0)
    assert abs(float(flat[1]) - got.probs[0, 1]) > error


def test_the_study_prevalence_of_a_discriminative_model_is_the_mean_over_the_fitted_cases(
    fitted_logistic: Posterior,
) -> None:
    """With one draw, logit p' - logit p = logit pi' - logit of the mean of p over the fitted cases, in any order."""
    alone = Posterior(
        fitted_logistic.density, Draws("one", fitted_logistic.sampled.points[:, :1]), 0
    )
    p = torch.softmax(alone.density.class_log_joint(alone.values).label[0], -1).numpy()
    study = p.mean(0)
    some = alone.cases.take(np.array([7, 3, 11]))
    before = soft_labels(alone, some, leave_out="fitted")
    after = soft_labels(alone, some, leave_out="fitted", prevalence={"ill": 0.2})
    moved = np.log(after.probs[:, 1] / after.probs[:, 0]) - np.log(
        before.probs[:, 1] / before.probs[:, 0]
    )
    np.testing.assert_allclose(moved, np.log(0.2 / 0.8) - np.log(study[1] / study[0]), atol=1e-9)
    assert abs(np.log(study[1] / study[0]) - np.log(p[0, 1] / p[0, 0])) > 0.1
    # At the study's own prevalence nothing moves.
    same_there = soft_labels(alone, some, leave_out="fitted", prevalence={"ill": float(study[1])})
    np.testing.assert_allclose(same_there.probs, before.probs, atol=1e-9)


def test_a_draw_without_weight_stays_out(fitted: Posterior, read: Any, table: Any) -> None:
    new = read(fitted.model, table(4, seed=9, prefix="new"))
    log_weights = fitted.log_weights.clone()
    log_weights[::2] = -torch.inf
    for used, labels in (("nothing", -np.ones(4, int)), ("label", np.zeros(4, int))):
        label = predictive(fitted.density, fitted.values, log_weights, new, used, labels)
        assert float(label.weights[:, ::2].max()) == 0
        torch.testing.assert_close(label.weights.sum(-1), torch.ones(4, dtype=torch.float64))
        assert bool(label.khat.isnan().all()) is (used == "nothing")


# --- how many draws, how many at a time ---------------------------------------------------------------


@pytest.mark.parametrize("numbers", [1, 3 * 2 * 1000])
def test_labels_do_not_depend_on_the_size_of_a_block(
    fitted: Posterior,
    fitted_exactly: Posterior,
    monkeypatch: pytest.MonkeyPatch,
    numbers: int,
) -> None:
    for posterior in (fitted, fitted_exactly):
        some = posterior.cases.take(np.arange(7))
        whole = soft_labels(posterior, some, keep_draws=3)
        monkeypatch.setattr(blocks, "BLOCK_NUMBERS", numbers)
        parts = soft_labels(posterior, some, keep_draws=3)
        monkeypatch.undo()
        same(parts, whole)
        np.testing.assert_allclose(parts.draws, whole.draws, atol=1e-12)


def test_how_many_draws_a_case_gets(fitted: Posterior, fitted_exactly: Posterior) -> None:
    have = len(fitted.log_weights)

    def many(posterior: Posterior, cases: int, used: Any, exact: bool, keep: int = 0) -> int:
        return Labeller(posterior, None, keep, 300)._many(cases, used, exact)

    # Leaving a label out needs all of them; else as many as asked for, or to be kept.
    assert many(fitted, 5, "label", False) == have
    assert many(fitted, 5, "nothing", False) == 300
    assert many(fitted, 5, "measurements", False, keep=500) == 500
    assert many(fitted, 5, "nothing", False, keep=have + 1) == have
    # In closed form: what the numbers allow, at least 200, at most as many as the fit has.
    have = len(fitted_exactly.log_weights)
    per_class = SPREAD_NUMBERS // 2
    assert (SPREAD_DRAWS, SPREAD_NUMBERS) == (200, 2**22)
    assert many(fitted_exactly, 1, "nothing", True) == have
    assert many(fitted_exactly, per_class // 1000, "nothing", True) == per_class // (
        per_class // 1000
    )
    assert many(fitted_exactly, per_class // 100, "nothing", True) == SPREAD_DRAWS
    assert many(fitted_exactly, per_class // 100, "nothing", True, keep=250) == 250


def test_the_most_draws_stand_in_the_record(fitted: Posterior, read: Any, table: Any) -> None:
    assert MOST_DRAWS == 4096
    new = read(fitted.model, table(3, seed=9, prefix="new"))
    assert "draws" not in soft_labels(fitted, new).to_frame().attrs
    assert soft_labels(fitted, new, draws=100).to_frame().attrs["draws"] == 100
    for draws in (MOST_DRAWS - 1, MOST_DRAWS + 1):
        assert soft_labels(fitted, new, draws=draws).to_frame().attrs["draws"] == draws


def test_bounds_of_the_options(fitted: Posterior) -> None:
    some = fitted.cases.take([0])
    assert soft_labels(fitted, some, draws=1).most_draws == 1
    assert soft_labels(fitted, some, keep_draws=0).draws is None
    one = soft_labels(fitted, some, keep_draws=1).draws
    assert one is not None
    assert one.shape == (1, 1, 2)
    with pytest.raises(InputError, match="expected 1 or more and 0 or more"):
        soft_labels(fitted, some, draws=0)
    with pytest.raises(InputError, match="expected 1 or more and 0 or more"):
        soft_labels(fitted, some, keep_draws=-1)


def test_a_posterior_that_must_not_be_trusted_says_so(fitted: Posterior) -> None:
    bad = replace(fitted, sampled=replace(fitted.sampled, problems=("R-hat is 2",)))
    with pytest.warns(UserWarning, match="must not be trusted: R-hat is 2"):
        soft_labels(bad, leave_out="fitted")


# --- which cases were fitted --------------------------------------------------------------------------


@pytest.mark.parametrize(("relative", "fitted_too"), [(0.5e-12, True), (2e-12, False)])
def test_a_case_is_the_fitted_one_where_its_measurements_agree_to_rounding(
    fitted: Posterior, read: Any, table: Any, relative: float, fitted_too: bool
) -> None:
    frame = table()
    frame["a"] = frame["a"] * (1 + relative)
    assert set(soft_labels(fitted, read(fitted.model, frame)).source) == (
        {"loo"} if fitted_too else {"new"}
    )


def test_a_case_with_a_cell_more_or_less_is_another_case(
    fitted: Posterior, read: Any, table: Any
) -> None:
    frame = table()
    frame.loc[2, "b"] = np.nan
    frame.loc[5, "a"] += 1e-3
    labels = soft_labels(fitted, read(fitted.model, frame))
    assert list(np.flatnonzero(labels.source == "new")) == [2, 5]


# --- the record ---------------------------------------------------------------------------------------


def test_joined_labels_carry_the_likeliest_class_of_all(fitted: Posterior) -> None:
    labels = soft_labels(fitted, leave_out="fitted", keep_draws=4)
    one, other = labels.take(np.arange(10)), labels.take(np.arange(10, 40))
    both = join([one, other])
    same(both, labels)
    np.testing.assert_array_equal(both.draws, labels.draws)
    assert both.likeliest is None
    told = replace(one, likeliest=np.zeros(10, dtype=int))
    mixed = join([told, other])
    np.testing.assert_array_equal(mixed.likeliest[:10], 0)
    np.testing.assert_array_equal(mixed.likeliest[10:], other.probs.argmax(1))
    assert join([told]) is told
    swapped = labels.with_rows(np.array([3, 7]), labels.take(np.array([7, 3])))
    assert list(swapped.ids[[3, 7]]) == ["c7", "c3"]
    np.testing.assert_array_equal(swapped.probs[[3, 7]], labels.probs[[7, 3]])


def test_all_that_a_record_says_survives_its_file(fitted: Posterior, tmp_path: Any) -> None:
    labels = soft_labels(fitted, leave_out="fitted", draws=50)
    labels = replace(
        labels,
        likeliest=1 - labels.labels,
        labels=np.where(np.arange(40) == 3, -1, labels.labels),
        ids=np.array([str(i) for i in range(40)]),
        id_type="int64",
    )
    labels.save(tmp_path / "labels.parquet")
    frame = pd.read_parquet(tmp_path / "labels.parquet")
    assert frame["id"].dtype == np.int64
    assert frame["label"].isna().sum() == 1
    again = SoftLabels.load(tmp_path / "labels.parquet")
    for name in ("ids", "labels", "likeliest", "sd", "concentration", "aleatoric"):
        np.testing.assert_array_equal(getattr(again, name), getattr(labels, name))
    assert (again.most_draws, again.id_type, again.draws) == (50, "int64", None)
    frame[["id", "label", "p_ill", *frame.columns[-9:]]].drop(columns="likeliest").to_parquet(
        tmp_path / "one.parquet"
    )
    with pytest.raises(InputError, match="not a file of soft labels"):
        SoftLabels.load(tmp_path / "one.parquet")
