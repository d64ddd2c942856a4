"""`nested_dawid_skene` and the engines of vote families: the same model in Pyro and numpy, from the table to the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from labelppl import InputError, Label, fit, load_model, soft_labels
from labelppl import families as f
from labelppl.crowds import VoteTable, dawid_skene_em, nested
from labelppl.crowds.gibbs import sample_labels
from labelppl.features import Ballots, Column, Real, Votes
from labelppl.model import LabelDensity, read_cases
from labelppl.posterior import Posterior
from labelppl.softlabels import SoftLabels
from labelppl.softlabels.explain import explain_labels
from labelppl.softlabels.labels import fitted_rows
from labelppl.table import Cases

TWO = Label("no", "yes")


def crowd(
    n: int = 150, raters: int = 5, classes: int = 2, seed: int = 0
) -> tuple[Cases, np.ndarray]:
    """Votes of raters who are right in four of five answers, a fifth of them not given; and the true classes."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    said = np.where(
        rng.random((n, raters)) < 0.8, y[:, None], rng.integers(0, classes, (n, raters))
    )
    said[rng.random((n, raters)) < 0.2] = -1
    columns = {"votes": Column.of_ballots(Ballots.from_matrix(said))}
    names = tuple("abc"[:classes]) if classes > 2 else TWO.classes
    ids = np.arange(n).astype(str)
    return Cases(ids, names, np.full(n, -1), columns, np.full(n, "train")), y


@pytest.mark.parametrize("classes", [2, 3])
def test_the_pyro_function_and_the_sampler_have_one_model(classes: int) -> None:
    """Same confusion matrices, and a log density that differs from numpy's by the same constant at every draw."""
    cases, _ = crowd(40, 3, classes)
    label = Label(*cases.classes)
    density = LabelDensity(f.nested_dawid_skene(y=label, votes=Votes()), cases)
    ballots = cases.columns["votes"].ballots
    assert ballots is not None
    votes = ballots.table(cases.ids, (), cases.classes)
    run = sample_labels(votes, nested.Crowd.start(3, classes), sweeps=10, most_sweeps=10)
    law = f.NestedDawidSkene(Votes(), None).with_name("votes")
    values = {name: value[0] for name, value in law._sites(run).items()}
    joint = density.class_log_joint(values).joint
    for s, state in enumerate(run.draws[0]):
        log_c = np.log(state.confusion)
        expected = np.log(state.prevalence) + votes.spread(log_c[votes.rater, :, votes.label])
        np.testing.assert_allclose(joint[s].numpy(), expected, rtol=1e-9, atol=1e-9)


def test_auto_samples_by_gibbs_and_labels_are_tempered(tmp_path: Path) -> None:
    """From `fit` to labels.parquet: rho is kept, Dawid and Skene's own class stands beside, both survive the files."""
    cases, y = crowd(250)
    model = f.nested_dawid_skene(y=TWO, votes=Votes())
    posterior = fit(model, cases, seed=0)
    assert posterior.sampled.engine == "gibbs"
    rho = posterior.diagnostics["rho"]
    labels = soft_labels(posterior)
    tempered = Posterior(posterior.density, posterior.sampled, 0)
    tempered.sampled.diagnostics["rho"] = 0.3
    flat = soft_labels(tempered)
    tempered.sampled.diagnostics["rho"] = 0.0
    full = soft_labels(tempered)
    tempered.sampled.diagnostics["rho"] = rho
    assert full.likeliest is None
    assert flat.likeliest is not None
    assert np.array_equal(flat.likeliest, full.probs.argmax(1))
    assert flat.entropy.mean() > full.entropy.mean() + 0.02
    assert (flat.likeliest == y).mean() > 0.9
    flat.save(tmp_path / "labels.parquet")
    again = SoftLabels.load(tmp_path / "labels.parquet")
    assert np.array_equal(again.likeliest, flat.likeliest)
    frame = pd.read_parquet(tmp_path / "labels.parquet")
    assert set(frame["likeliest"]) == {"no", "yes"}
    posterior.save(tmp_path / "posterior.nc")
    loaded = Posterior.load(tmp_path / "posterior.nc", model, cases)
    np.testing.assert_allclose(soft_labels(loaded).probs, labels.probs, atol=1e-9)


def test_without_the_design_effect_labels_are_dawid_and_skenes_own() -> None:
    cases, _ = crowd(120)
    posterior = fit(f.nested_dawid_skene(y=TWO, votes=Votes(), design_effect=False), cases, seed=0)
    assert "rho" not in posterior.diagnostics
    assert soft_labels(posterior).likeliest is None


def test_the_power_is_one_over_the_design_effect() -> None:
    cases, _ = crowd(30)
    law = f.NestedDawidSkene(Votes(), None).with_name("votes")
    column = cases.columns["votes"]
    power = law.power(column, {"rho": 0.25})
    expected = 1 / (1 + 0.25 * np.maximum(column.values.numpy() - 1, 0))
    np.testing.assert_allclose(power, expected)
    assert law.power(column, {"rho": 0.0}) is None
    assert law.power(column, {}) is None


def test_gibbs_and_laplace_agree_for_the_flat_family() -> None:
    cases, _ = crowd(300)
    model = f.dawid_skene(y=TWO, votes=Votes())
    by_gibbs = fit(model, cases, seed=0)
    assert by_gibbs.sampled.engine == "gibbs"
    assert not by_gibbs.problems
    by_laplace = fit(model, cases, engine="laplace", seed=0)
    gap = np.abs(soft_labels(by_gibbs).probs - soft_labels(by_laplace).probs)
    assert gap.mean() < 0.01
    assert gap.max() < 0.06


def test_em_is_the_most_probable_point_and_says_so() -> None:
    cases, _ = crowd(300, classes=3)
    model = f.dawid_skene(y=Label(*cases.classes), votes=Votes())
    posterior = fit(model, cases, engine="em", seed=0)
    assert posterior.sampled.engine == "em"
    assert posterior.sampled.points.shape[:2] == (1, 1)
    assert posterior.diagnostics["starts_at_best"] >= 2
    assert not posterior.problems
    ballots = cases.columns["votes"].ballots
    assert ballots is not None
    votes = ballots.table(cases.ids, (), cases.classes)
    prior = 1.5 + 1.5 * np.eye(3)
    np.testing.assert_allclose(
        soft_labels(posterior).probs, dawid_skene_em(votes, prior - 1).probs, atol=1e-3
    )
    assert soft_labels(posterior).sd.max() < 1e-12


def test_engines_of_votes_refuse_other_models() -> None:
    cases, _ = crowd(20)
    x = {
        "x": Column(torch.linspace(0, 1, 20, dtype=torch.float64), torch.ones(20, dtype=torch.bool))
    }
    other = Cases(cases.ids, cases.classes, np.arange(20) % 2, x, cases.split)
    model = f.logistic(y=TWO, x=Real(low=0, high=1))
    for engine in ("gibbs", "em"):
        with pytest.raises(InputError, match=f"engine '{engine}': this model has no sampler"):
            fit(model, other, engine=engine)
    with pytest.raises(InputError, match="engine 'em'"):
        fit(f.nested_dawid_skene(y=TWO, votes=Votes()), cases, engine="em")


def test_a_long_table_with_images_splits_and_some_truths(tmp_path: Path) -> None:
    """`task, worker, label` beside a cases table: tasks without votes, known truths and a test split."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 60)
    table = pd.DataFrame(
        {
            "id": [f"t{i}" for i in range(60)],
            "image": [f"{i}.png" for i in range(60)],
            "split": np.where(np.arange(60) < 45, "train", "test"),
            "truth": [("no", "yes")[c] if i % 5 == 0 else None for i, c in enumerate(y)],
        }
    )
    votes = [
        {
            "task": f"t{i}",
            "worker": f"w{j}",
            "label": ("no", "yes")[c if rng.random() < 0.8 else 1 - c],
        }
        for i, c in enumerate(y)
        for j in rng.choice(6, 4, replace=False)
        if i % 10 != 9
    ]
    table.to_csv(tmp_path / "crowd.csv", index=False)
    pd.DataFrame(votes).sample(frac=1, random_state=0).to_csv(
        tmp_path / "crowd_votes.csv", index=False
    )
    model = f.nested_dawid_skene(truth=Label("no", "yes"), votes=Votes())
    cases = read_cases(tmp_path / "crowd.csv", model)
    posterior = fit(model, cases.train, seed=0)
    labels = soft_labels(posterior, cases)
    assert set(labels.source) == {"loo", "fitted", "new"}
    silent = cases.columns["votes"].values.numpy() == 0
    assert silent.sum() == 6
    known = (cases.labels >= 0) & ~silent
    assert (labels.probs.argmax(1) == y)[known].mean() > 0.8
    prevalence = posterior.values["prevalence"].mean(0).numpy()
    np.testing.assert_allclose(
        labels.probs[silent & (cases.split == "train")], prevalence[None].repeat(4, 0), atol=0.02
    )


def test_the_zoo_model_takes_votes_alone(tmp_path: Path) -> None:
    cases, y = crowd(80)
    ballots = cases.columns["votes"].ballots
    assert ballots is not None
    frame = pd.DataFrame(
        {"id": ballots.case, "rater": ballots.rater, "label": np.array(TWO.classes)[ballots.said]}
    )
    frame.to_csv(tmp_path / "v.csv", index=False)
    model = load_model("crowd")
    posterior = fit(model, read_cases(tmp_path / "v.csv", model), seed=0)
    assert posterior.sampled.engine == "gibbs"
    voted = ballots.counts.numpy() > 0
    assert (soft_labels(posterior).probs.argmax(1) == y[voted]).mean() > 0.8


@pytest.mark.parametrize("family", [f.nested_dawid_skene, f.dawid_skene], ids=lambda x: x.__name__)
def test_a_rater_who_was_not_in_the_fit_votes_as_the_crowd_expects(
    family: Any, tmp_path: Path
) -> None:
    """By hand from the draws: a case voted on by a stranger, by a stranger and a known rater, and by two strangers."""
    cases, _ = crowd(60, 3, 3)
    model = family(y=Label(*cases.classes), votes=Votes())
    names = ("r0", "r1", "r2")
    column = Column.of_ballots(cases.columns["votes"].ballots, names)
    fitted = Cases(cases.ids, cases.classes, cases.labels, {"votes": column}, cases.split)
    posterior = fit(model, fitted, engine="gibbs", seed=0)
    new = [("n0", "zoe", "a"), ("n1", "zoe", "b"), ("n1", "r1", "a"), ("n2", "zoe", "c")]
    new += [("n2", "yan", "c")]
    pd.DataFrame(new, columns=["task", "worker", "label"]).to_csv(tmp_path / "new.csv", index=False)
    strict = family(y=Label(*cases.classes), votes=Votes(*names))
    with pytest.raises(InputError, match="expected one of r0, r1, r2"):
        read_cases(tmp_path / "new.csv", strict)
    with pytest.warns(UserWarning, match=r"4 rows are by raters .*such as 'yan' \(2 in all\)"):
        table = read_cases(
            tmp_path / "new.csv", model, classes=cases.classes, raters={"votes": names}
        )
    power = model.power(table, posterior.diagnostics)
    tau = np.ones(3) if power is None else power.numpy()
    v = {name: value.numpy() for name, value in posterior.values.items()}
    k = np.arange(3)
    if family is f.dawid_skene:
        usual = np.tile((1.5 + 1.5 * np.eye(3)) / 6, (len(v["prevalence"]), 1, 1))
        known = v["votes_confusion"][:, :, 1]
    else:
        s1, shift = v["votes_evenness"][:, None], v["votes_shift"]
        c = (s1 * v["votes_level"][:, None] + shift[..., 0]) / (s1 + shift.sum(-1))
        wrong = ~np.eye(3, dtype=bool)
        usual, known = (np.zeros((len(c), 3, 3)) for _ in range(2))
        share = v["votes_slip_prior"] / v["votes_slip_prior"].sum(-1, keepdims=True)
        usual[:, wrong] = ((1 - c)[..., None] * share).reshape(len(c), -1)
        usual[:, k, k] = c
        slips = (1 - v["votes_right"][:, 1])[..., None] * v["votes_slips"][:, 1]
        known[:, wrong] = slips.reshape(len(c), -1)
        known[:, k, k] = v["votes_right"][:, 1]
    evidence = [usual[:, :, 0], usual[:, :, 1] * known[:, :, 0], usual[:, :, 2] ** 2]
    labels = soft_labels(posterior, table, draws=len(posterior.log_weights))
    assert set(labels.source) == {"new"}
    for i, each in enumerate(evidence):
        p = v["prevalence"] * each ** tau[i]
        # A new case weighs the draws by how probable its votes are.
        weight = (v["prevalence"] * each).sum(1)
        exact = np.average(p / p.sum(1, keepdims=True), axis=0, weights=weight)
        np.testing.assert_allclose(labels.probs[i], exact, atol=1e-8)
    terms = explain_labels(posterior, labels, table).of_case("n1")
    assert {"r1", "others"} <= set(terms["term"])


def test_other_votes_of_a_fitted_case_make_it_new() -> None:
    """As many votes, but not the same: the fit used nothing of them."""
    cases, _ = crowd(40)
    posterior = fit(f.dawid_skene(y=TWO, votes=Votes()), cases, engine="em", seed=0)
    ballots = cases.columns["votes"].ballots
    said = ballots.said.clone()
    said[0] = 1 - said[0]
    changed = {"votes": Column.of_ballots(ballots.saying(said))}
    other = Cases(cases.ids, cases.classes, cases.labels, changed, cases.split)
    assert fitted_rows(posterior.cases, other).tolist() == [-1, *range(1, 40)]


def test_raters_who_repeat_each_other_count_once() -> None:
    """A rater and her exact copy, told or looked for: the labels are nearly those without the copy; untold they are surer."""
    rng = np.random.default_rng(2)
    n = 400
    y = rng.integers(0, 2, n)
    said = np.where(rng.random((n, 4)) < (0.75, 0.75, 0.8, 0.8), y[:, None], 1 - y[:, None])
    twice = np.column_stack([said, said[:, 0]])

    def probs(matrix: np.ndarray, groups: Any) -> np.ndarray:
        columns = {"votes": Column.of_ballots(Ballots.from_matrix(matrix))}
        ids, split = np.arange(n).astype(str), np.full(n, "train")
        cases = Cases(ids, TWO.classes, np.full(n, -1), columns, split)
        model = f.nested_dawid_skene(y=TWO, votes=Votes(), design_effect=False, groups=groups)
        return soft_labels(fit(model, cases, seed=0)).probs[:, 1]

    once, told, detected, doubled = (
        probs(said, ()),
        probs(twice, [(0, 4)]),
        probs(twice, "detect"),
        probs(twice, ()),
    )
    np.testing.assert_array_equal(told, detected)
    apart = [np.abs(p - once).mean() for p in (told, doubled)]
    assert apart[0] < 0.02
    assert apart[1] > 3 * apart[0]


def test_weights_of_votes_count_in_what_is_said_and_not_in_the_tables() -> None:
    votes = VoteTable.from_matrix([[0, 0, 1], [1, -1, 1]], 2).weigh_repeats([(0, 1)])
    np.testing.assert_array_equal(votes.total_weight, [2.0, 1.5])
    np.testing.assert_array_equal(votes.counts(), [[2, 1], [0, 2]])
    np.testing.assert_array_equal(votes.spread(np.ones((5, 1)))[:, 0], votes.total_weight)
    law = f.NestedDawidSkene(Votes(), None, groups=((0, 1),)).with_name("votes")
    column = Column.of_ballots(Ballots.from_matrix([[0, 0, 1], [1, -1, 1]]))
    np.testing.assert_allclose(law.power(column, {"rho": 0.5}), [1 / 1.5, 1 / 1.25])
