"""The log-odds of a soft label, term by term: sums, closed forms, Shapley values by hand, raters, inputs."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch

from labelppl import Label, Real, fit, label_model, soft_labels
from labelppl.distributions import RaterVotes, VoteMultinomial
from labelppl.errors import InputError
from labelppl.families import logistic, nested_dawid_skene
from labelppl.features import Category, VoteCounts, Votes
from labelppl.inference.base import Draws
from labelppl.posterior import Posterior
from labelppl.softlabels import explain, game
from labelppl.softlabels.explain import explain_labels
from labelppl.softlabels.explanations import Explanations
from labelppl.softlabels.game import Game, Player
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


def test_raters_terms_have_the_power_of_the_label() -> None:
    """The same raters where two votes count as 1.6: each term is .8 of its own, and averaging is nothing but averaging."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    said = np.where(rng.random((200, 5)) < 0.85, y[:, None], 1 - y[:, None])
    case, rater = np.nonzero(rng.random((200, 5)) < 0.6)
    frame = pd.DataFrame({"id": case, "rater": rater, "label": said[case, rater]}).astype(str)
    model = nested_dawid_skene(y=Label("0", "1"), votes=Votes())
    posterior = fit(model, cases_from_frame(frame, "y", model.label, model.features), seed=0)
    terms = {}
    for rho in (0.0, 0.25):
        posterior.sampled.diagnostics["rho"] = rho
        labels = soft_labels(posterior)
        terms[rho] = explain_labels(posterior, labels, draws=len(posterior.log_weights)).frame
        chosen = labels.probs.max(1), labels.probs.min(1)
        np.testing.assert_allclose(
            _log_odds(terms[rho]), np.log(chosen[0]) - np.log(chosen[1]), atol=1e-9
        )
        # Averaging: the log-odds of the mean label less the mean of the draws' log-odds.
        density = posterior.density.class_log_joint(posterior.values, posterior.cases)
        power = posterior.model.power(posterior.cases, posterior.diagnostics)
        odds = (density.joint if power is None else density.at_power(power)).diff(dim=-1)[..., 0]
        mean = odds.mean(0).numpy() * np.where(labels.probs.argmax(1) == 1, 1, -1)
        rest = terms[rho][terms[rho]["kind"] == "averaging"]["log_odds"].to_numpy()
        np.testing.assert_allclose(rest, np.log(chosen[0]) - np.log(chosen[1]) - mean, atol=1e-9)
    two = np.array(posterior.cases.ids)[posterior.cases.columns["votes"].values.numpy() == 2]
    full, discounted = (
        t[(t["kind"] == "rater") & t["id"].isin(two)].set_index(["id", "term"])["log_odds"]
        for t in terms.values()
    )
    ratio = (discounted / full).dropna()
    assert len(ratio) > 20
    np.testing.assert_allclose(ratio.abs(), 0.8, atol=1e-9)


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


def _one_draw(posterior: Any) -> Any:
    """The posterior as a single draw, so that no mean and no weight stands between a term and its draw."""
    return Posterior(posterior.density, Draws("one", posterior.sampled.points[:, :1]), 0)


def test_every_number_of_a_term_is_a_weighted_quantile_or_mean_of_its_draws(explained: Any) -> None:
    """The prevalence's term is log pi_k / pi_j of each draw; the weights are those of the label itself."""
    posterior, labels, _ = explained
    terms = explain_labels(posterior, labels, draws=300).frame
    rows = posterior.equal_weight_rows(300)
    p = posterior.values["p"][rows].numpy()
    joint = posterior.density.class_log_joint({"p": posterior.values["p"][rows]}).joint.numpy()
    prior = terms[terms["kind"] == "prevalence"].reset_index(drop=True)
    for i in (0, 3, 17):
        odds = np.log(p / (1 - p)) * (1 if prior["class"][i] == "dysplastic" else -1)
        # Leaving a case out weighs a draw by 1 / p(y_i | z_i); so mild a tail is hardly smoothed.
        own = joint[:, i, labels.labels[i]] - np.logaddexp(joint[:, i, 0], joint[:, i, 1])
        weights = np.exp(-own) / np.exp(-own).sum()
        assert prior["log_odds"][i] == pytest.approx((weights * odds).sum(), abs=1e-4)
        order = np.argsort(odds)
        cumulative = weights[order].cumsum()
        for end, level in (("lo", 0.05), ("hi", 0.95)):
            at = np.searchsorted(cumulative, level)
            near = odds[order][max(at - 2, 0) : at + 3]
            assert near.min() <= prior[end][i] <= near.max()


def test_shapley_values_by_orders_are_exact_for_two(
    explained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opposite orders come in pairs: with two measurements each pair holds both orders there are."""
    posterior, labels, exact = explained
    monkeypatch.setattr(game, "EXACT_PLAYERS", 1)
    by_orders = explain_labels(posterior, labels)
    np.testing.assert_allclose(by_orders.frame["log_odds"], exact.frame["log_odds"], atol=1e-9)


@label_model(y=Label("a", "b"), u=Real(), v=Real(), w=Real())
def tangled(cases):
    """Three measurements of which each depends on those before, in each class in another way."""
    p = pyro.sample("p", dist.Beta(5.0, 5.0))
    with cases:
        y = pyro.sample("y", dist.Categorical(torch.stack([1 - p, p])))
        u = pyro.sample("u", dist.Normal(1.0 * y, 1.0))
        v = pyro.sample("v", dist.Normal(u * torch.tensor([0.5, -0.5])[y], 1.0))
        pyro.sample("w", dist.Normal((u + v) * torch.tensor([0.2, 0.6])[y], 1.0))


@pytest.fixture(scope="module")
def three() -> Any:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.normal(size=(24, 3)), columns=["u", "v", "w"])
    frame["y"] = np.where(rng.random(24) < 0.5, "b", "a")
    frame.loc[1, "v"] = np.nan
    cases = cases_from_frame(frame, "y", tangled.label, tangled.features)
    posterior = fit(tangled, cases, seed=0)
    return posterior, soft_labels(posterior)


def test_shapley_values_of_three_are_means_over_all_orders(three: Any) -> None:
    posterior, _ = three
    one = _one_draw(posterior)
    best, second = np.ones(24, dtype=int), np.zeros(24, dtype=int)
    played = Game(one, one.values, one.cases, best, second)
    phi = played.shapley()
    by_hand = {player: torch.zeros(1, 24, dtype=torch.float64) for player in phi}
    for order in permutations(phi):
        known: frozenset[Player] = frozenset()
        for player in order:
            by_hand[player] += (played.value(known | {player}) - played.value(known)) / 6
            known = known | {player}
    for player, value in phi.items():
        torch.testing.assert_close(value, by_hand[player], atol=1e-10, rtol=0)
        assert float(value.abs().max()) > 0.1
    whole = sum(phi.values()) + played.value(frozenset())
    torch.testing.assert_close(whole, played.value(frozenset(phi)), atol=1e-10, rtol=0)
    joint = one.density.class_log_joint(one.values).joint[0]
    torch.testing.assert_close(whole[0], joint[:, 1] - joint[:, 0], atol=1e-10, rtol=0)
    assert float(phi[Player("v")][0, 1]) == pytest.approx(0, abs=1e-10)


def test_shapley_values_by_orders_are_near_and_add_up(
    three: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    posterior, labels = three
    exact = explain_labels(posterior, labels).frame
    monkeypatch.setattr(game, "EXACT_PLAYERS", 2)
    by_orders = explain_labels(posterior, labels).frame
    np.testing.assert_allclose(_log_odds(by_orders), _log_odds(exact), atol=1e-9)
    away = np.abs(by_orders["log_odds"] - exact["log_odds"])
    assert 1e-6 < away.max() < 0.6
    assert away.mean() < 0.05


def test_up_to_ten_dependent_measurements_are_exact() -> None:
    assert game.EXACT_PLAYERS == 10
    assert game.ORDER_PAIRS == 16


def test_terms_do_not_depend_on_the_size_of_a_block(
    explained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    posterior, labels, whole = explained
    for numbers in (1, 7 * 2 * explain.EXPLAIN_DRAWS):
        monkeypatch.setattr(explain, "EXPLAIN_NUMBERS", numbers)
        parts = explain_labels(posterior, labels)
        pd.testing.assert_frame_equal(parts.frame, whole.frame, atol=1e-9)


@pytest.mark.parametrize(("alike", "known"), [(19, False), (20, True)])
def test_rarity_needs_twenty_cases_alike(alike: int, known: bool) -> None:
    """And is the share of those that are at least as unlikely, itself among them where it was fitted."""
    rng = np.random.default_rng(2)
    y = np.arange(alike + 3) % 2
    frame = pd.DataFrame(
        {
            "y": np.array(["normal", "dysplastic"])[y],
            "alpha": MEANS[y, 0].numpy() + 0.6 * rng.normal(size=len(y)),
            "coverage": MEANS[y, 1].numpy() + 0.6 * rng.normal(size=len(y)),
        }
    )
    frame.loc[alike:, "coverage"] = np.nan
    posterior = fit(chained, cases_from_frame(frame, "y", chained.label, chained.features), seed=0)
    terms = explain_labels(posterior, soft_labels(posterior)).frame
    rarity = terms.groupby("id", sort=False)["rarity"].first().to_numpy()
    assert np.isnan(rarity[alike:]).all()
    if not known:
        assert np.isnan(rarity).all()
        return
    np.testing.assert_allclose(np.sort(rarity[:alike]), (1 + np.arange(alike)) / alike)
    rows = posterior.equal_weight_rows(explain.EXPLAIN_DRAWS)
    joint = posterior.density.class_log_joint({"p": posterior.values["p"][rows]}).joint[:, :alike]
    surprise = torch.logsumexp(joint, (0, 2))
    np.testing.assert_array_equal(np.argsort(rarity[:alike]), np.argsort(surprise.numpy()))


def test_raters_whom_the_model_does_not_count_as_independent_are_one_term() -> None:
    @label_model(y=Label("0", "1"), votes=VoteCounts(), x=Real())
    def counted(cases):
        p = pyro.sample("p", dist.Beta(4.0, 6.0))
        with cases:
            y = pyro.sample("y", dist.Categorical(torch.stack([1 - p, p])))
            pyro.sample("x", dist.Normal(1.0 * y, 1.0))
            shares = torch.tensor([[0.8, 0.2], [0.3, 0.7]]).log()
            pyro.sample("votes", VoteMultinomial(shares.exp()[y]))

    frame = pd.DataFrame(
        {
            "y": ["0", "1"] * 5,
            "x": np.linspace(-1, 2, 10),
            "votes_0": [3, 1] * 5,
            "votes_1": [1, 3] * 5,
        }
    )
    cases = cases_from_frame(frame, "y", counted.label, counted.features)
    posterior = fit(counted, cases, seed=0)
    rows = explain_labels(posterior, soft_labels(posterior)).of_case("1").set_index("term")
    assert set(rows.index) == {"prevalence", "votes", "x", "averaging"}
    assert rows.loc["votes", "kind"] == "measurement"


def test_a_term_of_a_rater_without_a_name_has_its_number() -> None:
    confusion = torch.tensor([[[0.95, 0.05], [0.1, 0.9]], [[0.7, 0.3], [0.2, 0.8]]]).double().log()

    @label_model(y=Label("0", "1"), votes=Votes("a", "b"))
    def known(cases):
        p = pyro.sample("p", dist.Beta(40.0, 60.0))
        with cases:
            y = pyro.sample("y", dist.Categorical(torch.stack([1 - p, p])))
            pyro.sample("votes", RaterVotes(confusion.transpose(0, 1), y))

    frame = pd.DataFrame({"id": ["i", "i"], "rater": ["a", "b"], "label": ["1", "0"]})
    cases = cases_from_frame(frame, "y", known.label, known.features)
    nameless = replace(cases, columns={"votes": replace(cases.columns["votes"], names=())})
    posterior = fit(known, nameless, seed=0)
    terms = explain_labels(posterior, soft_labels(posterior))
    assert set(terms.frame["term"]) == {"prevalence", "rater 1", "rater 2", "averaging"}
    assert set(terms.frame.query("term == 'rater 2'")["kind"]) == {"rater"}


def test_more_raters_than_can_be_looked_at_are_one_term(monkeypatch: pytest.MonkeyPatch) -> None:
    assert game.MOST_RATERS == 400
    confusion = torch.tensor([[[0.95, 0.05], [0.1, 0.9]], [[0.7, 0.3], [0.2, 0.8]]]).double().log()

    @label_model(y=Label("0", "1"), votes=Votes("a", "b"))
    def known(cases):
        p = pyro.sample("p", dist.Beta(40.0, 60.0))
        with cases:
            y = pyro.sample("y", dist.Categorical(torch.stack([1 - p, p])))
            pyro.sample("votes", RaterVotes(confusion.transpose(0, 1), y))

    frame = pd.DataFrame({"id": ["i", "i"], "rater": ["a", "b"], "label": ["1", "0"]})
    cases = cases_from_frame(frame, "y", known.label, known.features)
    posterior = fit(known, cases, seed=0)
    labels = soft_labels(posterior)
    for most, terms in ((2, {"a", "b"}), (1, {"votes"})):
        monkeypatch.setattr(game, "MOST_RATERS", most)
        got = explain_labels(posterior, labels).frame
        assert set(got["term"]) - {"prevalence", "averaging"} == terms


def test_an_input_has_the_value_of_the_mean_case_or_the_commonest_code() -> None:
    model = logistic(y=Label("a", "b"), x=Real(low=-4, high=4), c=Category("red", "blue", "green"))
    rng = np.random.default_rng(1)
    x, c = rng.normal(1.0, 1.0, 50), rng.choice(["red", "blue", "blue", "green"], 50)
    y = np.where(rng.random(50) < 1 / (1 + np.exp(-2 * x)), "b", "a")
    frame = pd.DataFrame({"y": y, "x": x.clip(-4, 4), "c": c})
    posterior = fit(model, cases_from_frame(frame, "y", model.label, model.features), seed=0)
    common = pd.Series(c).mode()[0]
    new = pd.DataFrame({"id": ["mean"], "x": [frame["x"].mean()], "c": [common]})
    cases = cases_from_frame(new, "y", model.label, model.features, classes=("a", "b"))
    terms = explain_labels(posterior, soft_labels(posterior, cases), cases).of_case("mean")
    for name in ("x", "c"):
        rows = terms[terms["term"] == name]
        assert set(rows["kind"]) == {"input"}
        np.testing.assert_allclose(rows["log_odds"], 0, atol=1e-9)


def test_another_prevalence_of_a_discriminative_model_moves_its_own_term_alone() -> None:
    """By log pi'_k / pi_k, pi the mean of p(y | x) over the fitted cases; with one draw nothing is left to average."""
    model = logistic(y=Label("a", "b"), x=Real(low=-4, high=4))
    rng = np.random.default_rng(1)
    x = rng.normal(0.5, 1.0, 60).clip(-4, 4)
    y = np.where(rng.random(60) < 1 / (1 + np.exp(-2 * x)), "b", "a")
    frame = pd.DataFrame({"y": y, "x": x})
    posterior = _one_draw(
        fit(model, cases_from_frame(frame, "y", model.label, model.features), seed=0)
    )
    label = posterior.density.class_log_joint(posterior.values).label[0]
    study = torch.softmax(label, -1).mean(0).numpy()
    study /= study.sum()
    terms = {}
    for prevalence in (None, {"b": 0.2}):
        labels = soft_labels(posterior, leave_out="fitted", prevalence=prevalence)
        frame = explain_labels(posterior, labels).frame
        assert float(frame.query("kind == 'averaging'")["log_odds"].abs().max()) < 1e-8
        sign = np.where(frame["class"] == "b", 1, -1)
        terms[prevalence is None] = frame.assign(log_odds=sign * frame["log_odds"])
    for kind, moved in (
        ("prevalence", np.log(0.2 / 0.8) - np.log(study[1] / study[0])),
        ("input", 0.0),
    ):
        before, after = (terms[at].query(f"kind == '{kind}'")["log_odds"] for at in (True, False))
        np.testing.assert_allclose(after.to_numpy() - before.to_numpy(), moved, atol=1e-8)


def test_labels_and_cases_must_be_the_same(explained: Any) -> None:
    posterior, labels, _ = explained
    with pytest.raises(InputError, match="not the same cases in the same order"):
        explain_labels(posterior, labels.take(np.arange(39, -1, -1)))


def test_terms_of_a_case_stand_with_the_strongest_first(explained: Any) -> None:
    _, labels, terms = explained
    order = np.argsort(-labels.probs, 1)
    for i in (0, 7):
        rows = terms.of_case(str(i))
        assert (np.diff(rows["log_odds"].abs()) <= 0).all()
        assert set(rows["class"]) == {labels.classes[order[i, 0]]}
        assert set(rows["against"]) == {labels.classes[order[i, 1]]}
        assert len(rows) == len(terms.frame[terms.frame["id"] == str(i)])
    assert terms.to_frame() is terms.frame


def test_the_cohort_travels_in_the_file(explained: Any, tmp_path: Any) -> None:
    _, _, terms = explained
    cohort = pd.DataFrame({"split": ["train", "test"], "cases": [30, 10]})
    Explanations(terms.frame, cohort).save(tmp_path / "explain.parquet")
    again = Explanations.load(tmp_path / "explain.parquet")
    assert again.cohort is not None
    pd.testing.assert_frame_equal(again.cohort, cohort)
    pd.testing.assert_frame_equal(again.frame, terms.frame)
    terms.save(tmp_path / "explain.parquet")
    assert Explanations.load(tmp_path / "explain.parquet").cohort is None
