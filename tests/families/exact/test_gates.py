"""Constants and gates of the closed forms, and each piece against a law that scipy, autograd or a plain loop knows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

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
    Standard,
    VonMisesFactor,
    VonMisesPrior,
    gaussian_nodes,
    shared_scale_gibbs,
    shared_scale_rows,
    shared_scale_sampler,
    von_mises,
    wishart,
)
from labelppl.families.exact import posterior as posterior_file
from labelppl.families.exact.draws import draw_nodes, even_levels, log_gamma_draws
from labelppl.families.exact.evidence import worst
from labelppl.families.exact.factor import labelled, refuse_censored
from labelppl.families.exact.scales import to_scale
from labelppl.families.exact.shared_scale import ALPHAS, WORTHS, log_constants
from labelppl.families.exact.shared_scale_grid import _log_prior, draw_spread, on_grid
from labelppl.features import Column
from labelppl.seeds import stream

F64 = torch.float64
SIZE = torch.distributions.LogNormal(torch.tensor(1.0, dtype=F64), torch.tensor(1.0, dtype=F64))
LINE = Coefficients(torch.zeros(3, dtype=F64), torch.full((3,), 0.1, dtype=F64), 1.0)


def column(values: object) -> Column:
    tensor = torch.as_tensor(values, dtype=F64)
    return Column(torch.nan_to_num(tensor), ~torch.isnan(tensor))


# --- priors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 4])
def test_a_prior_around_a_spread_expects_that_spread(d: int) -> None:
    """E[Sigma] = diag(spread^2), which nu0 = d + 2 gives."""
    center, spread = torch.arange(d, dtype=F64), 1.0 + torch.arange(d, dtype=F64)
    prior = NIW.around(center, spread)
    mean = np.atleast_2d(stats.invwishart(prior.nu, prior.scale.numpy()).mean())
    np.testing.assert_allclose(mean, np.diag(spread**2))
    assert prior.kappa == 0.1
    torch.testing.assert_close(prior.mean, center)


def test_a_prior_of_ones_own_refuses_the_first_row_measured_in_part() -> None:
    prior = NIW.around(torch.zeros(2, dtype=F64), torch.ones(2, dtype=F64))
    nan = math.nan
    rows = column([[1.0, 2.0], [nan, nan], [1.0, nan], [nan, 3.0]])
    with pytest.raises(InputError, match="feature 'z', row 3: measured in part"):
        GaussianFactor.fit("z", rows, torch.tensor([0, 1, 0, 1]), 2, prior)
    # A row without any number is no row of the Gaussian.
    factor = GaussianFactor.fit("z", rows.take(torch.arange(2)), torch.tensor([0, 1]), 2, prior)
    assert factor.new({"z": column([[nan, nan]])}).log_predictive.tolist() == [[0.0, 0.0]]


def test_the_least_degrees_of_freedom_and_belief() -> None:
    mean, scale = torch.zeros(3), torch.eye(3)
    NIW(mean, 1e-9, 2.0 + 1e-9, scale)
    with pytest.raises(InputError, match=r"nu0 = 2, expected more than d - 1 = 2"):
        NIW(mean, 1.0, 2.0, scale)
    with pytest.raises(InputError, match="kappa0 = 0, expected more than 0"):
        NIW(mean, 0.0, 3.0, scale)


# --- what all forms draw with ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [0.05, 0.5, 1.0, 30.0])
def test_logs_of_gamma_draws(shape: float) -> None:
    """E[log g] is digamma, its variance trigamma; a shape of .05 underflows where it is not drawn in logs."""
    generator = torch.Generator().manual_seed(0)
    draws = log_gamma_draws(torch.tensor([shape], dtype=F64), 100_000, generator)[0]
    sd = math.sqrt(float(special.polygamma(1, shape)))
    assert bool(torch.isfinite(draws).all())
    assert float(draws.mean()) == pytest.approx(special.digamma(shape), abs=4 * sd / 100_000**0.5)
    assert float(draws.std()) == pytest.approx(sd, rel=0.02)
    assert stats.kstest(np.exp(draws[:5000].numpy()), stats.gamma(shape).cdf).pvalue > 1e-3


def test_levels_are_the_middles_of_equal_parts() -> None:
    np.testing.assert_allclose(even_levels(4), [0.125, 0.375, 0.625, 0.875])


def test_nodes_are_drawn_as_if_the_case_had_been_fitted_with_the_chosen_label() -> None:
    rng = np.random.default_rng(0)
    by_node = torch.from_numpy(rng.normal(size=(2, 3, 5)))
    log_weights = torch.log_softmax(torch.from_numpy(rng.normal(size=(2, 5))), -1)
    chosen = torch.from_numpy(rng.integers(0, 3, (2, 30_000)))
    node = draw_nodes(by_node, log_weights, chosen, stream(0, "test"))
    for i in range(2):
        for k in range(3):
            share = torch.softmax(log_weights[i] + by_node[i, k], -1).numpy()
            drawn = node[i][chosen[i] == k].numpy()
            got = np.bincount(drawn, minlength=5) / len(drawn)
            np.testing.assert_allclose(got, share, atol=4 * 0.5 / len(drawn) ** 0.5)


@pytest.mark.parametrize("labels", [None, [2, 0]])
def test_prevalences_are_drawn_from_the_dirichlet_with_the_case_moved(
    labels: list[int] | None,
) -> None:
    prevalence = Prevalence(torch.tensor([1.5, 4.0, 2.5], dtype=F64))
    chosen = torch.tensor([0, 2])[:, None].expand(-1, 40_000)
    own = None if labels is None else torch.tensor(labels)
    log_pi = prevalence.draw_log(chosen, own, stream(1, "test"))
    pi = torch.softmax(log_pi, -1)
    for i, into in enumerate((0, 2)):
        a = prevalence.concentration.numpy().copy()
        a[into] += 1
        if labels is not None:
            a[labels[i]] -= 1
        law = stats.dirichlet(a)
        error = 4 * np.sqrt(law.var() / 40_000)
        assert (np.abs(pi[i].mean(0).numpy() - law.mean()) < error).all()
        np.testing.assert_allclose(pi[i].var(0), law.var(), rtol=0.04)
    fixed = replace(prevalence, fixed=True).draw_log(chosen, own, stream(1, "test"))
    torch.testing.assert_close(fixed[1, 5], prevalence.log_mean())


def test_the_prevalence_counts_its_cases() -> None:
    prior = torch.tensor([1.0, 2.0, 0.5], dtype=F64)
    made = Prevalence.fit(torch.tensor([0, 0, 2]), prior)
    torch.testing.assert_close(made.concentration, torch.tensor([3.0, 2.0, 1.5], dtype=F64))
    torch.testing.assert_close(
        made.log_mean_without(torch.tensor([0]))[0],
        Prevalence.fit(torch.tensor([0, 2]), prior).log_mean(),
    )
    torch.manual_seed(0)
    torch.testing.assert_close(
        made.draw(40_000).mean(0), made.log_mean().exp(), atol=4 * 0.25 / 200, rtol=0
    )
    fixed = replace(made, fixed=True)
    torch.testing.assert_close(fixed.draw(3), made.log_mean().exp().expand(3, -1))


def test_the_worst_of_the_k_hats_that_are_numbers() -> None:
    nan = math.nan
    first = torch.tensor([nan, 0.2, nan, -0.3])
    other = torch.tensor([nan, 0.5, 0.1, -0.1])
    expected = torch.tensor([nan, 0.5, 0.1, -0.1])
    torch.testing.assert_close(worst([first, other]), expected, equal_nan=True)
    torch.testing.assert_close(worst([other, first]), expected, equal_nan=True)


# --- what is refused, by row -----------------------------------------------------------------------------


def test_labels_are_known_and_of_the_classes() -> None:
    assert labelled(torch.tensor([0.0, 2.0]), 3).dtype == torch.int64
    with pytest.raises(InputError, match="row 2: no label"):
        labelled(torch.tensor([0, -1, -1]), 3)
    with pytest.raises(InputError, match="row 3: got class 3, expected 0 to 2"):
        labelled(torch.tensor([0, 2, 3, 4]), 3)


def test_a_censored_cell_is_refused_by_row() -> None:
    low = torch.tensor([math.nan, 1.0, 1.0])
    cells = Column(torch.ones(3), torch.isnan(low), low, torch.full((3,), math.inf))
    with pytest.raises(InputError, match="column 'x', row 2: a censored entry"):
        refuse_censored("x", cells)
    refuse_censored("x", cells.take(torch.tensor([0])))


def test_a_response_without_its_angle_is_refused_by_row() -> None:
    columns = {
        "t": column([0.1, math.nan, math.nan, math.nan]),
        "x": column([1.0, math.nan, 2.0, 2.0]),
    }
    with pytest.raises(InputError, match="row 3: 'x' measured without 't'"):
        RegressionFactor.fit("t", "x", columns, torch.tensor([0, 1, 1, 0]), 2, LINE)
    # An angle without its response adds nothing, and a row without either neither.
    columns = {"t": column([0.1, 0.4, math.nan]), "x": column([1.0, math.nan, math.nan])}
    factor = RegressionFactor.fit("t", "x", columns, torch.tensor([0, 1, 1]), 2, LINE)
    torch.testing.assert_close(factor.mean[1], LINE.mean)


# --- scales ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "back"), [("log", torch.exp), ("logit", torch.sigmoid)])
def test_the_stretch_of_a_scale_is_the_slope_of_its_inverse(how: Any, back: Any) -> None:
    values = torch.tensor([[0.2, 0.7], [0.9, 0.5]], dtype=F64)
    moved, log_stretch = to_scale(values, torch.ones(2, 2, dtype=torch.bool), how)
    torch.testing.assert_close(back(moved), values)
    slopes = torch.func.vmap(torch.func.vmap(torch.func.grad(back)))(moved)
    torch.testing.assert_close(log_stretch, torch.log(slopes).sum(-1))
    some = torch.tensor([[True, False], [True, True]])
    part = to_scale(values, some, how)[1]
    torch.testing.assert_close(part[0], torch.log(slopes[0, 0]))
    torch.testing.assert_close(part[1], log_stretch[1])


@pytest.mark.parametrize("how", ["plain", "log", "logit"])
@pytest.mark.parametrize("d", [1, 2])
def test_the_predictive_density_of_every_scale_sums_to_one(how: Any, d: int) -> None:
    rng = np.random.default_rng(0)
    z = rng.uniform(0.2, 0.8, (12, d))
    y = torch.tensor([0, 1] * 6)
    factor = GaussianFactor.fit("z", column(z), y, 2, _standard(z, how), how=how)
    edge = {"plain": (-6.0, 7.0), "log": (1e-6, 30.0), "logit": (1e-6, 1 - 1e-6)}[how]
    if d == 1:
        grid = np.linspace(*edge, 8001)
        rows = grid[:, None]
    else:  # the second number missing: what remains is the density of the first
        grid = np.linspace(*edge, 8001)
        rows = np.stack([grid, np.full_like(grid, np.nan)], 1)
    density = factor.new({"z": column(rows)}).log_predictive.exp().numpy()
    total = np.trapezoid(density, grid, axis=0)
    np.testing.assert_allclose(total, 1, atol=0.02)


def _standard(z: np.ndarray, how: str) -> Standard:
    moved = {"plain": z, "log": np.log(z), "logit": special.logit(z)}[how]
    return Standard(torch.from_numpy(moved.mean(0)), torch.from_numpy(moved.std(0)))


# --- the shared scale --------------------------------------------------------------------------------------


def test_the_prior_of_the_scale_is_a_density() -> None:
    """It sums to one, and is the mixture over alpha and v that the page of methods states."""
    log_p = _log_prior()
    x = np.linspace(-29, 29, 40_001)
    assert np.trapezoid(np.exp(log_p(x)), x) == pytest.approx(1, abs=1e-3)
    for at in (-3.0, 0.0, 2.0):

        def by_variance(log_v: float, at: float = at) -> float:
            v = math.exp(log_v)
            root = math.sqrt(v)
            half_cauchy = 2 / (math.pi * (1 + v)) * root / 2  # of sqrt(v), in log v
            each = stats.gamma(ALPHAS / 2, scale=2 * v / ALPHAS).pdf(math.exp(at))
            return half_cauchy * float(each.mean()) * math.exp(at)

        expected = integrate.quad(by_variance, -30, 30, limit=200, points=[at])[0]
        assert float(log_p(at)) == pytest.approx(math.log(expected), abs=1e-5)


def test_worths_have_weights_that_fall_with_them() -> None:
    """Without cases nothing but p(delta) ~ 1 / delta is left beside |delta S|^(nu / 2) of each class."""
    assert list(WORTHS) == [1, 2, 4, 8, 16, 32, 64, 128]
    assert list(ALPHAS) == [1, 2, 4, 8, 16, 32]
    scaled = np.exp(log_constants(np.zeros(2), 1) - WORTHS * np.log(WORTHS))
    np.testing.assert_allclose(scaled / scaled[0], 1 / WORTHS)


def test_the_quadrature_equals_a_fine_sum() -> None:
    w, count = np.array([0.9, 2.5, 0.05]), np.array([4.0, 7.0, 0.0])
    shared = on_grid(w, count)
    x = np.linspace(-12, 8, 20_001)
    s = np.exp(x)
    log_p = []
    for worth in WORTHS:
        psi = worth * s[:, None] + w
        by_class = (
            worth / 2 * np.log(worth * s)[:, None]
            - (worth + count) / 2 * np.log(psi)
            + special.gammaln((worth + count) / 2)
            - special.gammaln(worth / 2)
        )
        log_p.append(_log_prior()(x) + by_class.sum(1) - np.log(worth))
    p = np.exp(np.array(log_p) - np.max(log_p))
    p /= p.sum()
    weights = np.exp(shared.log_weights)
    for at, worth in enumerate(WORTHS):
        assert weights[shared.worth == worth].sum() == pytest.approx(p[at].sum(), abs=1e-6)
    mean = (weights * np.log(shared.scale[:, 0, 0])).sum()
    assert mean == pytest.approx((p * x).sum(), abs=1e-6)
    assert weights.sum() == pytest.approx(1)


def test_spreads_are_drawn_given_the_scale() -> None:
    """sqrt(v) of a half-Cauchy given S, against a grid over log v."""
    scale = np.array([0.3, 5.0])
    node = np.repeat([0, 1], 20_000)
    log_v = 2 * np.log(draw_spread(scale, node, np.random.default_rng(0))[:, 0])
    grid = np.linspace(-25, 25, 20_001)
    for at, s in enumerate(scale):
        v = np.exp(grid)
        p = (
            np.sqrt(v)
            / (1 + v)
            * stats.gamma(ALPHAS / 2, scale=2 * v[:, None] / ALPHAS).pdf(s).mean(1)
        )
        p /= p.sum()
        mean = (p * grid).sum()
        sd = math.sqrt((p * grid**2).sum() - mean**2)
        drawn = log_v[node == at]
        assert drawn.mean() == pytest.approx(mean, abs=4 * sd / 20_000**0.5 + 1e-3)
        assert drawn.std() == pytest.approx(sd, rel=0.04)


def test_wishart_draws_have_their_moments() -> None:
    """E[W] = df V and var W_ij = df (V_ij^2 + V_ii V_jj), V the inverse of what is given."""
    rng = np.random.default_rng(0)
    precision = np.array([[2.0, 0.5], [0.5, 1.0]])
    v, df, n = np.linalg.inv(precision), 5.0, 60_000
    draws = wishart.wishart(rng, np.full(n, df), np.broadcast_to(precision, (n, 2, 2)))
    var = df * (v**2 + np.outer(np.diag(v), np.diag(v)))
    assert (np.abs(draws.mean(0) - df * v) < 4 * np.sqrt(var / n)).all()
    np.testing.assert_allclose(draws.var(0), var, rtol=0.05)


def test_a_sampler_that_does_not_settle_is_run_again_with_twice_the_sweeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[tuple[int, int]] = []
    run = shared_scale_sampler.SharedScaleSampler.run

    def watched(self: Any, burn_in: int, thin: int) -> Any:
        runs.append((burn_in, thin))
        return run(self, 1, 1)

    monkeypatch.setattr(shared_scale_sampler.SharedScaleSampler, "run", watched)
    monkeypatch.setattr(shared_scale_rows, "MOST_RHAT", 0.0)
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(20, 2)), np.arange(20) % 2
    assert shared_scale_gibbs.by_gibbs(z, y, 2, 0.3, rng).problems
    assert runs == [(60, 2), (120, 4), (240, 8), (480, 16), (960, 32)]
    monkeypatch.undo()
    monkeypatch.setattr(shared_scale_sampler.SharedScaleSampler, "run", watched)
    monkeypatch.setattr(shared_scale_rows, "MOST_RHAT", math.inf)
    monkeypatch.setattr(shared_scale_rows, "LEAST_ESS", 0.0)
    runs.clear()
    shared_scale_gibbs.by_gibbs(z, y, 2, 0.3, rng)
    assert runs == [(60, 2)]


@pytest.mark.parametrize(
    ("missing", "numbers", "kept"),
    [(False, 2**24, 50), (False, 8 * 4 * 20, 20), (False, 1, 10), (True, 8 * 4 * 2 * 20, 20)],
)
def test_as_many_sweeps_are_kept_as_the_memory_holds(
    monkeypatch: pytest.MonkeyPatch, missing: bool, numbers: int, kept: int
) -> None:
    monkeypatch.setattr(shared_scale_sampler, "NODE_NUMBERS", numbers)
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(30, 2)), np.arange(30) % 2
    if missing:
        z[3, 0] = np.nan
    rows = shared_scale_rows.ClassRows.of(z, y, 2)
    (sampled,) = shared_scale_sampler.SharedScaleSampler([rows], 2, 0.3, rng).run(2, 1)
    assert len(sampled.shared.worth) == shared_scale_sampler.CHAINS * kept
    assert sampled.shared.log_weights == pytest.approx(-np.log(8 * kept))
    assert np.unique(sampled.shared.scale, axis=0).shape[0] == 8 * kept


# --- the Gaussian ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nodes", [1, 5])
def test_distances_are_the_quadratic_form(nodes: int) -> None:
    rng = np.random.default_rng(1)
    z, y = rng.normal(size=(11, 3)), torch.tensor([0, 1] * 5 + [1])
    prior = (
        NIW.around(torch.zeros(3, dtype=F64), torch.ones(3, dtype=F64))
        if nodes == 1
        else Standard(torch.zeros(3, dtype=F64), torch.ones(3, dtype=F64))
    )
    posterior = GaussianFactor.fit("z", column(z), y, 2, prior).posterior
    kept = torch.tensor([0, 2])
    got = gaussian_nodes.distances(posterior, torch.from_numpy(z[:, [0, 2]]), kept, 1)
    mean, psi = posterior.at(1, torch.arange(len(posterior.worth)))
    away = torch.from_numpy(z)[:, None, kept] - mean[:, kept]
    part = psi[:, kept][:, :, kept]
    naive = torch.einsum("inj,njk,ink->in", away, torch.linalg.inv(part), away)
    torch.testing.assert_close(got.q, naive)
    torch.testing.assert_close(got.log_det, torch.linalg.slogdet(part).logabsdet)


def test_blocks_of_cases_do_not_change_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    exact, columns, _ = mixed(30)
    probs, left = exact.probs(columns), exact.leave_one_out()
    monkeypatch.setattr(posterior_file, "BLOCK_CASES", 7)
    torch.testing.assert_close(exact.probs(columns), probs)
    torch.testing.assert_close(exact.leave_one_out(), left)


def test_k_hat_is_a_number_where_draws_are_weighted_only() -> None:
    """The scale of two numbers is sampled; that of one is a quadrature, and a prior of one's own is known."""
    exact, columns, _ = mixed(30)
    measured = columns["z"].observed.any(-1)
    khat = exact.left_out(torch.arange(30)).khat
    assert bool((khat.isnan() == ~measured).all())
    assert float(khat[measured].max()) < 0.7
    assert bool(exact.new(columns).khat.isnan().all())
    y = torch.tensor([0, 1] * 15)
    known = NIW.around(torch.zeros(2, dtype=F64), torch.ones(2, dtype=F64))
    z = column(np.random.default_rng(0).normal(size=(30, 2)))
    one = column(np.random.default_rng(0).normal(size=(30, 1)))
    for factor in (
        GaussianFactor.fit("z", z, y, 2, known),
        GaussianFactor.fit(
            "z", one, y, 2, Standard(torch.zeros(1).double(), torch.ones(1).double())
        ),
    ):
        assert bool(factor.left_out(torch.arange(30)).khat.isnan().all())


# --- draws against weighted draws of the parameters -----------------------------------------------------------


def mixed(n: int) -> tuple[ExactPosterior, dict[str, Column], torch.Tensor]:
    """Every closed form at once, with cells missing."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, n)
    z = rng.normal(size=(n, 2)) + y[:, None]
    angle = rng.vonmises(0.5 * y, 3.0)
    line = y + np.cos(angle) + 0.3 * rng.normal(size=n)
    z[::5, 0] = math.nan
    z[::10, 1] = math.nan
    angle[::7] = line[::7] = math.nan
    columns = {"z": column(z), "t": column(angle), "x": column(line)}
    columns["c"] = Column(torch.tensor(rng.integers(0, 3, n)), torch.tensor(rng.random(n) < 0.8))
    labels = torch.tensor(y)
    factors = (
        GaussianFactor.fit(
            "z", columns["z"], labels, 2, Standard(torch.zeros(2).double(), torch.ones(2).double())
        ),
        VonMisesFactor.fit("t", columns["t"], labels, 2, VonMisesPrior(0.0, 0.1, SIZE)),
        RegressionFactor.fit("t", "x", columns, labels, 2, LINE),
        CategoricalFactor.fit("c", columns["c"], labels, 2, torch.ones(3, dtype=F64)),
    )
    made = ExactPosterior(Prevalence.fit(labels, torch.ones(2, dtype=F64)), factors, labels)
    return made, columns, labels


def _von_mises(v: dict[str, torch.Tensor], columns: dict[str, Column], i: int) -> torch.Tensor:
    away = torch.cos(columns["t"].values[i] - v["mean"])
    return (
        v["concentration"] * away
        - torch.log(2 * math.pi * torch.special.i0e(v["concentration"]))
        - v["concentration"]
    )


def _line(v: dict[str, torch.Tensor], columns: dict[str, Column], i: int) -> torch.Tensor:
    t, x = columns["t"].values[i], columns["x"].values[i]
    mean = v["x_coefficients"] @ torch.stack([torch.ones_like(t), t.cos(), t.sin()])
    return torch.distributions.Normal(mean, v["x_scale_tril"][..., 0, 0]).log_prob(x)


def _category(v: dict[str, torch.Tensor], columns: dict[str, Column], i: int) -> torch.Tensor:
    return torch.log(v["probs"][..., columns["c"].values[i]])


@pytest.mark.parametrize(("at", "density"), [(1, _von_mises), (2, _line), (3, _category)])
def test_draws_of_labels_are_those_of_the_parameters(at: int, density: Any) -> None:
    """Mean and spread of p(Y | Z, theta), new and left out, by weighting 40,000 draws of the parameters."""
    exact, columns, labels = mixed(30)
    factor: Factor = exact.factors[at]
    torch.manual_seed(0)
    values, pi = factor.draw(40_000), exact.prevalence.draw(40_000)
    one = ExactPosterior(exact.prevalence, (factor,), labels)
    rows = torch.tensor([1, 2, 9])
    new = one.new({n: c.take(rows) for n, c in columns.items()}).draw(20_000, seed=0)[:, 1]
    left = one.left_out(rows).draw(20_000, seed=0)[:, 1]
    for j, i in enumerate(rows.tolist()):
        if not all(bool(columns[n].cases_observed[i]) for n in factor.fitted_columns()):
            continue
        joint = density(values, columns, i) + torch.log(pi)
        p = torch.softmax(joint, -1)[:, 1]
        evidence = torch.logsumexp(joint, -1)
        for drawn, log_weights in ((new, evidence), (left, evidence - joint[:, labels[i]])):
            weights = torch.softmax(log_weights, 0)
            mean = (weights * p).sum()
            sd = (weights * (p - mean) ** 2).sum().sqrt()
            assert float(drawn[j].mean()) == pytest.approx(float(mean), abs=0.01)
            assert float(drawn[j].std()) == pytest.approx(float(sd), abs=0.01)


# --- angles ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kappa", [1e-3, 0.05, 0.8, 4.0, 60.0, 5e3])
def test_quantiles_of_von_mises_laws(kappa: float) -> None:
    """By interpolation in log concentration, against scipy's inverse distribution function."""
    levels = torch.tensor([0.001, 0.02, 0.3, 0.5, 0.8, 0.999], dtype=F64)
    got = von_mises._offsets(levels, torch.full((1, 6), kappa, dtype=F64))[0]
    expected = stats.vonmises(kappa).ppf(levels.numpy())
    width = min(math.pi, 1 / math.sqrt(kappa))
    np.testing.assert_allclose(got, expected, atol=4e-3 * width)


def test_the_nodes_hold_a_class_of_one_or_none() -> None:
    """The predictive of a class without angles is the prior's, and a density; leaving the only one out gives it back."""
    y = torch.tensor([0, 0, 0, 1])
    angles = column([0.1, 0.4, -0.2, 2.0])
    prior = VonMisesPrior(0.5, 0.8, SIZE)
    factor = VonMisesFactor.fit("t", angles, y, 3, prior)
    grid = np.arange(720) * 2 * np.pi / 720
    density = factor.new({"t": column(grid)}).log_predictive.exp()
    np.testing.assert_allclose(density.sum(0) * 2 * math.pi / 720, 1, atol=1e-8)
    nobody = VonMisesFactor.fit("t", angles.take(torch.arange(3)), y[:3], 3, prior)
    torch.testing.assert_close(
        factor.left_out(torch.tensor([3])).log_predictive[0, 1],
        nobody.new({"t": column([2.0])}).log_predictive[0, 1],
        atol=1e-9,
        rtol=0,
    )
    torch.testing.assert_close(
        density[:, 2], nobody.new({"t": column(grid)}).log_predictive[:, 1].exp()
    )


def test_draws_of_a_direction_lie_within_half_a_turn_of_the_priors() -> None:
    y = torch.zeros(5, dtype=torch.long)
    prior = VonMisesPrior(3.0, 0.5, SIZE)
    factor = VonMisesFactor.fit("t", column([3.0, -3.0, 3.1, 2.9, -2.9]), y, 1, prior)
    torch.manual_seed(0)
    drawn = factor.draw(5000)["mean"]
    assert float((drawn - 3.0).abs().max()) <= math.pi
    # The angles on both sides of the cut are one cluster: no draw sees them as two.
    assert float((drawn - 3.1).abs().mean()) < 0.5


def _factors() -> dict[str, tuple[Factor, dict[str, Column]]]:
    """Factors whose classes share nothing, and a new case of each."""
    rng = np.random.default_rng(4)
    y = torch.tensor([0, 1] * 8)
    z = rng.normal(size=(16, 2)) + y[:, None].numpy()
    angle = rng.vonmises(0.5 * y.numpy(), 3.0)
    code = Column(torch.tensor(rng.integers(0, 3, 16)), torch.ones(16, dtype=torch.bool))
    prior = NIW.around(torch.zeros(2, dtype=F64), torch.ones(2, dtype=F64), kappa=1.0)
    return {
        "gaussian": (GaussianFactor.fit("z", column(z), y, 2, prior), {"z": column([[0.5, 1.0]])}),
        "logit": (
            GaussianFactor.fit("z", column(1 / (1 + np.exp(-z))), y, 2, prior, how="logit"),
            {"z": column([[0.6, 0.7]])},
        ),
        "von mises": (
            VonMisesFactor.fit("t", column(angle), y, 2, VonMisesPrior(0.0, 0.1, SIZE)),
            {"t": column([0.4])},
        ),
        "categorical": (
            CategoricalFactor.fit("c", code, y, 2, torch.ones(3, dtype=F64)),
            {"c": code.take(torch.tensor([2]))},
        ),
    }


@pytest.mark.parametrize("name", _factors())
def test_draws_of_a_density_average_to_the_predictive_density(name: str) -> None:
    """E[f_k(z | theta)] = p(z | y = k, D): a case put into one class does not tell of the other."""
    factor, new = _factors()[name]
    evidence = factor.new(new)
    for chosen in (0, 1):
        labels = torch.full((1, 60_000), chosen)
        density = evidence.draw(labels, stream(0, "test"))[0, :, 1 - chosen].exp()
        expected = float(evidence.log_predictive[0, 1 - chosen].exp())
        error = 4 * float(density.std()) / math.sqrt(60_000)
        assert float(density.mean()) == pytest.approx(expected, abs=error)


def test_a_prior_of_categories_may_differ_by_class() -> None:
    y = torch.tensor([0, 0, 1])
    codes = Column(torch.tensor([2, 0, 2]), torch.tensor([True, True, False]))
    prior = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype=F64)
    factor = CategoricalFactor.fit("c", codes, y, 2, prior)
    expected = torch.tensor([[2.0, 2.0, 4.0], [4.0, 5.0, 6.0]], dtype=F64)
    torch.testing.assert_close(factor.concentration, expected)
    share = factor.new({"c": codes.take(torch.tensor([0]))}).log_predictive.exp()
    torch.testing.assert_close(share, torch.tensor([[0.5, 0.4]], dtype=F64))


@pytest.mark.parametrize("g", [0.05, 4.0])
def test_alpha_is_drawn_with_the_scale_integrated_out(g: float) -> None:
    """d = 1: p(alpha | v, G) by integrating S ~ Gamma(a / 2, a / 2v) against S^(N / 2) exp(-S G / 2)."""
    v, worth, n = 0.7, 2.0, 40_000
    rows = shared_scale_rows.ClassRows.of(np.array([[0.1], [1.0]]), np.array([0, 1]), 2)
    sampler = shared_scale_sampler.SharedScaleSampler([rows], 2, 0.1, np.random.default_rng(0))
    drawn = sampler._draw_alpha(np.full((n, 1, 1), g), np.full((n, 1), v), np.full(n, worth))

    def weight(alpha: float) -> float:
        law = stats.gamma(alpha / 2, scale=2 * v / alpha)
        return integrate.quad(lambda s: law.pdf(s) * s**worth * math.exp(-s * g / 2), 0, 200)[0]

    expected = np.array([weight(alpha) for alpha in ALPHAS])
    expected /= expected.sum()
    got = np.array([(drawn == alpha).mean() for alpha in ALPHAS])
    np.testing.assert_allclose(got, expected, atol=4 * 0.5 / n**0.5)


@pytest.mark.parametrize("name", ["gaussian", "von mises"])
def test_draws_follow_torchs_seed_and_none_comes_twice(name: str) -> None:
    factor, _ = _factors()[name]
    drawn = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        drawn.append(factor.draw(20_000))
    for site in drawn[0]:
        assert torch.equal(drawn[0][site], drawn[1][site])
        assert not torch.equal(drawn[0][site], drawn[2][site])
        first = drawn[0][site].reshape(20_000, -1)[:, 0]
        assert len(torch.unique(first)) > 19_900
