"""What the closed forms draw, and the conditional laws of the sampler of the shared scale against the joint density."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

import arviz as az
import numpy as np
import pytest
import torch
from scipy import stats

from labelppl.families import exact
from labelppl.families.exact import (
    Coefficients,
    GaussianFactor,
    RegressionFactor,
    Standard,
    VonMisesFactor,
    VonMisesPrior,
    shared_scale_gibbs,
    shared_scale_sampler,
)
from labelppl.families.exact.factor import Product
from labelppl.families.exact.shared_scale import KAPPA0, SPREAD_FLOOR, WORTHS
from labelppl.families.exact.shared_scale_rows import ClassRows
from labelppl.features import Column
from labelppl.seeds import stream

F64 = torch.float64
SIZE = torch.distributions.LogNormal(torch.tensor(1.0, dtype=F64), torch.tensor(1.0, dtype=F64))


def column(values: object) -> Column:
    tensor = torch.as_tensor(values, dtype=F64)
    return Column(torch.nan_to_num(tensor), ~torch.isnan(tensor))


def standard(d: int) -> Standard:
    return Standard(torch.zeros(d, dtype=F64), torch.ones(d, dtype=F64), KAPPA0)


def test_records_cannot_be_changed(changeable: Callable[[ModuleType], set[str]]) -> None:
    assert changeable(exact) == set()


# --- draws ------------------------------------------------------------------------------------------


def test_concentrations_are_drawn_between_the_nodes_of_the_table_too() -> None:
    """Within a step of the table of log kappa a draw lies anywhere: its place there is uniform."""
    y = torch.zeros(12, dtype=torch.long)
    angles = column(stats.vonmises(5.0).rvs(12, random_state=0))
    factor = VonMisesFactor.fit("t", angles, y, 1, VonMisesPrior(0.0, 0.1, SIZE))
    torch.manual_seed(0)
    log_kappa = factor._draw_concentration(0, 20_000).log()
    nodes = factor.log_nodes[0]
    x = torch.linspace(float(nodes.min()), float(nodes.max()), 4001, dtype=F64)
    place = ((log_kappa - x[0]) / (x[1] - x[0])).remainder(1.0)
    assert stats.kstest(place.numpy(), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("d", [1, 2])
def test_a_gaussian_draws_its_spread_and_with_several_numbers_its_sizes(d: int) -> None:
    """Spreads of z in the unit of z: ten times the unit, ten times the spread."""
    rng = np.random.default_rng(0)
    y = torch.tensor([0, 1] * 15)
    z = rng.normal(size=(30, d)) + y[:, None].numpy()
    drawn = []
    for unit in (1.0, 10.0):
        prior = Standard(torch.zeros(d, dtype=F64), torch.full((d,), unit, dtype=F64), KAPPA0)
        factor = GaussianFactor.fit("z", column(unit * (z if d > 1 else z[:, 0])), y, 2, prior)
        torch.manual_seed(1)
        drawn.append(factor.draw(400))
    names = {"z_mean", "z_scale_tril", "z_spread"} | ({"z_size"} if d > 1 else set())
    assert set(drawn[0]) == names
    torch.testing.assert_close(drawn[1]["z_spread"], 10 * drawn[0]["z_spread"])
    assert drawn[0]["z_spread"].shape == (400, d)
    # The spread is that of the numbers, within what 30 of them say.
    assert float(drawn[0]["z_spread"].log().median().exp()) == pytest.approx(1.0, rel=0.6)


def test_a_product_has_the_problems_of_its_factors() -> None:
    class Doubtful(Product):
        problems = ("one", "two")

    class Fine(Product):
        problems = ()

    assert Product((Doubtful(()), Fine(()), Doubtful(()))).problems == ("one", "two") * 2


def test_a_case_without_the_response_adds_nothing_to_any_class() -> None:
    rng = np.random.default_rng(0)
    angle, y = rng.uniform(-1, 1, 20), torch.tensor([0, 1] * 10)
    columns = {"t": column(angle), "x": column(angle + rng.normal(size=20))}
    prior = Coefficients(torch.zeros(3, dtype=F64), torch.full((3,), 0.1, dtype=F64), 1.0)
    factor = RegressionFactor.fit("t", "x", columns, y, 2, prior)
    new = factor.new({"t": column([0.2, 0.2]), "x": column([math.nan, 0.4])})
    drawn = new.draw(torch.zeros(2, 5, dtype=torch.long), stream(0, "test"))
    assert (drawn[0] == 0).all()
    assert (drawn[1] != 0).all()


# --- the sampler of the shared scale ----------------------------------------------------------------


def test_every_wishart_of_a_sweep_is_the_conditional_of_the_joint_density(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between any two matrices the log density differs as the joint one of S and the precisions does."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 2], [5, 7, 4])
    z = rng.normal(size=(16, 2)) * (1 + y[:, None])
    sampler = shared_scale_sampler.SharedScaleSampler(
        [ClassRows.of(z, y, 3)], 3, KAPPA0, np.random.default_rng(1)
    )
    worth, alpha = 4.0, 2.0
    size = np.tile([1.0, 2.0, 0.5], (sampler.chains, 1))
    calls, variances, draw = [], [], shared_scale_sampler.wishart

    def record(rng: np.random.Generator, df: np.ndarray, precision: np.ndarray) -> np.ndarray:
        drawn = draw(rng, df, precision)
        calls.append((np.broadcast_to(df, precision.shape[:-2]), precision, drawn))
        return drawn

    def keep(a: np.ndarray, diagonal: np.ndarray, v: np.ndarray) -> np.ndarray:
        variances.append(v)
        return v

    monkeypatch.setattr(shared_scale_sampler, "wishart", record)
    monkeypatch.setattr(
        sampler, "_draw_worth_and_sizes", lambda *_: (np.full(sampler.chains, worth), size)
    )
    monkeypatch.setattr(sampler, "_draw_alpha", lambda *_: np.full(sampler.chains, alpha))
    monkeypatch.setattr(sampler, "_draw_variances", keep)
    monkeypatch.setattr(sampler, "_draw_likeness", lambda size: np.ones(len(size)))
    monkeypatch.setattr(sampler, "_draw_slide", lambda *_: np.zeros((sampler.chains, 1)))
    sampler.run(0, 1)
    w = sampler._sums().pull(KAPPA0, SPREAD_FLOOR)[0]
    d, chain = 2, 3
    (df_k, rate_k, precision), (df_s, rate_s, _) = calls[-4:-2]
    before = calls[-5][2]  # S of the sweep before, in which this one's precisions were drawn
    v = variances[-2][chain]

    def joint(s: np.ndarray, lam: np.ndarray) -> float:
        a = alpha + d - 1
        total = stats.wishart(a, np.linalg.inv(a * np.diag(1 / v))).logpdf(s)
        for k in range(3):
            prior = stats.wishart(worth + d - 1, np.linalg.inv(worth * size[0, k] * s))
            total += prior.logpdf(lam[k])
            total += sampler.count[chain, k] / 2 * np.linalg.slogdet(lam[k])[1]
            total -= np.trace(w[k] @ lam[k]) / 2
        return float(total)

    others = [np.array([[1.0, 0.3], [0.3, 2.0]]), np.array([[0.4, -0.1], [-0.1, 0.9]])]
    lam = precision[chain]
    law = stats.wishart(df_s[chain], np.linalg.inv(rate_s[chain]))
    got = law.logpdf(others[0]) - law.logpdf(others[1])
    assert got == pytest.approx(joint(others[0], lam) - joint(others[1], lam), abs=1e-8)
    for k in range(3):
        moved = [lam.copy(), lam.copy()]
        moved[0][k], moved[1][k] = others
        law = stats.wishart(df_k[chain, k], np.linalg.inv(rate_k[chain, k]))
        got = law.logpdf(others[0]) - law.logpdf(others[1])
        expected = joint(before[chain], moved[0]) - joint(before[chain], moved[1])
        assert got == pytest.approx(expected, abs=1e-8)


def test_missing_numbers_are_completed_anew_in_every_sweep() -> None:
    """Far from zero, where they begin, half of the numbers missing leave the scale of the rest."""
    rng = np.random.default_rng(2)
    y = np.repeat([0, 1], 40)
    z = rng.normal(10.0, 1.0, size=(80, 2))
    z[::2, 1] = np.nan
    sampled = shared_scale_gibbs.by_gibbs(z, y, 2, KAPPA0, np.random.default_rng(0))
    sizes = sampled.shared.size[..., None, None] * sampled.shared.scale[:, None]
    spread = np.sqrt(np.median(np.diagonal(sizes, axis1=-2, axis2=-1), 0))
    # 20 numbers for each class: their standard deviation is known to a sixth.
    np.testing.assert_allclose(spread, 1.0, rtol=4 / 6)


def test_settling_is_judged_by_the_worst_class_and_by_the_strength() -> None:
    rng = np.random.default_rng(0)
    chains, kept, d = 8, 50, 2
    rows = ClassRows.of(rng.normal(size=(12, d)), np.repeat([0, 1], 6), 2)
    scale = np.exp(0.05 * rng.normal(size=(chains, kept, 1, 1))) * np.eye(d)
    size = np.exp(0.05 * rng.normal(size=(chains, kept, 2)))
    size[..., 1] *= np.exp(0.05 * np.arange(chains))[:, None]  # the chains of one class lie apart
    worth, spread = np.full((chains, kept), WORTHS[0]), np.ones((chains, kept, d))
    sampled = rows.result(scale, worth, size, spread)
    watched = [np.linalg.slogdet(size[..., k, None, None] * scale)[1] for k in (0, 1)]
    assert sampled.rhat == pytest.approx(max(float(az.rhat(value)) for value in watched))
    assert sampled.ess == pytest.approx(min(float(az.ess(value)) for value in watched))
    assert sampled.problems
    moving = np.where(rng.random((chains, kept)) < 0.5, WORTHS[0], WORTHS[1])
    steady = np.ones((chains, kept, 2))
    alone = rows.result(np.broadcast_to(np.eye(d), scale.shape), moving, steady, spread)
    assert alone.rhat == pytest.approx(float(az.rhat(np.log(moving))))
