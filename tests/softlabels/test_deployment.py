"""The unknown prevalence of new cases: a fixed point, a maximum, covered by its interval, blind to labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from labelppl import InputError, fit, load_model
from labelppl.phantoms import HipPopulation
from labelppl.softlabels import soft_labels
from labelppl.softlabels.deployment import (
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
