"""Votes: the CHECK values of the methods page, invariants, and real crowds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labelppl.crowds import (
    VoteTable,
    confusion_em,
    dawid_skene_em,
    diagonal_counts,
    glad,
    majority,
    predict_votes,
    raykar,
    vote_shares,
)
from labelppl.errors import FailedWork, InputError

CROWD = Path(__file__).parents[3] / "shared" / "data" / "crowd"

# Dawid and Skene (1979), table 1: 45 patients, five anaesthetists, the first of whom saw each three times.
ANAESTHETISTS = (
    "1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223 "
    "4444444 2223343 1111111 2223212 1211111 1112111 1111111 1111111 2222221 2221322 "
    "2222222 2222221 2223222 2212222 1111111 1111111 2322222 1111111 1111111 1121121 "
    "1111111 3333233 1111111 2222222 2223232 4334343 2212232 2323233 3333432 1111111 "
    "1111111 1212111 2322222 1211111 2222222 "
)


def anaesthetists() -> VoteTable:
    table = np.array([[int(c) - 1 for c in row] for row in ANAESTHETISTS.split()])
    rater = np.array([0, 0, 0, 1, 2, 3, 4])
    item, position = np.indices(table.shape)
    names = tuple(map(str, range(45))), tuple("12345"), tuple("1234")
    return VoteTable(item.ravel(), rater[position.ravel()], table.ravel(), *names)


def test_dawid_skene_on_the_1979_data() -> None:
    fit = dawid_skene_em(anaesthetists(), tolerance=1e-12)
    np.testing.assert_allclose(fit.prevalence, [0.3996, 0.4220, 0.1118, 0.0667], atol=1e-4)
    assert fit.log_likelihood == pytest.approx(-192.8909, abs=1e-4)
    np.testing.assert_allclose(np.diag(fit.confusion[0]), [0.889, 0.876, 0.661, 0.444], atol=1e-3)


def test_joint_equals_the_naive_loop() -> None:
    votes = anaesthetists()
    rng = np.random.default_rng(0)
    prevalence, confusion = rng.dirichlet(np.ones(4)), rng.dirichlet(np.ones(4), (5, 4))
    naive = np.tile(np.log(prevalence), (45, 1))
    for i, j, label in zip(votes.item, votes.rater, votes.label, strict=True):
        naive[i] += np.log(confusion[j, :, label])
    np.testing.assert_allclose(
        confusion_em.confusion_log_joint(votes, prevalence, confusion), naive
    )


def test_em_never_lowers_the_posterior() -> None:
    votes, counts = anaesthetists(), diagonal_counts(4, 2.0, 0.5)
    before = -np.inf
    for steps in (2, 4, 8, 16):
        with pytest.raises(FailedWork):
            dawid_skene_em(votes, counts, 1.0, most_steps=steps, tolerance=0.0)
    start = majority(votes.counts(), "split")
    for _ in range(15):
        prevalence = start.sum(0) + 1
        prevalence /= prevalence.sum()
        confusion = votes.confusion_counts(start) + counts
        confusion /= confusion.sum(-1, keepdims=True)
        joint = confusion_em.confusion_log_joint(votes, prevalence, confusion)
        now = np.logaddexp.reduce(joint, 1).sum()
        now += (counts * np.log(confusion)).sum() + np.log(prevalence).sum()
        assert now >= before - 1e-9
        before = now
        start = np.exp(joint - np.logaddexp.reduce(joint, 1)[:, None])


def test_a_perfect_rater_decides_and_guessing_raters_leave_the_prior() -> None:
    votes = VoteTable.from_matrix([[0, 1], [1, 1], [1, 0]], 2)
    perfect = np.stack([np.eye(2), np.full((2, 2), 0.5)])
    joint = confusion_em.confusion_log_joint(votes, np.array([0.3, 0.7]), perfect)
    assert np.array_equal(np.isneginf(joint), [[False, True], [True, False], [True, False]])
    guess = np.full((2, 2, 2), 0.5)
    joint = confusion_em.confusion_log_joint(votes, np.array([0.3, 0.7]), guess)
    share = np.exp(joint - np.logaddexp.reduce(joint, 1)[:, None])
    np.testing.assert_allclose(share, np.tile([0.3, 0.7], (3, 1)))


def test_raykar_check() -> None:
    sensitivity, specificity = (0.9, 0.8), (0.95, 0.7)
    confusion = np.array(
        [[[b, 1 - b], [1 - a, a]] for a, b in zip(sensitivity, specificity, strict=True)]
    )
    given = np.tile([0.6, 0.4], (3, 1))
    votes = VoteTable.from_matrix([[1, 0], [1, 1], [-1, -1]], 2)
    got = raykar.item_posterior(votes, given, confusion)[:, 1]
    np.testing.assert_allclose(got, [0.774194, 0.969697, 0.4], atol=1e-6)


def test_glad_equals_a_confusion_matrix_at_one_difficulty() -> None:
    votes = VoteTable.from_matrix([[0, 1, 2], [2, 2, -1]], 3)
    ability = np.array([0.5, 2.0, -1.0])
    right = 1 / (1 + np.exp(-ability * np.exp(0.3)))
    confusion = np.array([diagonal_counts(3, p, (1 - p) / 2) for p in right])
    prevalence = np.array([0.2, 0.3, 0.5])
    expected = confusion_em.confusion_log_joint(votes, prevalence, confusion)
    got = glad.glad_log_joint(votes, prevalence, ability, np.full(2, 0.3))
    np.testing.assert_allclose(got, expected)
    hard = glad.glad_log_joint(votes, prevalence, ability, np.full(2, -40.0))
    assert not np.allclose(hard, got)


COUNTS = np.array([[3.0, 1.0, 0.0], [2.0, 2.0, 0.0], [0.0, 0.0, 0.0]])


def test_mean_vote() -> None:
    got = vote_shares(COUNTS)
    np.testing.assert_allclose(got[:2], [[0.75, 0.25, 0], [0.5, 0.5, 0]])
    assert np.isnan(got[2]).all()
    np.testing.assert_allclose(
        vote_shares(COUNTS, 1.0)[[0, 2]], [[4 / 7, 2 / 7, 1 / 7], [1 / 3] * 3]
    )
    with pytest.raises(InputError):
        vote_shares(COUNTS, -1.0)


def test_majority_says_what_a_tie_is() -> None:
    np.testing.assert_allclose(majority(COUNTS, "split"), [[1, 0, 0], [0.5, 0.5, 0], [1 / 3] * 3])
    assert np.isnan(majority(COUNTS, "abstain")).all(1).tolist() == [False, True, True]
    tied = np.tile(COUNTS[1], (4000, 1))
    drawn = majority(tied, "seeded", seed=1)
    assert np.array_equal(drawn, majority(tied, "seeded", seed=1))
    assert drawn.mean(0) == pytest.approx([0.5, 0.5, 0], abs=4 * 0.5 / np.sqrt(4000))
    assert majority(COUNTS, "lowest").argmax(1).tolist() == [0, 0, 0]
    with pytest.raises(InputError, match="ties"):
        majority(COUNTS, "first")  # type: ignore[arg-type]


def test_reading_long_votes() -> None:
    frame = pd.DataFrame({"id": ["a", "a", "b"], "rater": [1, 2, 1], "label": ["x", "y", "y"]})
    votes = VoteTable.from_frame(frame, items=["b", "a", "c"])
    assert votes.counts().tolist() == [[0, 1], [1, 1], [0, 0]]
    assert votes.take(votes.rater == 0).counts().tolist() == [[0, 1], [1, 0], [0, 0]]
    for broken, words in (
        (frame.drop(columns="rater"), "rater"),
        (frame.assign(label=["x", None, "y"]), "row 2"),
    ):
        with pytest.raises(InputError, match=words):
            VoteTable.from_frame(broken)
    with pytest.raises(InputError, match="'y'"):
        VoteTable.from_frame(frame, classes=["x"])
    with pytest.raises(InputError, match="expected"):
        VoteTable.from_matrix([[2]], 2)


def _crowd(name: str) -> tuple[VoteTable, np.ndarray]:
    if not CROWD.is_dir():
        pytest.skip("the shared crowd data are not here")
    truth = pd.read_csv(CROWD / f"{name}_truth.csv", dtype=str)
    votes = pd.read_csv(CROWD / f"{name}_votes.csv", dtype=str)
    classes = sorted(set(truth["label"]) | set(votes["label"]))
    made = VoteTable.from_frame(votes, classes=classes)
    known = pd.Series(truth["label"].to_numpy(), index=truth["id"]).reindex(made.items)
    return made, pd.Index(classes).get_indexer(pd.Index(known))


def _expected_accuracy(probs: np.ndarray, truth: np.ndarray) -> float:
    """Ties among the top classes are settled by lot, so they count by their share."""
    top, known = majority(probs, "split"), truth >= 0
    return float(top[known, truth[known]].mean())


@pytest.mark.parametrize("name", ["bluebird", "rte", "web"])
def test_dawid_skene_is_no_worse_than_majority_on_real_crowds(name: str) -> None:
    votes, truth = _crowd(name)
    by_majority = _expected_accuracy(votes.counts(), truth)
    fit = dawid_skene_em(votes, diagonal_counts(len(votes.classes), 2.0, 0.5), 1.0)
    print(
        f"{name}: majority {by_majority:.3f}, Dawid-Skene {_expected_accuracy(fit.probs, truth):.3f}"
    )
    assert _expected_accuracy(fit.probs, truth) >= by_majority


@pytest.mark.parametrize("name", ["bluebird", "rte", "web"])
def test_held_out_votes_are_predicted_better(name: str) -> None:
    votes, _ = _crowd(name)
    classes = len(votes.classes)
    held = np.random.default_rng(0).random(len(votes)) < 0.2
    seen, hidden = votes.take(~held), votes.take(held)
    at = np.arange(len(hidden)), hidden.label
    fit = dawid_skene_em(seen, diagonal_counts(classes, 2.0, 0.5), 1.0)

    def nll(predicted: np.ndarray) -> float:
        return float(-np.log(predicted[at]).mean())

    ours = nll(predict_votes(fit, hidden.item, hidden.rater))
    counts = seen.counts()
    winner = majority(counts, "split")
    rivals = {
        f"mean vote + {a:g}": nll(vote_shares(counts, a)[hidden.item]) for a in (0.1, 0.5, 1.0, 3.0)
    } | {
        f"majority at {q:g}": nll(((1 - q) / classes + q * winner)[hidden.item])
        for q in (0.3, 0.5, 0.7, 0.9)
    }
    print(f"{name}: {ours:.3f}; " + ", ".join(f"{k} {v:.3f}" for k, v in rivals.items()))
    assert ours < min(rivals.values())
