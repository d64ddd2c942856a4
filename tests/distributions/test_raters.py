"""Laws of raters: sums over votes against a plain gather, the common scale against scipy and by integration."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import integrate, stats
from torch import Tensor
from torch.func import hessian, vmap

from labelppl import distributions as d
from labelppl.families.hierarchical import contrasts


def _votes(n: int = 30, raters: int = 6, classes: int = 3) -> Tensor:
    return torch.randint(-1, classes, (n, raters), generator=torch.Generator().manual_seed(1))


def _plain(logits: Tensor, votes: Tensor) -> Tensor:
    """A gather of every cell, (items,)."""
    rows = logits.log_softmax(-1).expand(len(votes), *logits.shape)
    picked = rows.gather(-1, votes.clamp(min=0)[..., None])[..., 0]
    return torch.where(votes >= 0, picked, 0.0).sum(-1)


def test_votes_are_summed_for_all_draws_with_two_derivatives() -> None:
    votes = _votes()
    logits = torch.randn(5, 6, 3)

    def law(x: Tensor) -> Tensor:
        return d.RaterVotes(x.log_softmax(-1)).log_prob(votes)

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
    law = d.RaterVotes(torch.zeros(2, 2) - math.log(2), validate_args=False)
    got = law.log_prob(torch.tensor([[0, 1], [2, 1]]))
    torch.testing.assert_close(got, torch.tensor([-2 * math.log(2), -math.inf]))


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
