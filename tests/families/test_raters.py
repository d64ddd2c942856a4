"""Families of votes, rankings and stated probabilities, and p(Y | Z): recovered by simulation, and what they must not do."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from labelppl import families as f
from labelppl.crowds import VoteTable, dawid_skene_em, diagonal_counts
from labelppl.crowds.dependence import dependence
from labelppl.errors import InputError
from labelppl.features import (
    Angle,
    Ballots,
    Category,
    Column,
    Label,
    Positive,
    Ranking,
    Ratio,
    Real,
    Stated,
    VoteCounts,
    Votes,
)
from labelppl.inference.auto import auto
from labelppl.inference.laplace import laplace
from labelppl.model import LabelDensity, LabelModel
from labelppl.table import Cases

Y = Label("no", "yes", "maybe")
TWO = Label("no", "yes")
FIVE = Votes("a", "b", "c", "d", "e")
ARC = Angle("deg", low=20, high=90)

FAMILIES: dict[str, Callable[[], LabelModel]] = {
    "dawid_skene": lambda: f.dawid_skene(y=Y, votes=FIVE),
    "dawid_skene with a group": lambda: f.dawid_skene(y=TWO, votes=FIVE, groups=[(0, 2, 4)]),
    "hierarchical": lambda: f.hierarchical_dawid_skene(y=Y, votes=FIVE),
    "hierarchical with a group": lambda: f.hierarchical_dawid_skene(
        y=TWO, votes=FIVE, groups=[(0, 2, 4)]
    ),
    "glad": lambda: f.glad(y=Y, votes=FIVE),
    "plackett_luce": lambda: f.plackett_luce(y=Y, opinion=Ranking("a", "b")),
    "stated": lambda: f.stated(y=Y, opinion=Stated("a", "b")),
    "angle_linear": lambda: f.angle_linear(y=TWO, a=ARC, x=Real(low=0, high=1)),
    "fisher-lee": lambda: f.angle_linear(y=TWO, a=ARC, x=Real(low=0, high=1), form="fisher-lee"),
    "mardia-sutton": lambda: f.angle_linear(
        y=TWO, a=ARC, x=Real(low=0, high=1), form="mardia-sutton"
    ),
    "abe-ley": lambda: f.angle_linear(y=TWO, a=ARC, x=Positive(high=1), form="abe-ley"),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_family_is_recovered_by_simulation(name: str, simulate: Any, away: Any) -> None:
    model = FAMILIES[name]()
    cases, truth = simulate(model, 300, seed=6)
    assert float(away(LabelDensity(model, cases), truth).abs().max()) < 4.5


def _with_inputs(n: int, label: Label, seed: int = 0) -> Cases:
    rng = np.random.default_rng(seed)
    x, turn = rng.random(n), rng.uniform(-math.pi, math.pi, n)
    side = rng.integers(0, 3, n)
    seen = torch.ones(n, dtype=torch.bool)
    columns = {
        "x": Column(torch.tensor(x), seen),
        "t": Column(torch.tensor(turn), seen),
        "s": Column(torch.tensor(side), seen),
    }
    ids = np.arange(n).astype(str)
    return Cases(ids, label.classes, np.zeros(n, dtype=np.int64), columns, np.full(n, "train"))


@pytest.mark.parametrize("label", [TWO, Y], ids=["logistic", "multinomial"])
def test_discriminative_model_finds_the_probabilities(label: Label) -> None:
    cases = _with_inputs(1500, label)
    x, t, s = (cases.columns[c].values.double() for c in "xts")
    score = torch.stack([0 * x, 4 * (x - 0.5) + torch.cos(t), 1.5 * (s == 2) - 1], -1)
    truth = torch.softmax(score[:, : len(label.classes)], -1)
    torch.manual_seed(0)
    labels = torch.multinomial(truth, 1)[:, 0].numpy()
    cases = Cases(cases.ids, cases.classes, labels, cases.columns, cases.split)
    model = f.logistic(
        y=label,
        x=Real(low=0, high=1),
        t=Angle("rad", kind="circular"),
        s=Category("l", "m", "r"),
    )
    density = LabelDensity(model, cases)
    draws = laplace(density, seed=0, draws=500)
    assert draws.log_weights is not None
    joint = density.class_log_joint(density.constrain(draws.points[0])).joint
    torch.testing.assert_close(joint.logsumexp(-1), torch.zeros_like(joint[..., 0]))
    probs = torch.einsum("s,snk->nk", draws.log_weights.exp()[0], joint.exp())
    assert float((probs - truth).abs().mean()) < 0.015 * len(label.classes)


def test_separable_classes_keep_finite_weights() -> None:
    cases = _with_inputs(40, TWO)
    labels = (cases.columns["x"].values > 0.5).long().numpy()
    cases = Cases(cases.ids, cases.classes, labels, cases.columns, cases.split)
    density = LabelDensity(f.logistic(y=TWO, x=Real(low=0, high=1)), cases)
    draws = auto(density, seed=0)
    assert draws.ok, draws.problems
    assert float(draws.points.abs().max()) < 60


def test_raykar_uses_votes_and_features_together() -> None:
    n = 600
    cases = _with_inputs(n, TWO, seed=3)
    rng = np.random.default_rng(17)
    x = cases.columns["x"].values.numpy()
    p = 1 / (1 + np.exp(-8 * (x - 0.5)))
    y = (rng.random(n) < p).astype(int)
    right = np.array([0.9, 0.8, 0.65])
    votes = np.where(rng.random((n, 3)) < right, y[:, None], 1 - y[:, None])
    votes[:, 1:][rng.random((n, 2)) < 0.3] = -1
    columns = {"x": cases.columns["x"], "v": Column.of_ballots(Ballots.from_matrix(votes))}
    unknown = np.full(n, -1)
    cases = Cases(cases.ids, cases.classes, unknown, columns, cases.split)
    model = f.raykar(y=TWO, v=Votes("a", "b", "c"), x=Real(low=0, high=1))
    density = LabelDensity(model, cases)
    draws = laplace(density, seed=0, draws=500)
    assert draws.log_weights is not None
    values = density.constrain(draws.points[0])
    weight = draws.log_weights.exp()[0]
    joint = density.class_log_joint(values).joint
    probs = torch.einsum("s,snk->nk", weight, torch.softmax(joint, -1))[:, 1].numpy()
    log_c = np.log(np.array([[[a, 1 - a], [1 - a, a]] for a in right]))
    evidence = sum(
        np.where(votes[:, j] >= 0, log_c[j, 1, votes[:, j]] - log_c[j, 0, votes[:, j]], 0.0)
        for j in range(3)
    )
    oracle = 1 / (1 + np.exp(-(np.log(p / (1 - p)) + evidence)))
    assert np.abs(probs - oracle).mean() < 0.05
    skill = torch.einsum("s,skrl->krl", weight, values["v_confusion"])
    np.testing.assert_allclose(skill[1, :, 1], right, atol=0.08)


def test_a_case_without_votes_is_labelled_by_its_features() -> None:
    cases = _with_inputs(20, TWO)
    codes = torch.zeros(20, 3, dtype=torch.int64)
    codes[::2] = -1
    columns = {"x": cases.columns["x"], "v": Column.of_ballots(Ballots.from_matrix(codes))}
    cases = Cases(cases.ids, cases.classes, np.full(20, -1), columns, cases.split)
    density = LabelDensity(f.raykar(y=TWO, v=Votes("a", "b", "c"), x=Real(low=0, high=1)), cases)
    values = density.constrain(density.start(1, seed=0))
    got = torch.softmax(density.class_log_joint(values).joint, -1)[0, ::2, 1]
    score = values["intercept"] + values["weights"][:, 0] * (columns["x"].values - 0.5) / 0.25
    torch.testing.assert_close(got, torch.sigmoid(score)[0, ::2])


def test_mean_vote_is_the_smoothed_share() -> None:
    counts = torch.tensor([[3.0, 1.0, 0.0], [0.0, 0.0, 0.0], [5.0, 5.0, 2.0]], dtype=torch.float64)
    columns = {"votes": Column(counts, counts.sum(1) > 0)}
    ids, split = np.array(["1", "2", "3"]), np.full(3, "train")
    cases = Cases(ids, Y.classes, np.full(3, -1), columns, split)
    model = f.mean_vote(y=Y, votes=VoteCounts())
    a = torch.tensor([[0.5, 1.0, 2.0]], dtype=torch.float64)
    joint = LabelDensity(model, cases).class_log_joint({"votes_concentration": a}).joint[0]
    expected = (counts + a) / (counts + a).sum(-1, keepdim=True)
    torch.testing.assert_close(torch.softmax(joint, -1), expected)


def test_unlabelled_votes_land_in_the_right_mode(simulate: Any) -> None:
    """The diagonal-heavy prior, not the start, says which class is which."""
    model = f.dawid_skene(y=TWO, votes=FIVE)
    confusion = torch.tensor([0.75, 0.7, 0.8, 0.65, 0.7], dtype=torch.float64)
    rows = torch.stack(
        [torch.stack([confusion, 1 - confusion], -1), torch.stack([1 - confusion, confusion], -1)]
    )
    given = {"votes_confusion": rows, "prevalence": torch.tensor([0.6, 0.4], dtype=torch.float64)}
    for seed in range(3):
        cases, _ = simulate(model, 400, seed=seed, given=given)
        hidden = Cases(cases.ids, cases.classes, np.full(400, -1), cases.columns, cases.split)
        density = LabelDensity(model, hidden)
        draws = laplace(density, seed=seed, draws=300)
        probs = torch.softmax(density.class_log_joint(density.constrain(draws.points[0])).joint, -1)
        assert float((probs.mean(0).argmax(-1).numpy() == cases.labels).mean()) > 0.75


def _scenario(seed: int, prevalence: float, copies: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(2000) < prevalence).astype(int)
    skill = (0.71, 0.75, 0.68, 0.8, 0.65)
    votes = np.stack([np.where(rng.random(2000) < a, y, 1 - y) for a in skill], 1)
    again = [np.where(rng.random(2000) < 0.03, 1 - votes[:, 0], votes[:, 0]) for _ in range(copies)]
    return np.stack([*votes.T, *again], 1), y


def _ece(p: np.ndarray, y: np.ndarray) -> float:
    at = np.minimum((p * 10).astype(int), 9)
    return sum(abs(p[at == b].sum() - y[at == b].sum()) for b in range(10)) / len(y)


def test_near_duplicates_are_found_and_counted_once() -> None:
    votes, y = _scenario(0, 0.5, copies=4)
    table = VoteTable.from_matrix(votes, 2)
    naive = dawid_skene_em(table, diagonal_counts(2, 2.0, 1.0), 1.0)
    assert _ece(naive.probs[:, 1], y) > 0.2
    found = dependence(table)
    assert found.groups == ((0, 5, 6, 7, 8),)
    assert found.bic_gain > 10
    assert "0, 5, 6, 7, 8" in found.message
    assert _ece(found.grouped.probs[:, 1], y) <= 0.03


@pytest.mark.parametrize("seed", [0, 1])
def test_independent_sources_are_left_apart(seed: int) -> None:
    votes, y = _scenario(seed, 0.5, copies=0)
    found = dependence(VoteTable.from_matrix(votes, 2))
    assert found.groups == ()
    assert found.message == "no dependence between raters found"
    assert _ece(found.grouped.probs[:, 1], y) <= 0.03


@pytest.mark.parametrize(
    ("prevalence", "copies", "seed"), [(0.5, 0, 11), (0.5, 4, 12), (0.087, 0, 13)]
)
def test_one_model_is_calibrated_in_every_scenario(
    prevalence: float, copies: int, seed: int
) -> None:
    """Independent sources, near-duplicates and a rare class: the same line, its gate passed."""
    votes, y = _scenario(seed, prevalence, copies)
    columns = {"votes": Column.of_ballots(Ballots.from_matrix(votes))}
    ids, split = np.arange(2000).astype(str), np.full(2000, "train")
    cases = Cases(ids, TWO.classes, np.full(2000, -1), columns, split)
    model = f.hierarchical_dawid_skene(y=TWO, votes=Votes(), groups="detect").for_cases(cases)
    density = LabelDensity(model, cases)
    draws = auto(density, seed=0)
    assert draws.ok, draws.problems
    points = draws.points.flatten(0, 1)
    few = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))[:300]
    joint = density.class_log_joint(density.constrain(points[few])).joint
    weight = torch.full((300,), 1 / 300, dtype=torch.float64)
    if draws.log_weights is not None:
        weight = torch.softmax(draws.log_weights.flatten()[few], 0)
    probs = torch.einsum("s,snk->nk", weight, torch.softmax(joint, -1))
    assert _ece(probs[:, 1].numpy(), y) <= 0.03


def test_shared_errors_equal_enumeration() -> None:
    model = f.dawid_skene(y=TWO, votes=FIVE, groups=[(0, 2, 4)])
    patterns = np.array(list(itertools.product((-1, 0, 1), repeat=5))[1:])
    columns = {"votes": Column.of_ballots(Ballots.from_matrix(patterns))}
    n = len(patterns)
    cases = Cases(
        np.arange(n).astype(str), TWO.classes, np.full(n, -1), columns, np.full(n, "train")
    )
    density = LabelDensity(model, cases)
    values = density.constrain(density.start(1, seed=0))
    joint = density.class_log_joint(values).joint[0].exp().numpy()
    answer, slip = values["votes_answer"][0].numpy(), values["votes_slip"][0].numpy()
    prevalence = values["prevalence"][0].numpy()
    for i in (0, 17, 100, n - 1):
        for k in range(2):
            group = 0.0
            for u in range(2):
                term = answer[k, 0, u]
                for m, j in enumerate((0, 2, 4)):
                    if patterns[i, j] >= 0:
                        term *= 1 - slip[m] if patterns[i, j] == u else slip[m]
                group += term
            for g, j in ((1, 1), (2, 3)):
                group *= 1.0 if patterns[i, j] < 0 else answer[k, g, patterns[i, j]]
            assert joint[i, k] == pytest.approx(prevalence[k] * group, rel=1e-9)
    whole = (patterns >= 0).all(1)
    assert joint[whole].sum() == pytest.approx(1, abs=1e-9)


def test_detection_is_part_of_binding_to_a_table() -> None:
    votes, _ = _scenario(1, 0.5, copies=3)
    columns = {"votes": Column.of_ballots(Ballots.from_matrix(votes))}
    ids, split = np.arange(2000).astype(str), np.full(2000, "train")
    cases = Cases(ids, TWO.classes, np.full(2000, -1), columns, split)
    model = f.dawid_skene(y=TWO, votes=Votes(), groups="detect").for_cases(cases)
    assert model.evidence[0].groups == ((0, 5, 6, 7),)  # type: ignore[attr-defined]


def test_stated_probabilities_are_recalibrated() -> None:
    """Two classes: the posterior log-odds are linear in the stated ones, with slope sharpness / noise^2."""
    model = f.stated(y=TWO, opinion=Stated("a"))
    p = torch.tensor([0.02, 0.3, 0.5, 0.9], dtype=torch.float64)
    exact = torch.stack([1 - p, p], -1)[:, None, :, None].expand(-1, 1, 2, 2)
    bins = torch.tensor(
        [[[[0.6, 0.8], [0.2, 0.4]]], [[[0.0, 1.0], [0.0, 1.0]]]], dtype=torch.float64
    )
    values = torch.cat([exact, bins])
    columns = {"opinion": Column(values, torch.tensor([True] * 5 + [False]))}
    ids, split = np.arange(6).astype(str), np.full(6, "train")
    cases = Cases(ids, TWO.classes, np.full(6, -1), columns, split)
    theta = {
        "prevalence": torch.tensor([[0.5, 0.5]], dtype=torch.float64),
        "opinion_sharpness": torch.tensor([[2.0]], dtype=torch.float64),
        "opinion_noise": torch.tensor([[1.5]], dtype=torch.float64),
        "opinion_bias": torch.zeros(1, 1, 2, dtype=torch.float64),
    }
    joint = LabelDensity(model, cases).class_log_joint(theta).joint[0]
    odds = joint[:, 1] - joint[:, 0]
    torch.testing.assert_close(odds[:4], torch.logit(p) * 2.0 / 1.5**2)
    s = torch.linspace(0.2, 0.4, 4001, dtype=torch.float64)
    x = torch.logit(s) / math.sqrt(2)
    law = torch.distributions.Normal(
        torch.tensor([-1.0, 1.0], dtype=torch.float64) * math.sqrt(2), 1.5
    )
    inside = torch.exp(law.log_prob(x[:, None])) / (s * (1 - s))[:, None]
    mass = torch.trapezoid(inside, s, dim=0)
    torch.testing.assert_close(odds[4], torch.log(mass[1] / mass[0]), atol=2e-3, rtol=0)
    assert float(odds[5]) == pytest.approx(0, abs=1e-12)


BAD: dict[str, Callable[[], object]] = {
    "diagonal": lambda: f.dawid_skene(y=Y, votes=FIVE, diagonal=1.0, elsewhere=1.5),
    "no votes": lambda: f.raykar(y=TWO, x=Real()),
    "votes as input": lambda: f.logistic(y=TWO, x=VoteCounts()),
    "no angle": lambda: f.angle_linear(y=TWO, x=Real(), z=Real()),
    "unknown form": lambda: f.angle_linear(y=TWO, a=ARC, x=Ratio(), form="line"),  # type: ignore[arg-type]
    "two counts": lambda: f.mean_vote(y=Y, a=VoteCounts(), b=VoteCounts()),
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_declarations_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(InputError) as caught:
        BAD[name]()
    assert "\n" not in str(caught.value)
