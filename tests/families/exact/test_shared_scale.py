"""The scale that classes share: quadrature against Gibbs, and left-out labels against two other algorithms' figures."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from labelppl.distributions import SharedCovariances, SharedSizes, SharedSpread
from labelppl.errors import InputError
from labelppl.families.exact import (
    NIW,
    CategoricalFactor,
    Coefficients,
    ExactPosterior,
    GaussianFactor,
    Prevalence,
    RegressionFactor,
    Standard,
    VonMisesFactor,
    VonMisesPrior,
)
from labelppl.families.exact import shared_scale_gibbs as gibbs
from labelppl.families.exact import shared_scale_rows as rows_of
from labelppl.families.exact import shared_scale_sampler as sampler
from labelppl.families.exact.shared_scale import KAPPA0, SPREAD_FLOOR, WORTHS, class_sums
from labelppl.families.exact.shared_scale_grid import draw_spread, on_grid
from labelppl.features import Column

F64 = torch.float64
# Eight numbers of two classes, and what a quadrature over log S and log v says of them with kappa0 = .1.
KAPPA = 0.1
Z = np.array([-0.1, 0.0, 0.1, 0.05, -2.0, 1.5, 3.0, 0.4])
Y = np.array([0, 0, 0, 0, 1, 1, 1, 1])
NEW = {0.3: 0.2456, 1.0: 0.8801, -3.0: 0.9880}
LEFT_OUT = [0.1754, 0.1545, 0.1718, 0.1583, 0.8486, 0.9492, 0.9889, 0.2812]


def column(values: object) -> Column:
    tensor = torch.as_tensor(values, dtype=F64)
    return Column(torch.nan_to_num(tensor), ~torch.isnan(tensor))


def standard(d: int, kappa: float = KAPPA0) -> Standard:
    return Standard(torch.zeros(d, dtype=F64), torch.ones(d, dtype=F64), kappa)


def posterior(factor: GaussianFactor, labels: torch.Tensor, classes: int = 2) -> ExactPosterior:
    return ExactPosterior(Prevalence.fit(labels, torch.ones(classes, dtype=F64)), (factor,), labels)


def test_one_number_by_quadrature() -> None:
    sums = class_sums(Z[:, None], Y, 2)
    shared = on_grid(sums.pull(KAPPA, SPREAD_FLOOR)[0, :, 0, 0], sums.count)
    weights = np.exp(shared.log_weights)
    assert weights.sum() == pytest.approx(1)
    worth = [weights[shared.worth == w].sum() for w in WORTHS[:3]]
    np.testing.assert_allclose(worth, [0.798, 0.175, 0.022], atol=5e-4)
    mean_log = (weights * np.log(shared.scale[:, 0, 0])).sum()
    assert mean_log == pytest.approx(-2.469, abs=5e-4)
    y = torch.tensor(Y)
    exact = posterior(GaussianFactor.fit("z", column(Z), y, 2, standard(1, KAPPA)), y)
    got = exact.probs({"z": column(list(NEW))})[:, 1]
    np.testing.assert_allclose(got, list(NEW.values()), atol=5e-5)
    np.testing.assert_allclose(exact.leave_one_out()[:, 1], LEFT_OUT, atol=5e-5)


def test_gibbs_agrees_with_the_quadrature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "KEPT", 1000)
    sampled = gibbs.by_gibbs(Z[:, None], Y, 2, KAPPA, np.random.default_rng(0))
    assert sampled.problems == ()
    worth = [(sampled.shared.worth == w).mean() for w in WORTHS[:3]]
    np.testing.assert_allclose(worth, [0.798, 0.175, 0.022], atol=0.03)
    log_s = np.log(sampled.shared.scale[:, 0, 0])
    assert log_s.mean() == pytest.approx(-2.469, abs=4 * log_s.std() / math.sqrt(sampled.ess))
    sums = class_sums(Z[:, None], Y, 2)
    shared = on_grid(sums.pull(KAPPA, SPREAD_FLOOR)[0, :, 0, 0], sums.count)
    rng = np.random.default_rng(0)
    node = rng.choice(len(shared.worth), 8000, p=np.exp(shared.log_weights))
    log_v = np.log(draw_spread(shared.scale[:, 0, 0], node, rng))
    assert sampled.shared.spread is not None
    by_gibbs = np.log(sampled.shared.spread)
    assert log_v.mean() == pytest.approx(by_gibbs.mean(), abs=4 * log_v.std() / math.sqrt(1000))


def test_missing_numbers_are_integrated_out() -> None:
    """A second column that is always missing but for four cases changes labels by the first one little, and never to NaN."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 30)
    z = np.stack([rng.normal(y * 1.5, 1.0), rng.normal(size=60)], 1)
    z = (z - z.mean(0)) / z.std(0)
    some = z.copy()
    some[::3, 1] = np.nan
    labels = torch.tensor(y)
    whole = posterior(GaussianFactor.fit("z", column(z), labels, 2, standard(2)), labels)
    part = posterior(GaussianFactor.fit("z", column(some), labels, 2, standard(2)), labels)
    same = np.arange(60) % 3 > 0
    difference = (whole.leave_one_out() - part.leave_one_out())[same, 1]
    assert float(difference.abs().max()) < 0.25
    assert float(difference.abs().mean()) < 0.05
    # A row of which one number is missing is labelled by the other one, in training as when new.
    refit = posterior(
        GaussianFactor.fit("z", column(some[1:]), labels[1:], 2, standard(2)), labels[1:]
    )
    alone = refit.probs({"z": column(some[:1])})
    torch.testing.assert_close(part.leave_one_out()[0], alone[0], atol=0.01, rtol=0)


def test_the_data_say_how_alike_the_classes_are() -> None:
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], 60)
    alike = rng.normal(size=(120, 2))
    first = y[:, None] == 0
    tables = {
        "alike": alike,
        "one shape": alike * np.where(first, 0.1, 2.0),
        "apart": alike * np.where(first, [[0.1, 2.0]], [[2.0, 0.1]]),
    }
    worth, size = {}, {}
    for name, z in tables.items():
        sampled = gibbs.by_gibbs((z - z.mean(0)) / z.std(0), y, 2, KAPPA0, np.random.default_rng(0))
        worth[name] = float(np.median(sampled.shared.worth))
        size[name] = float(np.median(np.log(sampled.shared.size[:, 1] / sampled.shared.size[:, 0])))
    assert worth["apart"] <= 2
    assert worth["alike"] >= 8
    assert worth["one shape"] >= 8
    assert abs(size["alike"]) < 0.5
    assert size["one shape"] == pytest.approx(2 * math.log(20), abs=1.0)


def test_a_table_among_others_is_sampled_as_if_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "KEPT", 400)
    rng = np.random.default_rng(1)
    tables = []
    for n, apart in ((20, 1.0), (12, 3.0)):
        y = np.arange(n) % 2
        tables.append((rng.normal(size=(n, 2)) * (0.4 + y[:, None]) + apart * y[:, None], y))
    each = gibbs.by_gibbs_each(tables, 2, KAPPA0, np.random.default_rng(0))
    for (z, y), sampled in zip(tables, each, strict=True):
        alone = gibbs.by_gibbs(z, y, 2, KAPPA0, np.random.default_rng(1))
        np.testing.assert_array_equal(sampled.sums.count, np.bincount(y))
        for of in (
            lambda s: np.log(s.shared.worth),
            lambda s: np.log(s.shared.size[:, 1] * s.shared.scale[:, 0, 0]),
        ):
            one, other = of(sampled), of(alone)
            error = np.hypot(one.std(), other.std()) / math.sqrt(min(sampled.ess, alone.ess))
            assert abs(one.mean() - other.mean()) < 4 * error


def test_two_numbers_against_draws_of_the_prior(monkeypatch: pytest.MonkeyPatch) -> None:
    """p(Y | Z) by weighting 300,000 draws of the prior, floor included, with the likelihood of six rows."""
    z = np.array([(-0.2, 0.1), (0.1, -0.1), (0.0, 0.3), (-1.5, 1.0), (1.8, 0.4), (0.3, -1.2)])
    y = np.array([0, 0, 0, 1, 1, 1])
    new = torch.tensor([(0.2, 0.2), (0.8, -0.3), (-2.0, 0.0)], dtype=F64)
    monkeypatch.setattr(sampler, "KEPT", 2000)
    labels = torch.tensor(y)
    exact = posterior(GaussianFactor.fit("z", column(z), labels, 2, standard(2)), labels)
    torch.manual_seed(0)
    n, one = 300_000, torch.ones(2, dtype=F64)
    spread = SharedSpread(one, 2, floor=0.0).sample((n,))
    size = SharedSizes(spread, one, 2, floor=0.0).sample()
    root = SharedCovariances(spread, one, size, floor=0.0).sample()
    inverse = torch.linalg.inv(root)
    log_weight = -0.5 * SPREAD_FLOOR * inverse.square().sum((-3, -2, -1))
    joint = []
    for k in (0, 1):
        rows = torch.from_numpy(z[y == k])
        kappa = KAPPA0 + len(rows)
        mean = rows.sum(0) / kappa
        log_det = inverse[:, k].diagonal(dim1=-2, dim2=-1).log().sum(-1)
        square = (inverse[:, k] @ rows.T).square().sum((-2, -1))
        pulled = kappa * (inverse[:, k] @ mean).square().sum(-1)
        log_weight = log_weight + len(rows) * log_det - 0.5 * (square - pulled)
        away = (inverse[:, k] @ (new - mean).T).square().sum(-2)
        joint.append(log_det[:, None] - 0.5 * away * kappa / (kappa + 1))
    weight = torch.softmax(log_weight, 0)
    assert 1 / float(weight.square().sum()) > 500
    density = torch.stack([weight @ each.exp() for each in joint], -1)
    expected = density[:, 1] / density.sum(-1)
    got = exact.probs({"z": column(new)})[:, 1]
    torch.testing.assert_close(got, expected, atol=0.02, rtol=0)


def test_the_sampler_tells_when_it_did_not_settle() -> None:
    shared = on_grid(np.array([1.0, 2.0]), np.array([3.0, 3.0]))
    sums = class_sums(Z[:, None], Y, 2)
    inside = rows_of.Sampled(shared, sums, rhat=rows_of.MOST_RHAT, ess=rows_of.LEAST_ESS)
    assert inside.problems == ()
    for rhat, ess in ((rows_of.MOST_RHAT + 0.001, 400.0), (1.0, rows_of.LEAST_ESS - 0.1)):
        (problem,) = rows_of.Sampled(shared, sums, rhat=rhat, ess=ess).problems
        assert "did not settle" in problem


# z, label; P(Y = 1) left out, its sd, 5 % and 95 %: by mixture and by importance draws of 10^6, and by closed form.
DRAWN = [
    (-1.2, 0.3, 0, 0.567659, 0.376, 0.011, 0.999),
    (-0.4, -0.5, 0, 0.468726, 0.329, 0.022, 0.981),
    (0.1, 0.6, 0, 0.586707, 0.249, 0.160, 0.952),
    (0.5, 0.2, 0, 0.665238, 0.248, 0.205, 0.981),
    (0.8, 1.1, 1, 0.733686, 0.267, 0.186, 0.998),
    (1.5, 0.4, 1, 0.635502, 0.352, 0.025, 0.999),
    (2.1, 1.6, 1, 0.936331, 0.194, 0.456, 1.000),
    (-1.0, -0.2, 1, 0.011050, 0.053, 0.000, 0.049),
]


def _small() -> tuple[ExactPosterior, np.ndarray]:
    table = np.array(DRAWN)
    prior = NIW(torch.tensor([0.5, 0.5], dtype=F64), 0.1, 4.0, torch.eye(2, dtype=F64))
    y = torch.tensor(table[:, 2]).long()
    return posterior(GaussianFactor.fit("z", column(table[:, :2]), y, 2, prior), y), table


def test_left_out_draws_are_those_of_the_down_dated_closed_form() -> None:
    exact, table = _small()
    left = exact.left_out(torch.arange(8))
    np.testing.assert_allclose(left.probs[:, 1], table[:, 3], atol=1e-6)
    draws = left.draw(60_000, seed=0)[:, 1].numpy()
    error = draws.std(1) / math.sqrt(60_000)
    assert (np.abs(draws.mean(1) - table[:, 3]) < 4 * error + 1e-6).all()
    np.testing.assert_allclose(draws.std(1), table[:, 4], atol=3e-3)
    np.testing.assert_allclose(np.quantile(draws, 0.05, axis=1), table[:, 5], atol=5e-3)
    np.testing.assert_allclose(np.quantile(draws, 0.95, axis=1), table[:, 6], atol=3e-3)


def test_a_case_gets_the_same_draws_in_any_table() -> None:
    exact, _ = _small()
    whole = exact.left_out(torch.arange(8)).draw(200, seed=3)
    alone = exact.left_out(torch.tensor([5])).draw(200, seed=3)
    torch.testing.assert_close(whole[5], alone[0], atol=1e-12, rtol=0)
    other = exact.left_out(torch.tensor([5])).draw(200, seed=4)
    assert not torch.equal(alone, other)


def _mixed(n: int) -> tuple[ExactPosterior, dict[str, Column], torch.Tensor]:
    """Every closed form at once, with cells missing."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, n)
    z = rng.normal(size=(n, 2)) + y[:, None]
    angle = rng.vonmises(0.5 * y, 3.0)
    line = y + np.cos(angle) + 0.3 * rng.normal(size=n)
    z[::5, 0] = math.nan
    angle[::7] = line[::7] = math.nan
    columns = {"z": column(z), "t": column(angle), "x": column(line)}
    columns["c"] = Column(torch.tensor(rng.integers(0, 3, n)), torch.tensor(rng.random(n) < 0.8))
    labels = torch.tensor(y)
    size = torch.distributions.LogNormal(torch.tensor(1.0, dtype=F64), torch.tensor(1.0, dtype=F64))
    line_prior = Coefficients(torch.zeros(3, dtype=F64), torch.full((3,), 0.1, dtype=F64), 1.0)
    factors = (
        GaussianFactor.fit("z", columns["z"], labels, 2, standard(2)),
        VonMisesFactor.fit("t", columns["t"], labels, 2, VonMisesPrior(0.0, 0.1, size)),
        RegressionFactor.fit("t", "x", columns, labels, 2, line_prior),
        CategoricalFactor.fit("c", columns["c"], labels, 2, torch.ones(3, dtype=F64)),
    )
    made = ExactPosterior(Prevalence.fit(labels, torch.ones(2, dtype=F64)), factors, labels)
    return made, columns, labels


@pytest.mark.parametrize("at", range(4))
def test_draws_of_every_closed_form_have_its_mean(at: int) -> None:
    """E[p(Y | Z, theta)] over draws is p(Y | Z, D), new and left out, whatever is missing."""
    exact, columns, _ = _mixed(30)
    one = ExactPosterior(exact.prevalence, (exact.factors[at],), exact.labels)
    for label_posterior in (one.new(columns), one.left_out(torch.arange(30))):
        draws = label_posterior.draw(20_000, seed=1)[:, 1]
        error = draws.std(-1) / math.sqrt(20_000)
        away = (draws.mean(-1) - label_posterior.probs[:, 1]).abs()
        assert bool((away < 4.5 * error + 1e-6).all())


def test_draws_of_new_cases_are_those_of_the_parameters() -> None:
    """Spread of p(Y | Z, theta) by weighting 40,000 draws of the parameters with the evidence of each case."""
    exact, columns, labels = _mixed(30)
    factor = exact.factors[0]
    torch.manual_seed(0)
    draws, pi = factor.draw(40_000), exact.prevalence.draw(40_000)
    rows = torch.tensor([1, 2, 3])
    z = columns["z"].values[rows]
    law = torch.distributions.MultivariateNormal(draws["z_mean"], scale_tril=draws["z_scale_tril"])
    joint = law.log_prob(z[:, None, None]) + torch.log(pi)
    weights = torch.softmax(torch.logsumexp(joint, -1), -1)
    p = torch.softmax(joint, -1)[..., 1]
    mean = (weights * p).sum(-1, keepdim=True)
    sd = (weights * (p - mean) ** 2).sum(-1).sqrt()
    one = ExactPosterior(exact.prevalence, (factor,), labels)
    got = one.new({"z": columns["z"].take(rows)}).draw(20_000, seed=0)[:, 1]
    torch.testing.assert_close(got.std(-1), sd, atol=0.01, rtol=0)


def test_a_fixed_prevalence_stays_fixed() -> None:
    exact, columns, _ = _mixed(30)
    under = exact.under(torch.tensor([0.97, 0.03], dtype=F64))
    study, shifted = exact.new(columns).probs, under.new(columns).probs
    odds = exact.prevalence.log_mean()
    moved = torch.log(study) - odds + torch.log(torch.tensor([0.97, 0.03], dtype=F64))
    torch.testing.assert_close(torch.softmax(moved, -1), shifted)


def test_a_prior_of_ones_own_needs_complete_rows() -> None:
    prior = NIW(torch.zeros(2, dtype=F64), 1.0, 4.0, torch.eye(2, dtype=F64))
    rows = column([[1.0, math.nan], [0.0, 1.0]])
    with pytest.raises(InputError, match="row 1"):
        GaussianFactor.fit("z", rows, torch.tensor([0, 1]), 2, prior)
