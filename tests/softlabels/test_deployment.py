"""The unknown prevalence of new cases: a fixed point, a maximum, covered by its interval, blind to labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from labelppl import InputError, Label, Real, fit, load_model
from labelppl.families import logistic
from labelppl.phantoms import HipPopulation
from labelppl.softlabels import deployment, soft_labels
from labelppl.softlabels.deployment import (
    PrevalenceEstimate,
    draw_prevalence,
    estimate_prevalence,
    most_likely_prevalence,
)
from labelppl.table import Cases, cases_from_frame


def read(table: pd.DataFrame) -> Cases:
    model = load_model("hip")
    return cases_from_frame(table, model.label_name, model.label, model.features)


def population(prevalence: float, n: int, seed: int, name: str) -> Cases:
    table = HipPopulation(prevalence=(1 - prevalence, prevalence)).sample(n, seed)
    table["id"] = [f"{name}{i}" for i in range(n)]
    return read(table)


@pytest.fixture(scope="module")
def posterior():  # type: ignore[no-untyped-def]
    return fit(load_model("hip"), population(0.5, 300, seed=1, name="study"), seed=0)


def test_em_is_the_maximum_of_the_likelihood() -> None:
    torch.manual_seed(0)
    log_f = torch.randn(3, 60, 2, dtype=torch.float64)
    weights = torch.rand(3, 60, dtype=torch.float64)
    weights /= weights.sum(1, keepdim=True)
    found = most_likely_prevalence(torch.softmax(log_f, -1), weights)[:, 1]
    grid = torch.linspace(0.0005, 0.9995, 2000, dtype=torch.float64)
    pi = torch.stack([1 - grid, grid], -1)
    likelihood = torch.einsum(
        "sn,sng->sg", weights, torch.log(torch.einsum("snk,gk->sng", log_f.exp(), pi))
    )
    assert (found - grid[likelihood.argmax(1)]).abs().max() < 6e-4


@pytest.mark.parametrize("true", [0.1, 0.5, 0.8])
def test_interval_covers_the_prevalence_of_the_new_cases(posterior, true: float) -> None:  # type: ignore[no-untyped-def]
    new = population(true, 1500, seed=int(100 * true), name="new")
    found = estimate_prevalence(posterior, new, seed=0)
    spread = found.draws[:, 1].std()
    assert abs(found.mean[1] - true) < 3.5 * spread
    assert spread < 0.06
    assert found.mean.sum() == pytest.approx(1.0)
    assert (found.lo <= found.mean).all()
    assert (found.mean <= found.hi).all()


def test_labels_of_the_new_cases_are_not_looked_at(posterior) -> None:  # type: ignore[no-untyped-def]
    new = population(0.2, 50, seed=7, name="new")
    table = HipPopulation(prevalence=(0.8, 0.2)).sample(50, 7)
    table["id"], table["diagnosis"] = new.ids, None
    blind = estimate_prevalence(posterior, read(table), draws=50)
    np.testing.assert_array_equal(blind.draws, estimate_prevalence(posterior, new, draws=50).draws)


def test_fitted_cases_are_refused(posterior) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match="was fitted"):
        estimate_prevalence(posterior, posterior.cases)


def test_draws_of_the_prevalence_cover_it() -> None:
    """Forty cases of two known normals, of which a tenth is of the second: 90 % intervals hold .1 nine times in ten."""
    law = torch.distributions.Normal(torch.tensor([-1.0, 1.0]).double(), 1.0)
    torch.manual_seed(0)
    covered = []
    for _ in range(100):
        y = torch.multinomial(torch.tensor([0.9, 0.1]), 40, replacement=True)
        z = law.sample((40,))[torch.arange(40), y]
        density = law.log_prob(z[:, None]).softmax(-1).expand(200, -1, -1)
        start = most_likely_prevalence(density, torch.full((200, 40), 1 / 40, dtype=torch.float64))
        pi = draw_prevalence(density, start, torch.Generator().manual_seed(1))
        lo, hi = np.quantile(pi[:, 1], (0.05, 0.95))
        covered.append(lo <= 0.1 <= hi)
    # Two standard errors of 100 data sets on either side.
    assert 0.84 <= np.mean(covered) <= 0.96


def test_an_estimate_reaches_the_labels_pair_by_pair(posterior) -> None:  # type: ignore[no-untyped-def]
    new = population(0.1, 60, seed=11, name="new")
    estimate = estimate_prevalence(posterior, new, seed=0, draws=800)
    assert estimate.draws.shape == (800, 2)
    assert estimate.rows.max() < len(posterior.log_weights)
    paired = soft_labels(posterior, new, prevalence=estimate)
    mean = soft_labels(posterior, new, prevalence={"dysplastic": float(estimate.mean[1])})
    np.testing.assert_allclose(paired.prevalence, estimate.mean)
    width = [(labels.hi - labels.lo)[:, 1].mean() for labels in (paired, mean)]
    assert width[0] > 1.1 * width[1]
    assert np.abs(paired.probs - mean.probs).max() < 0.15
    # Every draw the same prevalence is that prevalence.
    fixed = replace(estimate, draws=np.broadcast_to(estimate.mean, estimate.draws.shape).copy())
    alike = soft_labels(posterior, new, prevalence=fixed)
    np.testing.assert_allclose(alike.probs, mean.probs, atol=0.02)


def test_known_labels_give_the_conjugate_posterior() -> None:
    """Where every case says its class, each sweep draws pi from Dirichlet(1/2 + counts)."""
    y = torch.tensor([0] * 5 + [1] * 2 + [2])
    f = torch.nn.functional.one_hot(y, 3).double().expand(20_000, -1, -1)
    start = torch.full((20_000, 3), 1 / 3, dtype=torch.float64)
    pi = draw_prevalence(f, start, torch.Generator().manual_seed(0)).numpy()
    law = stats.beta([5.5, 2.5, 1.5], [9.5 - 5.5, 9.5 - 2.5, 9.5 - 1.5])
    np.testing.assert_allclose(pi.mean(0), law.mean(), atol=4 * law.std().max() / 20_000**0.5)
    np.testing.assert_allclose(pi.std(0), law.std(), rtol=0.03)
    np.testing.assert_allclose(pi.sum(1), 1)


@pytest.mark.parametrize("start", [None, 0.0, 1.0])
def test_the_sweeps_draw_from_the_posterior(start: float | None) -> None:
    """Thirty cases against the posterior on a grid: from the fixed point, and from as far away as can be."""
    rng = np.random.default_rng(0)
    log_odds = rng.normal(0, 1.5, 30)
    f = torch.from_numpy(1 / (1 + np.exp(np.stack([log_odds, -log_odds], 1))))
    grid = (np.arange(2000) + 0.5) / 2000
    log_p = np.log(f[:, 1].numpy() * grid[:, None] + f[:, 0].numpy() * (1 - grid[:, None])).sum(1)
    p = np.exp(log_p - log_p.max()) / np.sqrt(grid * (1 - grid))
    p /= p.sum()
    mean = (p * grid).sum()
    sd = np.sqrt((p * grid**2).sum() - mean**2)
    if start is None:
        even = torch.full((1, 30), 1 / 30, dtype=torch.float64)
        first = most_likely_prevalence(f[None], even).expand(20_000, -1)
    else:
        first = torch.tensor([1 - start, start], dtype=torch.float64).expand(20_000, -1)
    drawn = draw_prevalence(f.expand(20_000, -1, -1), first, torch.Generator().manual_seed(1))
    got = drawn[:, 1].numpy()
    # A sweep forgets about an eighth of the way from the start: twenty leave less than a tenth.
    away = 0.1 * abs(mean - float(first[0, 1]))
    assert got.mean() == pytest.approx(mean, abs=4 * sd / 20_000**0.5 + away)
    assert got.std() == pytest.approx(sd, rel=0.1)


def test_em_stops_at_its_fixed_point_and_weights_count() -> None:
    torch.manual_seed(3)
    f = torch.softmax(0.3 * torch.randn(2, 40, 3, dtype=torch.float64), -1)
    weights = torch.rand(2, 40, dtype=torch.float64)
    weights /= weights.sum(1, keepdim=True)
    pi = most_likely_prevalence(f, weights)
    mixed = torch.einsum("snk,sk->sn", f, pi)
    again = pi * torch.einsum("sn,snk->sk", weights / mixed, f)
    torch.testing.assert_close(again, pi, atol=1e-6, rtol=0)
    torch.testing.assert_close(pi.sum(-1), torch.ones(2, dtype=torch.float64))
    # A case of weight three counts as three cases.
    tripled = torch.cat([f[:1], f[:1, :1], f[:1, :1]], 1)
    even = torch.full((1, 42), 1 / 42, dtype=torch.float64)
    heavy = torch.ones(1, 40, dtype=torch.float64)
    heavy[0, 0] = 3
    torch.testing.assert_close(
        most_likely_prevalence(f[:1], heavy / 42),
        most_likely_prevalence(tripled, even),
        atol=1e-7,
        rtol=0,
    )


def test_the_interval_of_an_estimate_holds_90_percent() -> None:
    levels = (np.arange(1000) + 0.5) / 1000
    draws = np.stack([1 - levels, levels], 1)
    estimate = PrevalenceEstimate(("a", "b"), draws, np.arange(1000))
    np.testing.assert_allclose(estimate.lo, [0.05, 0.05], atol=1e-3)
    np.testing.assert_allclose(estimate.hi, [0.95, 0.95], atol=1e-3)
    np.testing.assert_allclose(estimate.mean, [0.5, 0.5])
    frame = estimate.to_frame()
    assert list(frame.columns) == ["class", "prevalence", "lo", "hi"]
    assert list(frame["class"]) == ["a", "b"]
    np.testing.assert_array_equal(frame["hi"], estimate.hi)


def test_two_cases_are_enough_and_draws_fit_the_memory(
    posterior, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    new = population(0.3, 10, seed=12, name="new")
    with pytest.raises(InputError, match="got 1 case, expected at least two"):
        estimate_prevalence(posterior, new.take([0]))
    two = estimate_prevalence(posterior, new.take([0, 1]), draws=150)
    assert two.draws.shape == (150, 2)
    assert len(estimate_prevalence(posterior, new, draws=10).draws) == deployment.LEAST_DRAWS == 100
    monkeypatch.setattr(deployment, "ESTIMATE_NUMBERS", 120 * 10 * 2)
    assert len(estimate_prevalence(posterior, new, draws=1000).draws) == 120
    monkeypatch.setattr(deployment, "ESTIMATE_NUMBERS", 1)
    assert len(estimate_prevalence(posterior, new, draws=1000).draws) == 100


def test_the_seed_decides_the_estimate(posterior) -> None:  # type: ignore[no-untyped-def]
    new = population(0.3, 20, seed=13, name="new")
    one, other = (estimate_prevalence(posterior, new, draws=100, seed=s) for s in (0, 1))
    again = estimate_prevalence(posterior, new, draws=100, seed=1)
    np.testing.assert_array_equal(other.draws, again.draws)
    np.testing.assert_array_equal(other.rows, again.rows)
    assert not np.array_equal(one.rows, other.rows)


def test_a_discriminative_model_estimates_the_prevalence_too() -> None:
    """p(k | z) / pi_k stands for the density of the measurements, pi the study's prevalence."""
    model = logistic(y=Label("a", "b"), x=Real(low=-4, high=6))
    rng = np.random.default_rng(0)

    def cases(prevalence: float, n: int, name: str) -> Cases:
        y = rng.random(n) < prevalence
        x = rng.normal(np.where(y, 2.0, 0.0), 1.0).clip(-4, 6)
        frame = pd.DataFrame({"id": [f"{name}{i}" for i in range(n)], "x": x})
        return cases_from_frame(
            frame.assign(y=np.where(y, "b", "a")), "y", model.label, model.features
        )

    study = fit(model, cases(0.5, 400, "study"), seed=0)
    estimate = estimate_prevalence(study, cases(0.15, 1500, "new"), seed=0)
    assert estimate.lo[1] < 0.15 < estimate.hi[1]
    assert estimate.hi[1] - estimate.lo[1] < 0.1
