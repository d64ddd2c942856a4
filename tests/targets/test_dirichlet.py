"""The Dirichlet student: summaries of docs/methods.md §3, stationarity at the fit, gradients by hand."""

import pytest
import torch
from torch.special import digamma, polygamma

from labelppl.errors import InputError
from labelppl.targets import TARGETS, TargetData, dirichlet_concentration, epistemic
from labelppl.targets.dirichlet import dirichlet_kl

A = torch.tensor([2.0, 3.0, 5.0], dtype=torch.float64)


def of_draws(draws, **fields):
    """TargetData of draws (draws, cases, classes) alone."""
    return TargetData(hard=torch.full((draws.shape[1],), -1), draws=draws, **fields)


def test_epistemic_information_of_the_check():
    assert abs(float(epistemic(A.log()[None])) - 0.092351) < 1e-6


def test_epistemic_vanishes_where_the_concentration_grows():
    assert float(epistemic((1e6 * A).log()[None])) < 1e-5
    assert float(epistemic((1e-6 * A).log()[None])) > 0.99 * 1.029653


@pytest.mark.parametrize(("match", "expected", "tolerance"), [("epkl", 10, 0.3), ("mkl", 9.3, 0.3)])
def test_concentration_of_dirichlet_draws(match, expected, tolerance):
    # 200,000 draws: the Monte Carlo error of both spreads is well below 1 %.
    torch.manual_seed(0)
    draws = torch.distributions.Dirichlet(A).sample((200_000, 1))
    assert abs(float(dirichlet_concentration(draws, None, match)) - expected) < tolerance


def test_weighted_draws_equal_repeated_draws():
    g = torch.Generator().manual_seed(0)
    draws = torch.rand(4, 2, 3, generator=g, dtype=torch.float64)
    draws = draws / draws.sum(-1, keepdim=True)
    times = torch.tensor([1, 2, 3, 4])
    repeated = dirichlet_concentration(draws.repeat_interleave(times, 0))
    flat = times.double().log()
    torch.testing.assert_close(dirichlet_concentration(draws, flat), repeated)
    torch.testing.assert_close(dirichlet_concentration(draws, flat[:, None].expand(4, 2)), repeated)


def test_draws_that_agree_have_the_highest_concentration():
    draws = torch.tensor([[[0.2, 0.8]], [[0.2, 0.8]]])
    assert float(dirichlet_concentration(draws)) == 1e4


def dirichlet_mle(mean_log):
    """The maximum-likelihood concentrations for mean log probabilities (classes,), by Newton."""
    a = torch.ones_like(mean_log)
    for _ in range(200):
        y = digamma(a.sum()) + mean_log
        b = torch.where(y >= -2.22, y.exp() + 0.5, -1 / (y - digamma(torch.ones_like(y))))
        for _ in range(6):
            b = b - (digamma(b) - y) / polygamma(1, b)
        a = b
    return a


def test_endd_gradient_is_zero_at_the_maximum_likelihood_dirichlet(gradient):
    torch.manual_seed(0)
    draws = torch.distributions.Dirichlet(A).sample((500, 1))
    target = TARGETS["dirichlet"](loss="endd")
    targets = target.start(of_draws(draws))
    fit = dirichlet_mle(targets[0])
    got = gradient(target, fit.log()[None], targets)
    torch.testing.assert_close(got, torch.zeros_like(got), atol=1e-6, rtol=0)


def test_endd_gradient_and_value(evidence, logits, gradient):
    target = TARGETS["dirichlet"](loss="endd")
    targets = target.start(evidence)
    a = logits.exp()
    expected = a * (digamma(a) - digamma(a.sum(1, keepdim=True)) - targets)
    torch.testing.assert_close(gradient(target, logits, targets), expected)
    smoothed = (1 - 1e-4) * evidence.draws + 1e-4 / 3
    density = torch.distributions.Dirichlet(a).log_prob(smoothed).mean(0)
    loss = target.loss(logits, targets, torch.arange(len(logits)))
    torch.testing.assert_close(loss, -density)


def test_endd_cools_down(evidence, logits):
    target = TARGETS["dirichlet"](loss="endd", temperature=10.0)
    hot = target.start(evidence)
    rows = torch.arange(len(logits))
    loss = target.loss(10 * logits, hot, rows)
    a = logits.exp()
    p = (evidence.draws.log() / 10).softmax(-1)
    density = torch.distributions.Dirichlet(a).log_prob((1 - 1e-4) * p + 1e-4 / 3).mean(0)
    torch.testing.assert_close(loss, -density)
    temperatures = []
    for epoch in range(8):
        cold = target.end_epoch(epoch, 8, None)
        temperatures.append(target.temperature)
    assert temperatures == [7.75, 5.5, 3.25, 1, 1, 1, 1, 1]
    torch.testing.assert_close(cold, TARGETS["dirichlet"](loss="endd").start(evidence))


@pytest.mark.parametrize("offset", [0.0, 1.0])
def test_proxy_gradient_is_zero_at_its_own_dirichlet(evidence, offset, gradient):
    target = TARGETS["dirichlet"](loss="proxy", offset=offset)
    targets = target.start(evidence)
    fit = targets[:, :-1].log()
    got = gradient(target, fit, targets)
    torch.testing.assert_close(got, torch.zeros_like(got), atol=1e-9, rtol=0)
    if offset == 0:
        smoothed = (1 - 1e-4) * evidence.soft + 1e-4 / 3
        torch.testing.assert_close(target.probabilities(fit), smoothed)


def test_proxy_gradient_by_hand(evidence, logits, gradient):
    target = TARGETS["dirichlet"](loss="proxy")
    targets = target.start(evidence)
    a, b, b0 = logits.exp(), targets[:, :-1], targets[:, -1:]
    total, wanted = a.sum(1, keepdim=True), b.sum(1, keepdim=True)
    slope = (a - b) * polygamma(1, a) - (total - wanted) * polygamma(1, total)
    torch.testing.assert_close(gradient(target, logits, targets), a * slope / b0)


def test_proxy_is_the_published_loss_up_to_a_constant(evidence, logits):
    target = TARGETS["dirichlet"](loss="proxy", offset=1.0)
    targets = target.start(evidence)
    mean = (1 - 1e-4) * evidence.soft + 1e-4 / 3
    b0 = targets[:, -1]

    def published(z):
        a = z.exp()
        expected_log = digamma(a) - digamma(a.sum(1, keepdim=True))
        return -(mean * expected_log).sum(1) - torch.distributions.Dirichlet(a).entropy() / b0

    rows = torch.arange(len(logits))
    ours = target.loss(logits, targets, rows) - target.loss(-logits, targets, rows)
    torch.testing.assert_close(ours, published(logits) - published(-logits))


def test_the_mean_log_stands_in_for_draws(evidence):
    kept = TargetData(hard=evidence.hard, soft=evidence.soft, mean_log=evidence.draws.log().mean(0))
    proxy = TARGETS["dirichlet"](loss="proxy", match="mkl")
    torch.testing.assert_close(proxy.start(kept), proxy.start(evidence))
    # Smoothing comes after the mean here and before it there: 1e-4 of the reciprocal of p apart.
    endd = TARGETS["dirichlet"](loss="endd")
    torch.testing.assert_close(endd.start(kept), endd.start(evidence), rtol=0, atol=1e-3)
    with pytest.raises(InputError, match="temperature"):
        TARGETS["dirichlet"](loss="endd", temperature=2.0).start(kept)


def test_kl_equals_torchs():
    g = torch.Generator().manual_seed(0)
    a, b = 5 * torch.rand(2, 6, 4, generator=g, dtype=torch.float64) + 0.1
    d = torch.distributions
    expected = d.kl_divergence(d.Dirichlet(a), d.Dirichlet(b))
    torch.testing.assert_close(dirichlet_kl(a, b), expected)


@pytest.mark.parametrize("loss", ["decoupled", "proxy"])
def test_a_certain_label_breaks_nothing(gradient, loss):
    draws = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]]], dtype=torch.float64)
    target = TARGETS["dirichlet"](loss=loss)
    targets = target.start(of_draws(draws, soft=draws[0]))
    assert gradient(target, torch.zeros(1, 2, dtype=torch.float64), targets).isfinite().all()


def test_decoupled_gradient_by_hand(evidence, logits, gradient):
    """Cross-entropy's gradient, and Huber's, which reaches every logit by its share of the total."""
    target = TARGETS["dirichlet"](weight=0.3)
    targets = target.start(evidence)
    p = logits.softmax(1)
    off = logits.logsumexp(1) - targets[:, -1].log()
    expected = p - evidence.soft + 0.3 * off.clamp(-1, 1)[:, None] * p
    torch.testing.assert_close(gradient(target, logits, targets), expected)


def test_decoupled_is_least_at_the_draws_own_dirichlet(evidence, gradient):
    target = TARGETS["dirichlet"]()
    targets = target.start(evidence)
    torch.testing.assert_close(targets[:, -1], dirichlet_concentration(evidence.draws))
    fit = (targets[:, -1:] * targets[:, :-1]).log()
    got = gradient(target, fit, targets)
    torch.testing.assert_close(got, torch.zeros_like(got), atol=1e-9, rtol=0)
    torch.testing.assert_close(target.probabilities(fit), evidence.soft)
