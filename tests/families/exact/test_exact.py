"""Closed forms against brute force: refits without each case, quadrature, Monte Carlo, and the CHECK values."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats
from torch import Tensor

from labelppl.distributions import VonMises
from labelppl.errors import InputError
from labelppl.families.exact import (
    NIW,
    CategoricalFactor,
    Coefficients,
    ExactPosterior,
    Factor,
    GaussianFactor,
    Prevalence,
    RegressionFactor,
    VonMisesFactor,
    VonMisesPrior,
)
from labelppl.features import Column

F64 = torch.float64
PRIOR = NIW(torch.tensor([4.5, 3.5], dtype=F64), 1.0, 4.0, torch.eye(2, dtype=F64))
KAPPA = torch.distributions.LogNormal(torch.tensor(2.0, dtype=F64), torch.tensor(1.0, dtype=F64))
ANGLE_PRIOR = VonMisesPrior(0.8, 0.7, KAPPA)
LINE_PRIOR = Coefficients(torch.zeros(3, dtype=F64), torch.full((3,), 0.1, dtype=F64), 1.0)


def full(values: object) -> Column:
    tensor = torch.as_tensor(values, dtype=F64)
    return Column(tensor, ~torch.isnan(tensor))


def filled(values: object) -> Column:
    tensor = torch.as_tensor(values, dtype=F64)
    return Column(torch.nan_to_num(tensor, nan=0.5), ~torch.isnan(tensor))


def test_gaussian_check() -> None:
    rows = full([(5, 3), (5.5, 3.6), (4.4, 2.5), (6, 4.2)])
    factor = GaussianFactor.fit("z", rows, torch.zeros(4), 1, PRIOR)
    mean, psi = factor.posterior.at(0, torch.tensor([0]))
    loc = mean[0] + factor.posterior.center
    torch.testing.assert_close(loc, torch.tensor([5.08, 3.36], dtype=F64))
    df = float(factor.posterior.worth + factor.posterior.count)
    assert df == 7
    predictive_scale = (
        psi[0] * (float(factor.posterior.kappa) + 1) / (float(factor.posterior.kappa) * df)
    )
    scale = torch.tensor([[0.4848, 0.241029], [0.241029, 0.454629]], dtype=F64)
    torch.testing.assert_close(predictive_scale, scale, atol=1e-6, rtol=0)
    got = factor.new({"z": full([(5, 3)])}).log_predictive
    assert float(got) == pytest.approx(-1.129589, abs=1e-6)
    exact = stats.multivariate_t(loc, predictive_scale, 7).logpdf([5, 3])
    assert float(got) == pytest.approx(exact, abs=1e-12)


def test_missing_coordinates_are_integrated_out() -> None:
    rows = full([(5, 3), (5.5, 3.6), (4.4, 2.5), (6, 4.2)])
    factor = GaussianFactor.fit("z", rows, torch.zeros(4), 1, PRIOR)
    new = filled([(5.2, math.nan), (math.nan, math.nan)])
    got = factor.new({"z": new}).log_predictive

    def joint(y: float) -> float:
        return float(torch.exp(factor.new({"z": full([(5.2, y)])}).log_predictive))

    brute = integrate.quad(joint, -np.inf, np.inf, epsabs=1e-12)[0]
    assert float(torch.exp(got[0, 0])) == pytest.approx(brute, rel=1e-8)
    assert float(got[1, 0]) == 0


def test_predictive_is_the_mean_of_the_density_over_draws() -> None:
    rows = full([(5, 3), (5.5, 3.6), (4.4, 2.5), (6, 4.2)])
    factor = GaussianFactor.fit("z", rows, torch.zeros(4), 1, PRIOR)
    torch.manual_seed(1)
    draws = factor.draw(40_000)
    law = torch.distributions.MultivariateNormal(draws["z_mean"], scale_tril=draws["z_scale_tril"])
    density = torch.exp(law.log_prob(torch.tensor([5.0, 3.0], dtype=F64)))
    error = 4 * float(density.std()) / math.sqrt(40_000)
    assert float(density.mean()) == pytest.approx(math.exp(-1.129589), abs=error)


@pytest.mark.parametrize(
    ("length", "kappa"), [(0.2, 0.408277), (0.6, 1.515739), (0.9, 5.304689), (0.99, 50.2538)]
)
def test_mean_resultant_length_and_its_inverse(length: float, kappa: float) -> None:
    assert float(1 - VonMises(0.0, torch.tensor(kappa, dtype=F64)).variance) == pytest.approx(
        length, abs=1e-6
    )


def _almost_known(kappa: float) -> torch.distributions.Distribution:
    return torch.distributions.LogNormal(
        torch.tensor(math.log(kappa), dtype=F64), torch.tensor(1e-4, dtype=F64)
    )


def test_von_mises_check_with_known_concentration() -> None:
    prior = VonMisesPrior(0.0, 0.0, _almost_known(5.0))
    factor = VonMisesFactor.fit("t", full([0.9, 1.1, 1.0, 1.3]), torch.zeros(4), 1, prior)
    assert float(factor.resultant.abs()) == pytest.approx(3.956397, abs=1e-6)
    assert float(factor.resultant.angle()) == pytest.approx(1.074764, abs=1e-6)
    assert float(torch.exp(factor.new({"t": full([1.0])}).log_predictive)) == pytest.approx(
        0.765295, abs=2e-6
    )


def test_von_mises_predictive_against_two_dimensional_quadrature() -> None:
    angles = np.array([0.9, 1.1, 1.0, 1.3, 0.2])
    factor = VonMisesFactor.fit("t", full(angles), torch.zeros(5), 1, ANGLE_PRIOR)
    mu = np.arange(400) * 2 * np.pi / 400
    log_kappa = np.linspace(-6, 10, 1601)
    kappa = np.exp(log_kappa)

    def log_vm(offset: np.ndarray, k: np.ndarray) -> np.ndarray:
        return k * (np.cos(offset) - 1) - np.log(2 * np.pi * special.i0e(k))

    log_post = 0.7 * np.cos(mu[:, None] - 0.8) + stats.norm(2, 1).logpdf(log_kappa)
    for t in angles:
        log_post = log_post + log_vm(t - mu[:, None], kappa)
    post = np.exp(log_post - log_post.max())
    for t in (1.0, -2.0):
        brute = (post * np.exp(log_vm(t - mu[:, None], kappa))).sum() / post.sum()
        got = float(torch.exp(factor.new({"t": full([t])}).log_predictive))
        assert got == pytest.approx(brute, rel=1e-9)
    total = torch.exp(
        factor.new({"t": full(np.arange(200) * 2 * np.pi / 200)}).log_predictive
    ).sum()
    assert float(total) * 2 * math.pi / 200 == pytest.approx(1, abs=1e-10)
    torch.manual_seed(0)
    draws = factor.draw(40_000)
    expected = (post * np.exp(1j * mu[:, None])).sum() / post.sum()
    got_mean = torch.exp(1j * draws["mean"]).mean()
    assert abs(complex(got_mean) - complex(expected)) < 4 / math.sqrt(40_000)
    mean_log = (post * log_kappa).sum() / post.sum()
    assert float(torch.log(draws["concentration"]).mean()) == pytest.approx(mean_log, abs=0.02)


def _data(n: int, classes: int = 3) -> tuple[dict[str, Column], Tensor]:
    rng = np.random.default_rng(3)
    y = rng.integers(0, classes, n)
    z = rng.normal(size=(n, 2)) @ np.array([[1.0, 0.4], [0.0, 0.7]]) + y[:, None] * [0.8, -0.5]
    angle = rng.vonmises(0.3 * y, 3.0 + y)
    line = 0.5 + y * np.cos(angle) - 0.4 * np.sin(angle) + 0.3 * rng.normal(size=n)
    code = rng.integers(0, 4, n)
    z[::7] = math.nan
    angle[::5] = math.nan
    line[::5] = math.nan
    columns = {"z": filled(z), "t": filled(angle), "x": filled(line)}
    columns["c"] = Column(torch.tensor(code), torch.tensor(rng.random(n) < 0.8))
    return columns, torch.tensor(y)


FACTORS: dict[str, Callable[[dict[str, Column], Tensor, int], Factor]] = {
    "gaussian": lambda c, y, k: GaussianFactor.fit("z", c["z"], y, k, PRIOR),
    "von mises": lambda c, y, k: VonMisesFactor.fit("t", c["t"], y, k, ANGLE_PRIOR),
    "regression": lambda c, y, k: RegressionFactor.fit("t", "x", c, y, k, prior=LINE_PRIOR),
    "categorical": lambda c, y, k: CategoricalFactor.fit(
        "c", c["c"], y, k, torch.tensor([0.5, 1.0, 1.0, 2.0], dtype=F64)
    ),
}


#: Between leaving a case out and fitting without it; two quadratures of the shared scale differ by 1e-6.
TOLERANCE = {"gaussian": 1e-9, "von mises": 1e-9, "regression": 2e-6, "categorical": 1e-9}


def _without(columns: dict[str, Column], y: Tensor, i: int) -> tuple[dict[str, Column], Tensor]:
    keep = torch.tensor([j for j in range(len(y)) if j != i])
    return {name: column.take(keep) for name, column in columns.items()}, y[keep]


@pytest.mark.parametrize("name", FACTORS)
def test_leave_one_out_equals_refitting_without_the_case(name: str) -> None:
    columns, y = _data(31)
    make = FACTORS[name]
    got = make(columns, y, 3).left_out(torch.arange(31)).log_predictive
    for i in range(31):
        refit = make(*_without(columns, y, i), 3)
        alone = refit.new({n: c.take(torch.tensor([i])) for n, c in columns.items()}).log_predictive
        torch.testing.assert_close(got[i], alone[0], atol=TOLERANCE[name], rtol=0)


def _posterior(columns: dict[str, Column], y: Tensor, classes: int) -> ExactPosterior:
    factors = tuple(make(columns, y, classes) for make in FACTORS.values())
    return ExactPosterior(Prevalence.fit(y, torch.ones(classes, dtype=F64)), factors, y)


def test_class_posterior_and_its_leave_one_out() -> None:
    columns, y = _data(31)
    posterior = _posterior(columns, y, 3)
    probs, loo = posterior.probs(columns), posterior.leave_one_out()
    rows = torch.arange(31)
    torch.testing.assert_close(loo.sum(-1), torch.ones(31, dtype=F64))
    assert float(torch.log(probs[rows, y]).mean()) > float(torch.log(loo[rows, y]).mean())
    for i in (0, 5, 7, 30):
        refit = _posterior(*_without(columns, y, i), 3)
        alone = refit.probs({n: c.take(torch.tensor([i])) for n, c in columns.items()})
        torch.testing.assert_close(loo[i], alone[0], atol=2e-6, rtol=1e-6)


def test_leave_one_out_odds_are_the_posterior_mean_of_the_odds() -> None:
    """docs/methods.md §3: binary LOO odds against y_i = posterior mean of the odds; its p(y_i) is a harmonic mean."""
    columns, y = _data(40, classes=2)
    made = ExactPosterior(
        Prevalence(torch.tensor([0.5, 0.5], dtype=F64), fixed=True),
        (CategoricalFactor.fit("c", columns["c"], y, 2, torch.full((4,), 2.0, dtype=F64)),),
        y,
    )
    draws = made.draw(200_000, seed=0)["probs"]
    loo = made.leave_one_out()
    for i in range(4):
        density = draws[:, :, columns["c"].values[i]]
        if not bool(columns["c"].observed[i]):
            density = torch.ones_like(density)
        own = density[:, y[i]] / density.sum(-1)
        odds = (1 - own) / own
        harmonic = 1 / (1 / own).mean()
        sd = float(odds.std()) / math.sqrt(len(odds))
        exact = float((1 - loo[i, y[i]]) / loo[i, y[i]])
        assert float(odds.mean()) == pytest.approx(exact, abs=5 * sd + 1e-12)
        assert float(harmonic) == pytest.approx(float(loo[i, y[i]]), abs=5 * sd + 1e-12)
        assert float(harmonic) <= float(own.mean()) + 1e-12


def test_everything_missing_gives_the_prevalence() -> None:
    columns, y = _data(31)
    posterior = _posterior(columns, y, 3)
    blank = {
        name: Column(c.values[:2], torch.zeros_like(c.observed[:2])) for name, c in columns.items()
    }
    expected = torch.exp(posterior.prevalence.log_mean()).expand(2, -1)
    torch.testing.assert_close(posterior.probs(blank), expected)


def test_class_sizes_fixed_by_design_do_not_move_the_prevalence() -> None:
    columns, y = _data(31)
    fixed = Prevalence(torch.tensor([0.1, 0.2, 0.7], dtype=F64), fixed=True)
    made = ExactPosterior(fixed, (FACTORS["gaussian"](columns, y, 3),), y)
    assert "prevalence" not in made.draw(2, seed=0)
    torch.testing.assert_close(fixed.log_mean_without(y)[0], fixed.log_mean())


def test_regression_predictive_is_the_mean_over_draws() -> None:
    columns, y = _data(31)
    factor = FACTORS["regression"](columns, y, 3)
    torch.manual_seed(2)
    draws = factor.draw(40_000)
    new = {"t": full([0.4]), "x": full([1.1])}
    design = torch.tensor([1.0, math.cos(0.4), math.sin(0.4)], dtype=F64)
    law = torch.distributions.Normal(
        draws["x_coefficients"] @ design, draws["x_scale_tril"][..., 0, 0]
    )
    density = torch.exp(law.log_prob(torch.tensor(1.1, dtype=F64)))
    error = 5 * density.std(0) / math.sqrt(40_000)
    got = torch.exp(factor.new(new).log_predictive)[0]
    assert bool(((density.mean(0) - got).abs() < error).all())


def test_ten_thousand_cases_in_seconds() -> None:
    columns, y = _data(10_000)
    small, small_y = _data(50)
    _posterior(small, small_y, 3).leave_one_out()
    start = time.process_time()
    posterior = _posterior(columns, y, 3)
    posterior.draw(4000, seed=0)
    posterior.leave_one_out()
    assert time.process_time() - start < 10


BAD = {
    "unlabelled": lambda c, y: GaussianFactor.fit("z", c["z"], torch.full_like(y, -1), 3, PRIOR),
    "part of a row": lambda c, y: GaussianFactor.fit(
        "z", filled([[1.0, math.nan]] * 31), y, 3, PRIOR
    ),
    "response without angle": lambda c, y: RegressionFactor.fit(
        "t", "x", {"t": filled([math.nan] * 31), "x": full([1.0] * 31)}, y, 3, prior=LINE_PRIOR
    ),
    "censored": lambda c, y: VonMisesFactor.fit(
        "t",
        Column(
            torch.ones(31, dtype=F64),
            torch.zeros(31, dtype=torch.bool),
            torch.ones(31),
            torch.full((31,), math.inf),
        ),
        y,
        3,
        ANGLE_PRIOR,
    ),
    "nu0": lambda c, y: NIW(torch.zeros(3), 1.0, 2.0, torch.eye(3)),
}


@pytest.mark.parametrize("name", BAD)
def test_what_has_no_closed_form_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(InputError) as caught:
        BAD[name](*_data(31))
    assert "\n" not in str(caught.value)
