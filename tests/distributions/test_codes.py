"""Laws of grades, votes, rankings and covariances, against enumeration, scipy and the CHECK values."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from labelppl.distributions import (
    DirichletMultinomial,
    InverseWishartCholesky,
    OrderedLogistic,
    PlackettLuce,
    VoteMultinomial,
)


def test_ordered_logistic_check() -> None:
    law = OrderedLogistic(torch.tensor(0.3), torch.tensor([-1.0, 0.5]))
    grades = torch.tensor([0, 1, 2])
    torch.testing.assert_close(
        torch.exp(law.log_prob(grades)), torch.tensor([0.2142, 0.3357, 0.4502]), atol=5e-5, rtol=0
    )
    torch.testing.assert_close(law.cdf(grades), torch.exp(law.log_prob(grades)).cumsum(0))
    assert float(law.cdf(torch.tensor(-1))) == 0


def test_ordered_logistic_keeps_tiny_probabilities() -> None:
    law = OrderedLogistic(torch.tensor(300.0), torch.tensor([-1.0, 0.5]))
    assert float(law.log_prob(torch.tensor(0))) == pytest.approx(-301, abs=1e-9)
    two = OrderedLogistic(torch.tensor(0.4), torch.tensor([-0.2]))
    assert float(torch.exp(two.log_prob(torch.tensor(1)))) == pytest.approx(
        1 / (1 + math.exp(-0.6))
    )


def test_votes_equal_scipy() -> None:
    counts = np.array([[3, 0, 4], [0, 0, 0], [1, 1, 1]])
    p = np.array([0.2, 0.3, 0.5])
    a = np.array([0.7, 2.0, 1.1])
    total = counts.sum(1)
    got = VoteMultinomial(torch.tensor(p)).log_prob(torch.tensor(counts, dtype=torch.float64))
    np.testing.assert_allclose(got.numpy(), stats.multinomial(total, p).logpmf(counts), atol=1e-12)
    got = DirichletMultinomial(torch.tensor(a)).log_prob(torch.tensor(counts, dtype=torch.float64))
    exact = [
        stats.dirichlet_multinomial(a, n).logpmf(c) for c, n in zip(counts, total, strict=True)
    ]
    np.testing.assert_allclose(got.numpy(), exact, atol=1e-12)


def test_a_class_that_cannot_be_voted_for() -> None:
    law = VoteMultinomial(torch.tensor([0.0, 1.0]))
    got = law.log_prob(torch.tensor([[0.0, 3.0], [1.0, 2.0]]))
    assert got.tolist() == [0.0, -math.inf]


@pytest.mark.parametrize("law", [VoteMultinomial, DirichletMultinomial])
def test_simulated_votes_follow_the_law(law: type) -> None:
    made = law(torch.tensor([0.2, 0.3, 0.5]), 3)
    draws = made.sample((30_000,))
    assert bool((draws.sum(-1) == 3).all())
    patterns = [c for c in itertools.product(range(4), repeat=3) if sum(c) == 3]
    expected = torch.exp(made.log_prob(torch.tensor(patterns, dtype=torch.float64)))
    assert float(expected.sum()) == pytest.approx(1)
    seen = torch.stack([(draws == torch.tensor(c)).all(-1).sum() for c in patterns])
    assert stats.chisquare(seen.numpy(), 30_000 * expected.numpy()).pvalue > 1e-3


def test_votes_cannot_be_simulated_without_a_total() -> None:
    with pytest.raises(ValueError, match="total_count"):
        VoteMultinomial(torch.tensor([0.5, 0.5])).sample()


def _by_enumeration(weights: np.ndarray, ranks: tuple[int, ...]) -> float:
    """Sum over every full order that agrees with the ranks; 0 is below all."""
    key = [r if r > 0 else math.inf for r in ranks]
    total = 0.0
    for order in itertools.permutations(range(len(ranks))):
        if any(key[a] > key[b] for a, b in itertools.pairwise(order)):
            continue
        left, p = weights.sum(), 1.0
        for k in order:
            p *= weights[k] / left
            left -= weights[k]
        total += p
    return total


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=5), st.integers(0, 10_000))
def test_partial_rankings_sum_over_the_orders_that_agree(ranks: list[int], seed: int) -> None:
    log_w = np.random.default_rng(seed).normal(0, 2, len(ranks))
    got = PlackettLuce(torch.tensor(log_w)).log_prob(torch.tensor(ranks, dtype=torch.float64))
    exact = _by_enumeration(np.exp(log_w), tuple(ranks))
    assert float(got) == pytest.approx(math.log(exact), abs=1e-7)


def test_rankings_without_ties_need_no_integral() -> None:
    log_w = torch.tensor([0.5, -1.0, 0.3, 0.0])
    ranks = torch.tensor([[2.0, 1.0, 3.0, 4.0], [1.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
    plain = PlackettLuce(log_w, ties=False).log_prob(ranks)
    torch.testing.assert_close(plain, PlackettLuce(log_w).log_prob(ranks))
    assert float(plain[2]) == 0


def test_all_full_orders_sum_to_one_and_are_sampled_as_such() -> None:
    law = PlackettLuce(torch.tensor([0.5, -1.0, 0.3]))
    orders = torch.tensor(list(itertools.permutations((1.0, 2.0, 3.0))))
    probs = torch.exp(law.log_prob(orders))
    assert float(probs.sum()) == pytest.approx(1)
    draws = law.sample((20_000,))
    seen = torch.stack([(draws == order).all(-1).sum() for order in orders])
    assert stats.chisquare(seen.numpy(), 20_000 * probs.numpy()).pvalue > 1e-3


def test_inverse_wishart_equals_scipy() -> None:
    psi = np.array([[1.3, 0.4, 0.0], [0.4, 0.9, -0.2], [0.0, -0.2, 0.7]])
    sigma = np.array([[0.8, 0.1, 0.2], [0.1, 1.1, 0.0], [0.2, 0.0, 0.5]])
    law = InverseWishartCholesky(torch.tensor(6.5), torch.linalg.cholesky(torch.tensor(psi)))
    factor = torch.linalg.cholesky(torch.tensor(sigma))
    diagonal = np.diag(factor.numpy())
    jacobian = 3 * math.log(2) + (np.array([3, 2, 1]) * np.log(diagonal)).sum()
    exact = stats.invwishart(6.5, psi).logpdf(sigma) + jacobian
    assert float(law.log_prob(factor)) == pytest.approx(exact, abs=1e-10)
    draws = law.sample((40_000,))
    mean = (draws @ draws.mT).mean(0)
    np.testing.assert_allclose(mean.numpy(), psi / (6.5 - 3 - 1), atol=0.03)
