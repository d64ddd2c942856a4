"""Gibbs sampling of crowds: enumerated posteriors, the joint distribution test, the gate, and the power likelihood."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from labelppl.crowds import VoteTable, nested
from labelppl.crowds.flat import FlatCrowd
from labelppl.crowds.gibbs import sample_labels
from labelppl.crowds.gibbs_run import RHAT_MOST, RHAT_SHARED, ChainTrace, GibbsRun, Pace, gather
from labelppl.crowds.nested import Crowd, draw_ability, draw_rates, draw_tables
from labelppl.crowds.power import (
    LEAST_KNOWN,
    VoteParameters,
    choose_rho,
    design_effect,
    held_out_votes,
)
from labelppl.crowds.seen_votes import SeenVotes
from labelppl.crowds.strengths import log_slips, tally
from labelppl.crowds.tables import Guests, minus_log_beta

#: Three items by three raters.
THREE = VoteTable.from_matrix([[0, 0, 1], [1, 1, 1], [0, 1, 1]], 2)
KNOWN_CROWD = VoteParameters(
    np.array([0.6, 0.4]),
    np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.8, 0.2], [0.3, 0.7]], [[0.7, 0.3], [0.4, 0.6]]]),
)


class FixedCrowd(Crowd):
    """The nested model with s1 = 20, a = b = 1, s0 = 8 and m = .75 held fixed: r_j ~ Beta(6, 2)."""

    def draw(self, rng: np.random.Generator, counts: np.ndarray, pace: Pace) -> Crowd:
        seen = SeenVotes.of(counts)
        return draw_rates(rng, draw_ability(rng, self, draw_tables(rng, self, seen)), counts)


def fixed() -> FixedCrowd:
    start = FixedCrowd.start(3, 2)
    return replace(start, evenness=20.0, shift=np.ones((2, 2)), likeness=8.0, level=0.75)


ENUMERATED = {
    "flat": (
        lambda: FlatCrowd.start(3, np.array([[3.0, 1.5], [1.5, 3.0]])),
        (0.453549, 0.853921, 0.688970),
    ),
    "nested": (fixed, (0.473372, 0.921214, 0.762394)),
}


@pytest.mark.parametrize("name", ENUMERATED)
def test_labels_equal_enumeration(name: str) -> None:
    """All eight labellings of three items, the parameters summed out by hand; within five standard errors."""
    start, exact = ENUMERATED[name]
    run = sample_labels(THREE, start(), sweeps=1500, most_sweeps=1500, seed=1)
    assert np.abs(run.probs[:, 1] - exact).max() < 5 * run.mcse.max()
    assert run.mcse.max() < 0.016


def test_successive_draws_of_votes_and_parameters_keep_the_prior() -> None:
    """Geweke's joint test: with votes drawn anew from the parameters in every sweep, the parameters follow the prior."""
    rng = np.random.default_rng(5)
    k, j, n = 3, 3, 12
    state, y = Crowd.start(j, k), rng.integers(0, k, n)
    kept = []
    for _ in range(7000):
        confusion = state.confusion
        votes = _draw_votes(rng, confusion[:, y])
        counts = np.zeros((j, k, k))
        for r in range(j):
            np.add.at(counts[r], (y, votes[r]), 1)
        state = state.draw(rng, counts, Pace(1, 3))
        pi = rng.dirichlet(1 + np.bincount(y, minlength=k))
        # y given parameters and votes
        logits = np.log(pi) + sum(np.log(state.confusion[r][:, votes[r]]).T for r in range(j))
        p = np.exp(logits - logits.max(1, keepdims=True))
        y = (p.cumsum(1) < rng.random((n, 1)) * p.sum(1, keepdims=True)).sum(1)
        kept.append(
            [
                state.level,
                state.likeness,
                state.evenness,
                state.shift[0, 0],
                state.shift[2, 1],
                state.slip_prior[1, 0],
                state.ability[0],
                pi[0],
            ]
        )
    draws = np.array(kept[1000:])
    prior = [
        stats.beta(*nested.LEVEL),
        stats.gamma(nested.LIKENESS[0], scale=1 / nested.LIKENESS[1]),
        stats.gamma(nested.EVENNESS[0], scale=1 / nested.EVENNESS[1]),
        *[stats.gamma(1.0, scale=1.0)] * 3,
        None,
        stats.beta(1, 2),
    ]
    for column, law in enumerate(prior):
        if law is None:
            continue
        u = law.cdf(draws[:, column])
        batches = u.reshape(40, -1).mean(1)
        error = batches.std(ddof=1) / np.sqrt(40)
        assert abs(batches.mean() - 0.5) < 4.5 * error, column
        assert error < 0.05


def _draw_votes(rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
    """(raters, items) from probabilities (raters, items, answers)."""
    return (rows.cumsum(2) < rng.random((*rows.shape[:2], 1)) * rows.sum(2, keepdims=True)).sum(2)


def test_tables_have_their_mean_and_log_beta_its_own() -> None:
    rng = np.random.default_rng(0)
    guests, strength = np.full(20_000, 7), 1.7
    drawn = Guests(guests).tables(rng, np.array(strength))
    mean = (strength / (strength + np.arange(7))).sum()
    assert abs(drawn.mean() - mean) < 5 * drawn.std() / np.sqrt(20_000)
    assert Guests(np.zeros(3)).tables(rng, np.array(1.0)).tolist() == [0, 0, 0]
    rate = minus_log_beta(rng, np.array(strength), guests)
    exact = -stats.beta(strength, 7).expect(np.log)
    assert abs(rate.mean() - exact) < 5 * rate.std() / np.sqrt(20_000)
    assert minus_log_beta(rng, np.array(1.0), np.zeros(2)).tolist() == [0, 0]


def test_known_classes_stay_and_items_without_votes_get_the_prevalence() -> None:
    rng = np.random.default_rng(2)
    y = (rng.random(200) < 0.3).astype(int)
    matrix = np.where(rng.random((200, 4)) < 0.85, y[:, None], 1 - y[:, None])
    matrix[:20] = -1
    known = np.where(np.arange(200) % 4 == 0, y, -1)
    run = sample_labels(
        VoteTable.from_matrix(matrix, 2),
        Crowd.start(4, 2),
        known=known,
        sweeps=300,
        most_sweeps=300,
    )
    certain = known >= 0
    assert np.array_equal(run.probs[certain].argmax(1), y[certain])
    assert run.probs[certain].max(1).min() == 1
    silent = run.probs[:20][~certain[:20], 1]
    prevalence = np.mean([d.prevalence[1] for chain in run.draws for d in chain])
    assert silent == pytest.approx(prevalence, abs=0.02)


def _run(**seen: float) -> GibbsRun:
    nothing = np.zeros((1, 2))
    passed = {"rhat": 1.0, "rhat_shared": 1.0, "rhat_entries": 1.0, "excess_labels": 0.0}
    return GibbsRun((), nothing, nothing, mcse_labels=0.0, sweeps=1, **(passed | seen))


@pytest.mark.parametrize(
    ("what", "limit"),
    [
        ("rhat", RHAT_MOST),
        ("rhat_shared", RHAT_SHARED),
        ("rhat_entries", RHAT_MOST),
        ("excess_labels", 1.0),
    ],
)
def test_the_gate_stands_at_its_limits(what: str, limit: float) -> None:
    assert not _run(**{what: limit}).problems
    assert len(_run(**{what: limit + 1e-6}).problems) == 1
    assert len(_run(**{what: float("nan")}).problems) == 1


def test_chains_that_disagree_are_an_error_of_the_labels() -> None:
    """Two chains that stay at .2 and .8 agree with themselves and not with each other."""
    rng = np.random.default_rng(0)
    traces = []
    for p in (0.2, 0.8):
        trace: ChainTrace = ChainTrace(2, 2, 100, 10)
        for sweep in range(100):
            state = replace(Crowd.start(3, 2), prevalence=rng.dirichlet([50.0, 50.0]))
            trace.add(sweep, state, np.array([[p, 1 - p], [0.5, 0.5]]))
        traces.append(trace)
    run = gather(traces)
    np.testing.assert_allclose(run.probs, 0.5)
    # Four half-means at .2, .2, .8, .8: their SD over the root of four.
    np.testing.assert_allclose(run.mcse, [[np.sqrt(0.09 * 4 / 3 / 4)] * 2, [0, 0]], atol=1e-12)
    assert run.rhat <= RHAT_MOST
    assert any("Monte Carlo error" in problem for problem in run.problems)
    # Errors fall like 1 / sqrt(sweeps): the labels lack (error / (sd / sqrt(40)))^2 times as many.
    assert run.sweeps_short == pytest.approx(0.03 / (0.09 / 40), rel=0.05)


def test_sweeps_are_doubled_until_the_gate_is_passed_or_the_limit_reached() -> None:
    few = sample_labels(THREE, Crowd.start(3, 2), sweeps=10, warm_up=1, most_sweeps=40)
    assert few.sweeps == 40
    assert few.problems
    assert sample_labels(THREE, Crowd.start(3, 2), sweeps=40, most_sweeps=79).sweeps == 79


def test_the_same_seed_gives_the_same_draws() -> None:
    one, two, other = (
        sample_labels(THREE, Crowd.start(3, 2), sweeps=20, most_sweeps=20, seed=seed).probs
        for seed in (3, 3, 4)
    )
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


CHECKS = {
    0.0: ((0.1, 0.973913, 0.509091), -6.478867),
    0.25: ((0.167986, 0.907047, 0.472301), -6.434673),
    1.0: ((0.268407, 0.718355, 0.435809), -6.455594),
}


@pytest.mark.parametrize("rho", CHECKS)
def test_power_likelihood_of_known_parameters(rho: float) -> None:
    exact, held_out = CHECKS[rho]
    prevalence, confusion = KNOWN_CROWD
    evidence = THREE.spread(np.log(confusion)[THREE.rater, :, THREE.label])
    logits = np.log(prevalence) + design_effect(np.full(3, 3.0), rho)[:, None] * evidence
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(p[:, 1], exact, atol=1e-6)
    assert 9 * held_out_votes(THREE, [KNOWN_CROWD], rho) == pytest.approx(held_out, abs=1e-6)


def test_each_vote_from_the_others() -> None:
    """Item 0 alone: the product of its three votes' probabilities."""
    first = THREE.take(THREE.item == 0)
    total = 3 * held_out_votes(first, [KNOWN_CROWD], 0.0)
    assert total == pytest.approx(np.log([0.666667, 0.685714, 0.315789]).sum(), abs=1e-5)


def test_rho_grows_with_errors_that_raters_share() -> None:
    rng = np.random.default_rng(0)
    n, right = 600, 0.8
    y = (rng.random(n) < 0.5).astype(int)
    apart = np.where(rng.random((n, 6)) < right, y[:, None], 1 - y[:, None])
    hard = rng.random((n, 1)) < 0.25
    together = np.where(hard, np.where(rng.random((n, 6)) < 0.3, y[:, None], 1 - y[:, None]), apart)
    truth = VoteParameters(
        np.array([0.5, 0.5]), np.tile([[right, 1 - right], [1 - right, right]], (6, 1, 1))
    )
    rho = [choose_rho(VoteTable.from_matrix(m, 2), [truth]) for m in (apart, together)]
    assert rho[0] <= 0.03
    assert rho[1] >= 0.05
    # Fifty known classes decide instead of the votes, forty-nine do not.
    known = np.full(n, -1)
    known[:LEAST_KNOWN] = y[:LEAST_KNOWN]
    table = VoteTable.from_matrix(together, 2)
    by_truth = choose_rho(table, [truth], known)
    known[0] = -1
    assert choose_rho(table, [truth], known) == rho[1]
    assert by_truth != rho[1]


def test_evidence_of_slips_is_the_dirichlet_multinomial() -> None:
    alpha = np.array([[0.7, 1.2], [2.0, 0.5], [1.0, 3.0]])
    wrong = np.array([[2, 1], [0, 0], [2, 2]]), np.array([[0, 0], [3, 2], [0, 0]])
    # scipy's law counts orders; those do not depend on alpha.
    for k in range(3):
        one, two = (
            sum(
                stats.dirichlet_multinomial.logpmf(w[k], a, w[k].sum()) for w in wrong if w[k].sum()
            )
            for a in (alpha[k], 2 * alpha[k])
        )
        missed, each = tally(np.stack([w.sum(1) for w in wrong])), tally(np.stack(wrong))
        gain = log_slips(2 * alpha, missed, each) - log_slips(alpha, missed, each)
        assert gain[k] == pytest.approx(two - one, abs=1e-10)
