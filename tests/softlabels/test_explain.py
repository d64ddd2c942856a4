"""The log-odds of a soft label, term by term: sums, closed forms, Shapley values by hand, raters, inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch

from labelppl import Label, Real, fit, label_model, soft_labels
from labelppl.distributions import RaterVotes
from labelppl.errors import InputError
from labelppl.families import logistic
from labelppl.features import Votes
from labelppl.softlabels.explain import explain_labels
from labelppl.softlabels.explanations import Explanations
from labelppl.table import cases_from_frame

MEANS, SDS = torch.tensor([[6.2, 5.5], [5.2, 4.5]]), torch.tensor([0.6, 0.6])
RHO = torch.tensor([0.3, 0.5])


@label_model(y=Label("normal", "dysplastic"), alpha=Real(), coverage=Real())
def chained(cases):
    """Coverage depends on alpha within each class, so that the order of the two matters."""
    p = pyro.sample("p", dist.Beta(500.0, 500.0))
    with cases:
        y = pyro.sample("y", dist.Categorical(torch.stack([1 - p, p])))
        alpha = pyro.sample("alpha", dist.Normal(MEANS[y, 0], SDS[0]))
        slope = RHO[y] * SDS[1] / SDS[0]
        mean = MEANS[y, 1] + slope * (alpha - MEANS[y, 0])
        pyro.sample("coverage", dist.Normal(mean, SDS[1] * (1 - RHO[y] ** 2).sqrt()))


def _log_odds(frame: pd.DataFrame) -> pd.Series:
    return frame.groupby("id", sort=False)["log_odds"].sum()


@pytest.fixture(scope="module")
def explained() -> tuple[Any, Any, Explanations]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 40)
    frame = pd.DataFrame(
        {
            "y": np.array(["normal", "dysplastic"])[y],
            "alpha": MEANS[y, 0].numpy() + 0.6 * rng.normal(size=40),
            "coverage": MEANS[y, 1].numpy() + 0.6 * rng.normal(size=40),
        }
    )
    frame.loc[3, "coverage"] = np.nan
    frame.loc[4, ["alpha", "coverage"]] = 5.5, 5.2  # the case worked by hand below
    cases = cases_from_frame(frame, "y", chained.label, chained.features)
    posterior = fit(chained, cases, seed=0)
    labels = soft_labels(posterior)
    return posterior, labels, explain_labels(posterior, labels)


def test_the_terms_sum_to_the_log_odds(explained: Any) -> None:
    _, labels, terms = explained
    best = np.sort(labels.probs, 1)
    wanted = np.log(best[:, 1]) - np.log(best[:, 0])
    np.testing.assert_allclose(_log_odds(terms.frame).to_numpy(), wanted, atol=1e-10)


def test_dependent_measurements_get_shapley_values(explained: Any) -> None:
    """Worked by hand: the mean of both orders of log-likelihood ratios."""
    _, _, terms = explained
    rows = terms.of_case("4").set_index("term")["log_odds"]
    z = torch.tensor([5.5, 5.2], dtype=torch.float64)

    def marginal(k: int, i: int) -> float:
        return float(dist.Normal(MEANS[k, i].double(), SDS[i].double()).log_prob(z[i]))

    def joint(k: int) -> float:
        covariance = torch.tensor([[1, RHO[k]], [RHO[k], 1]], dtype=torch.float64) * 0.36
        return float(dist.MultivariateNormal(MEANS[k].double(), covariance).log_prob(z))

    whole = joint(1) - joint(0)
    alone = [marginal(1, i) - marginal(0, i) for i in range(2)]
    by_hand = [(alone[i] + whole - alone[1 - i]) / 2 for i in range(2)]
    sign = 1 if terms.of_case("4")["class"].iloc[0] == "dysplastic" else -1
    np.testing.assert_allclose(
        [rows["alpha"], rows["coverage"]], sign * np.array(by_hand), atol=1e-5
    )


def test_a_missing_measurement_has_no_term(explained: Any) -> None:
    _, _, terms = explained
    assert set(terms.of_case("3")["term"]) == {"prevalence", "alpha", "averaging"}


def test_the_interval_holds_the_term(explained: Any) -> None:
    _, _, terms = explained
    frame = terms.frame[terms.frame["kind"] == "prevalence"]
    assert ((frame["lo"] <= frame["log_odds"]) & (frame["log_odds"] <= frame["hi"])).all()
    assert (frame["hi"] - frame["lo"] > 0).all()


def test_rarity_is_small_for_a_case_far_from_all(explained: Any) -> None:
    posterior, _, _ = explained
    frame = pd.DataFrame({"y": [None, None], "alpha": [5.7, 15.0], "coverage": [5.0, 5.0]})
    cases = cases_from_frame(
        frame, "y", chained.label, chained.features, classes=("normal", "dysplastic")
    )
    labels = soft_labels(posterior, cases)
    rarity = explain_labels(posterior, labels, cases).frame.groupby("id")["rarity"].first()
    assert rarity["1"] == 0.0
    assert rarity["0"] > 0.3


def test_raters_are_terms_of_their_own() -> None:
    """Sensitivities .9 and .8, specificities .95 and .7, votes (1, 0): the logit is 1.23214 at prevalence .4."""

    confusion = torch.tensor([[[0.95, 0.05], [0.1, 0.9]], [[0.7, 0.3], [0.2, 0.8]]]).double().log()

    @label_model(y=Label("0", "1"), votes=Votes("a", "b"))
    def known(cases):
        p = pyro.sample("p", dist.Beta(40_000.0, 60_000.0))
        with cases:
            y = pyro.sample("y", dist.Categorical(torch.stack([1 - p, p])))
            pyro.sample("votes", RaterVotes(confusion.transpose(0, 1), y))

    frame = pd.DataFrame(
        {
            "id": ["i", "i", "k", "k", "m"],
            "rater": ["a", "b", "a", "b", "a"],
            "label": ["1", "0", "1", "1", "0"],
        }
    )
    cases = cases_from_frame(frame, "y", known.label, known.features)
    posterior = fit(known, cases, seed=0)
    terms = explain_labels(posterior, soft_labels(posterior))
    rows = terms.of_case("i").set_index("term")
    assert set(rows.index) == {"prevalence", "a", "b", "averaging"}
    assert rows.loc["a", "log_odds"] == pytest.approx(2.89037, abs=1e-4)
    assert rows.loc["b", "log_odds"] == pytest.approx(-1.25276, abs=1e-4)
    assert rows.loc["prevalence", "log_odds"] == pytest.approx(-0.40547, abs=0.02)
    assert rows.loc["a", "cell"] == "1"
    assert set(terms.of_case("m")["term"]) == {"prevalence", "a", "averaging"}


def test_an_input_is_compared_with_the_mean_case() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=60)
    y = np.where(rng.random(60) < 1 / (1 + np.exp(-2 * x)), "b", "a")
    model = logistic(y=Label("a", "b"), x=Real(low=-4, high=4))
    cases = cases_from_frame(pd.DataFrame({"y": y, "x": x}), "y", model.label, model.features)
    posterior = fit(model, cases, seed=0)
    terms = explain_labels(posterior, soft_labels(posterior)).frame
    rows = terms[terms["term"] == "x"]
    assert set(rows["kind"]) == {"input"}
    near = rows.iloc[np.argmin(np.abs(x - x.mean()))]
    assert abs(near["log_odds"]) < 0.1
    speaks = np.where(rows["class"] == "b", rows["log_odds"], -rows["log_odds"])
    assert np.corrcoef(speaks, x)[0, 1] > 0.99


def test_another_prevalence_moves_one_term(explained: Any) -> None:
    posterior, _, _ = explained
    labels = soft_labels(posterior, prevalence={"dysplastic": 0.03})
    terms = explain_labels(posterior, labels).frame
    prior = terms[terms["term"] == "prevalence"]
    wanted = np.where(prior["class"] == "normal", 1, -1) * np.log(0.97 / 0.03)
    np.testing.assert_allclose(prior["log_odds"], wanted, atol=1e-10)


def test_the_file_and_its_faults(explained: Any, tmp_path: Any) -> None:
    _, _, terms = explained
    terms.save(tmp_path / "explain.parquet")
    pd.testing.assert_frame_equal(
        Explanations.load(tmp_path / "explain.parquet").frame, terms.frame
    )
    with pytest.raises(InputError, match="id 'nobody'"):
        terms.of_case("nobody")
    with pytest.raises(InputError, match="run labelppl label"):
        Explanations.load(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"bad\.parquet"):
        Explanations.load(tmp_path / "bad.parquet")
    terms.frame.drop(columns="lo").to_parquet(tmp_path / "lost.parquet")
    with pytest.raises(InputError, match="no column 'lo'"):
        Explanations.load(tmp_path / "lost.parquet")
