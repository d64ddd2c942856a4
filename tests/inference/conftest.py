"""Densities written by hand, with closed-form moments or with another program's reference draws."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

POSTERIORDB = Path(__file__).parents[2] / ".." / "shared" / "data" / "posteriordb"
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class Written:
    """A density given by functions; ``constrain`` maps (draws, dim) to named parameters."""

    coordinates: tuple[str, ...]
    log_density: Callable[[Tensor], Tensor]
    constrain: Callable[[Tensor], Tensor]
    spread: float = 0.3

    #: Numbers of one evaluation.
    numbers = 1

    @property
    def dim(self) -> int:
        return len(self.coordinates)

    def log_prob(self, u: Tensor) -> Tensor:
        return self.log_density(u)

    def start(self, n: int, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return self.spread * torch.randn(n, self.dim, generator=generator, dtype=torch.float64)

    def prior_draws(self, n: int, seed: int) -> Tensor:
        return 5 * self.start(n, seed + 1000)


def _names(stem: str, n: int) -> tuple[str, ...]:
    return tuple(f"{stem}[{i + 1}]" for i in range(n))


def _normal(x: Tensor, mean: Tensor | float, sd: Tensor | float) -> Tensor:
    sd = torch.as_tensor(sd, dtype=torch.float64)
    return -0.5 * ((x - mean) / sd).square() - sd.log() - HALF_LOG_2PI


def _gaussian(mean: Tensor, covariance: Tensor) -> Written:
    precision = torch.linalg.inv(covariance)

    def log_density(u: Tensor) -> Tensor:
        return -0.5 * (((u - mean) @ precision) * (u - mean)).sum(-1)

    return Written(_names("x", len(mean)), log_density, lambda u: u, spread=1.0)


def _funnel(dim: int) -> Written:
    """Neal (2003): v ~ N(0, 3), x_j ~ N(0, exp(v / 2)); the mode lies deep in the neck."""

    def log_density(u: Tensor) -> Tensor:
        v = u[:, 0]
        return _normal(v, 0.0, 3.0) + _normal(u[:, 1:], 0.0, (v / 2).exp()[:, None]).sum(-1)

    return Written(("v", *_names("x", dim - 1)), log_density, lambda u: u, spread=1.0)


def _bimodal(gap: float) -> Written:
    def log_density(u: Tensor) -> Tensor:
        far = torch.zeros(2, dtype=torch.float64)
        far[0] = gap
        return torch.logaddexp(_normal(u, -far, 1.0).sum(-1), _normal(u, far, 1.0).sum(-1))

    return Written(_names("x", 2), log_density, lambda u: u, spread=3.0)


def _read(name: str) -> Any:
    with zipfile.ZipFile(POSTERIORDB / f"{name}.json.zip") as archive:
        return json.loads(archive.read(archive.namelist()[0]))


def _tensor(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _eight_schools() -> Written:
    data = _read("eight_schools.data")
    y, sd = _tensor(data["y"]), _tensor(data["sigma"])

    def constrain(u: Tensor) -> Tensor:
        mu, tau = u[:, 8:9], u[:, 9:10].exp()
        return torch.cat([mu + tau * u[:, :8], mu, tau], -1)

    def log_density(u: Tensor) -> Tensor:
        mu, log_tau = u[:, 8], u[:, 9]
        theta = constrain(u)[:, :8]
        half_cauchy = -torch.log1p((log_tau.exp() / 5).square()) + log_tau
        prior = _normal(u[:, :8], 0.0, 1.0).sum(-1) + _normal(mu, 0.0, 5.0) + half_cauchy
        return prior + _normal(y, theta, sd).sum(-1)

    return Written((*_names("theta", 8), "mu", "tau"), log_density, constrain)


def _kidiq() -> Written:
    data = _read("kidiq.data")
    iq, score = _tensor(data["mom_iq"]), _tensor(data["kid_score"])

    def constrain(u: Tensor) -> Tensor:
        return torch.cat([u[:, :2], u[:, 2:].exp()], -1)

    def log_density(u: Tensor) -> Tensor:
        sigma = u[:, 2].exp()
        mean = u[:, :1] + u[:, 1:2] * iq
        prior = -torch.log1p((sigma / 2.5).square()) + u[:, 2]
        return prior + _normal(score, mean, sigma[:, None]).sum(-1)

    return Written((*_names("beta", 2), "sigma"), log_density, constrain)


def _sblrc() -> Written:
    data = _read("sblrc.data")
    x, y = _tensor(data["X"]), _tensor(data["y"])

    def constrain(u: Tensor) -> Tensor:
        return torch.cat([u[:, :5], u[:, 5:].exp()], -1)

    def log_density(u: Tensor) -> Tensor:
        sigma = u[:, 5].exp()
        prior = _normal(u[:, :5], 0.0, 10.0).sum(-1) + _normal(sigma, 0.0, 10.0) + u[:, 5]
        return prior + _normal(y, u[:, :5] @ x.mT, sigma[:, None]).sum(-1)

    return Written((*_names("beta", 5), "sigma"), log_density, constrain)


def _gauss_mix() -> Written:
    y = _tensor(_read("low_dim_gauss_mix.data")["y"])

    def constrain(u: Tensor) -> Tensor:
        mu = torch.stack([u[:, 0], u[:, 0] + u[:, 1].exp()], -1)
        return torch.cat([mu, u[:, 2:4].exp(), torch.sigmoid(u[:, 4:5])], -1)

    def log_density(u: Tensor) -> Tensor:
        values = constrain(u)
        mu, sigma, theta = values[:, :2], values[:, 2:4], values[:, 4:5]
        prior = _normal(mu, 0.0, 2.0).sum(-1) + u[:, 1]
        prior = prior + _normal(sigma, 0.0, 2.0).sum(-1) + u[:, 2:4].sum(-1)
        prior = prior + 5 * (theta.log() + torch.log1p(-theta)).squeeze(-1)
        first = theta.log() + _normal(y, mu[:, :1], sigma[:, :1])
        second = torch.log1p(-theta) + _normal(y, mu[:, 1:], sigma[:, 1:])
        return prior + torch.logaddexp(first, second).sum(-1)

    return Written((*_names("mu", 2), *_names("sigma", 2), "theta"), log_density, constrain)


REFERENCES: dict[str, tuple[Callable[[], Written], str]] = {
    "eight_schools": (_eight_schools, "eight_schools-eight_schools_noncentered"),
    "kidiq": (_kidiq, "kidiq-kidscore_momiq"),
    "sblrc": (_sblrc, "sblrc-blr"),
    "gauss_mix": (_gauss_mix, "low_dim_gauss_mix-low_dim_gauss_mix"),
}


@dataclass(frozen=True)
class Reference:
    """A posterior with independent reference draws (draws, parameters) in ``density``'s order."""

    density: Written
    draws: Tensor


@pytest.fixture(params=list(REFERENCES))
def reference(request: pytest.FixtureRequest) -> Reference:
    if not POSTERIORDB.is_dir():
        pytest.skip(f"no reference draws: {POSTERIORDB} is absent")
    build, name = REFERENCES[request.param]
    density = build()
    chains = _read(f"{name}.draws")
    columns = [np.concatenate([chain[key] for chain in chains]) for key in density.coordinates]
    return Reference(density, torch.from_numpy(np.stack(columns, -1)))


@pytest.fixture
def gaussian() -> Callable[[Tensor, Tensor], Written]:
    return _gaussian


@pytest.fixture
def correlated() -> tuple[Written, Tensor, Tensor]:
    """Twenty correlated coordinates on scales from .1 to 10: density, mean, covariance."""
    generator = torch.Generator().manual_seed(5)
    root = torch.randn(20, 20, generator=generator, dtype=torch.float64)
    scale = torch.logspace(-1, 1, 20, dtype=torch.float64)
    raw = root @ root.mT + 2 * torch.eye(20, dtype=torch.float64)
    raw = raw / (raw.diagonal()[:, None] * raw.diagonal()).sqrt()
    covariance = scale[:, None] * raw * scale
    mean = torch.linspace(-3, 3, 20, dtype=torch.float64)
    return _gaussian(mean, covariance), mean, covariance


@pytest.fixture
def written() -> type[Written]:
    return Written


@pytest.fixture
def funnel() -> Callable[[int], Written]:
    return _funnel


@pytest.fixture
def bimodal() -> Callable[[float], Written]:
    return _bimodal


@pytest.fixture
def agree() -> Callable[[Reference, Any], None]:
    """Means within .1 reference SD, SDs within 10 %, by the draws' own weights."""

    def check(reference: Reference, draws: Any) -> None:
        values = reference.density.constrain(draws.points.flatten(0, 1))
        weights = torch.full((len(values), 1), 1 / len(values), dtype=torch.float64)
        if draws.log_weights is not None:
            weights = draws.log_weights.flatten().exp()[:, None]
        mean = (weights * values).sum(0)
        sd = (weights * (values - mean).square()).sum(0).sqrt()
        wanted, wanted_sd = reference.draws.mean(0), reference.draws.std(0)
        shift, stretch = (mean - wanted).abs() / wanted_sd, (sd / wanted_sd - 1).abs()
        assert float(shift.max()) < 0.1, dict(
            zip(reference.density.coordinates, shift.tolist(), strict=True)
        )
        assert float(stretch.max()) < 0.1, dict(
            zip(reference.density.coordinates, stretch.tolist(), strict=True)
        )

    return check
