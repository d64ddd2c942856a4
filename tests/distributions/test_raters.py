"""Laws of raters: sums over votes against a plain gather, the common scale against scipy and by integration."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor
from torch.func import grad, hessian, vmap

from labelppl import distributions as d
from labelppl.families.hierarchical import contrasts
from labelppl.features import Ballots


def _votes(n: int = 30, raters: int = 6, classes: int = 3) -> Tensor:
    """Codes (items, raters), -1 for no vote."""
    return torch.randint(-1, classes, (n, raters), generator=torch.Generator().manual_seed(1))


def _plain(logits: Tensor, votes: Tensor) -> Tensor:
    """A gather of every cell, (items,)."""
    rows = logits.log_softmax(-1).expand(len(votes), *logits.shape)
    picked = rows.gather(-1, votes.clamp(min=0)[..., None])[..., 0]
    return torch.where(votes >= 0, picked, 0.0).sum(-1)


def test_votes_are_summed_for_all_draws_with_two_derivatives() -> None:
    votes = _votes()
    ballots = Ballots.from_matrix(votes)
    logits = torch.randn(5, 6, 3)

    def law(x: Tensor) -> Tensor:
        return d.RaterVotes(x.log_softmax(-1)[None], 0).log_prob(ballots)

    expected = torch.stack([_plain(x, votes) for x in logits])
    torch.testing.assert_close(vmap(law)(logits), expected)
    torch.testing.assert_close(torch.stack([law(x) for x in logits]), expected)

    def total(x: Tensor, by: str) -> Tensor:
        each = law(x) if by == "law" else _plain(x, votes)
        return torch.logsumexp(torch.stack([each, 0.3 * each - 1]), 0).sum()

    ours, plain = (
        vmap(hessian(lambda x, by=by: total(x, by)))(logits[:2]) for by in ("law", "plain")
    )
    torch.testing.assert_close(ours, plain)
    x = logits.clone().requires_grad_()
    (first,) = torch.autograd.grad(vmap(lambda v: total(v, "law"))(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad((first * logits).sum(), x)
    flat = plain.reshape(2, 18, 18) @ logits[:2].reshape(2, 18, 1)
    torch.testing.assert_close(second[:2].reshape(2, 18, 1), flat)


def test_a_vote_for_an_unknown_class_is_impossible() -> None:
    votes = Ballots.from_matrix([[0, 1], [2, 1]])
    for row in (0, torch.zeros(2, dtype=torch.long)):
        law = d.RaterVotes(torch.zeros(1, 2, 2) - math.log(2), row, validate_args=False)
        torch.testing.assert_close(law.log_prob(votes), torch.tensor([-2 * math.log(2), -math.inf]))
    assert law.support.check(votes).tolist() == [True, False]


THETA = 0.5 * torch.sin(torch.arange(1.0, 40.0, dtype=torch.float64))
ROWS = torch.tensor([0, 1, 1, 0, 1])
VOTES = Ballots.from_matrix([[0, 1, -1], [1, 1, 0], [-1, -1, -1], [1, -1, 0], [0, 0, 1]])


def _rows(t: Tensor, *shape: int) -> Tensor:
    return torch.log_softmax(t[: math.prod(shape)].reshape(shape), -1)


LAWS: dict[str, Callable[..., Any]] = {
    "RaterVotes": lambda t, row, **o: d.RaterVotes(_rows(t, 2, 3, 2), row, **o),
    "MixedVotes": lambda t, row, **o: d.MixedVotes(_rows(t, 2), _rows(t[2:], 2, 2, 3, 2), row, **o),
    "SharedErrorVotes": lambda t, row, **o: d.SharedErrorVotes(
        _rows(t, 2, 2, 2), _rows(t[8:], 3, 2, 2), [(0, 2), (1,)], row, **o
    ),
}


@pytest.mark.parametrize("name", LAWS)
def test_laws_of_votes_sum_to_one_and_are_alike_by_class_and_by_item(name: str) -> None:
    """Each law is a distribution, vectorises over draws, and gives an item its class's probability."""
    law = LAWS[name]
    by_item = law(THETA, ROWS).log_prob(VOTES)
    by_class = torch.stack([law(THETA, k).log_prob(VOTES) for k in (0, 1)])
    torch.testing.assert_close(by_item, by_class[ROWS, torch.arange(5)])
    assert float(by_item[2]) == 0
    every = Ballots.from_matrix(list(itertools.product((0, 1), repeat=3)))
    for k in (0, 1):
        assert float(law(THETA, k).log_prob(every).exp().sum()) == pytest.approx(1)
    thetas = THETA + 0.1 * torch.randn(3, len(THETA))
    for row in (ROWS, 1):
        total = lambda t, r=row: law(t, r).log_prob(VOTES).sum()  # noqa: E731
        for way in (total, grad(total), hessian(total)):
            alone = torch.stack([way(t) for t in thetas])
            torch.testing.assert_close(vmap(way)(thetas), alone, rtol=1e-9, atol=1e-9)
        start = THETA.clone().requires_grad_()
        assert torch.autograd.gradcheck(total, start, atol=1e-6)


@pytest.mark.parametrize("name", LAWS)
def test_votes_are_drawn_for_the_ballots_that_were_cast(name: str) -> None:
    n = 8000
    every = list(itertools.product((0, 1), repeat=3))
    law = LAWS[name](THETA, 1).expand((n,))
    drawn = law.sample()
    table = torch.zeros(tuple(drawn.shape), dtype=torch.long)
    table[drawn.case, drawn.rater] = drawn.said
    share = torch.bincount(table @ torch.tensor([4, 2, 1]), minlength=8) / n
    wanted = LAWS[name](THETA, 1).log_prob(Ballots.from_matrix(every)).exp()
    assert float(((share - wanted) / (wanted * (1 - wanted) / n).sqrt()).abs().max()) < 4.5
    some = LAWS[name](THETA, ROWS, design=VOTES).sample()
    assert torch.equal(some.start, VOTES.start)
    assert torch.equal(some.rater, VOTES.rater)
    assert some.said.unique().tolist() == [0, 1]


def test_common_scale_is_a_mixture_of_normals() -> None:
    df, scale = 3.0, 0.4
    x = torch.tensor([0.3, -0.9, 0.2])
    ours = float(d.CommonScale(df, scale, 3).log_prob(x))
    t = stats.multivariate_t(loc=[0] * 3, shape=scale**2, df=df)
    assert ours == pytest.approx(float(t.logpdf(x.numpy())))

    def given(variance: float) -> float:
        prior = stats.invgamma.pdf(variance, df / 2, scale=df * scale**2 / 2)
        return float(prior * stats.norm.pdf(x.numpy(), 0, math.sqrt(variance)).prod())

    mass, _ = integrate.quad(given, 0, math.inf, limit=200)
    assert ours == pytest.approx(math.log(mass), abs=1e-7)


def test_common_scale_samples_have_its_quantiles() -> None:
    drawn = d.CommonScale(torch.tensor(3.0), 0.4, 2).sample((4000,)) / 0.4
    for column in drawn.T:
        assert stats.kstest(column.numpy(), stats.t(3).cdf).pvalue > 1e-3
    # Within one draw the scale is shared, so that squares go together.
    assert stats.spearmanr(*drawn.abs().T.numpy()).statistic > 0.1


@pytest.mark.parametrize("k", [2, 3, 5])
def test_contrasts_are_orthonormal_and_sum_to_nothing(k: int) -> None:
    h = contrasts(k)
    torch.testing.assert_close(h.mT @ h, torch.eye(k - 1))
    torch.testing.assert_close(h.sum(0), torch.zeros(k - 1))


def test_gamma_above_an_end_is_scipys_truncated_gamma() -> None:
    law = d.GammaFrom(3.0, 0.5, 2.0)
    plain = stats.gamma(3.0, scale=2.0)
    x = torch.tensor([2.5, 4.0, 11.0], dtype=torch.float64)
    expected = plain.logpdf(x.numpy()) - plain.logsf(2.0)
    np.testing.assert_allclose(law.log_prob(x), expected, rtol=1e-6)
    drawn = law.expand((4000,)).sample().double()
    assert bool(law.support.check(drawn).all())
    assert stats.kstest(drawn.numpy(), lambda v: law.cdf(torch.as_tensor(v)).numpy()).pvalue > 1e-3
