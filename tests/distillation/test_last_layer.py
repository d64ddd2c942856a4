"""The last layer's posterior: autodiff's Hessian, quadrature, what has none, and the whole job."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn
from torch.func import functional_call, hessian

from labelppl.distillation import last_layer as module
from labelppl.distillation.distill import distill
from labelppl.distillation.last_layer import last_layer_posterior
from labelppl.students.load import load_student
from labelppl.students.logits import class_logits
from labelppl.students.weight_posterior import Full, Kronecker, spread
from labelppl.training.schedule import Schedule
from labelppl.training.source import Resident
from labelppl.training.weight_prior import WeightPrior

Study = Callable[..., tuple[Any, Any]]
CPU = torch.device("cpu")


def _case(outputs: int, bias: bool = True) -> tuple[nn.Module, Resident, Tensor]:
    generator = torch.Generator().manual_seed(outputs)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = nn.Sequential(
            nn.Flatten(), nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Tanh(),
            nn.Linear(4, outputs, bias=bias),
        )  # fmt: skip
    pixels = torch.randn(30, 1, 2, 3, generator=generator)
    hard = torch.randint(0, max(2, outputs), (30,), generator=generator)
    hard[4] = -1
    return network.eval(), Resident(pixels, lambda x: x), hard


def _hessian(network: nn.Module, source: Resident, hard: Tensor) -> Tensor:
    """Autodiff's Hessian of the sum of -log q(y) in the last layer, outputs one after the other."""
    network = network.double()
    last = {k: v.detach() for k, v in network.named_parameters() if k.startswith("4.")}
    names = sorted(last, reverse=True)  # weight, bias
    seen = hard >= 0

    def loss(flat: Tensor) -> Tensor:
        rows = flat.reshape(len(last["4.weight"]), -1)
        width = last["4.weight"].shape[1]
        parts = {"4.weight": rows[:, :width]}
        if len(names) == 2:
            parts["4.bias"] = rows[:, width]
        logits = class_logits(functional_call(network, parts, (source.pixels[seen].double(),)))
        return nn.functional.cross_entropy(logits, hard[seen], reduction="sum")

    start = torch.cat([last[n].reshape(len(last["4.weight"]), -1) for n in names], 1).flatten()
    found = hessian(loss)(start)
    network.float()
    return found


def _precision(posterior: Any) -> Tensor:
    assert isinstance(posterior, Full)
    root = posterior.cholesky.double()
    return root @ root.T


@pytest.mark.parametrize(("outputs", "bias"), [(1, True), (2, True), (3, True), (3, False)])
def test_precision_is_the_hessian_plus_the_prior(outputs: int, bias: bool) -> None:
    network, source, hard = _case(outputs, bias)
    prior = WeightPrior.around(network, 0.7)
    found = last_layer_posterior(network, "softmax", source, hard, prior)
    assert found.note == "full"
    curvature = _hessian(network, source, hard)
    expected = curvature + 1.4 * torch.eye(len(curvature), dtype=torch.float64)
    torch.testing.assert_close(_precision(found.posterior), expected, rtol=1e-5, atol=1e-5)


def test_fisher_weights_shape_the_prior() -> None:
    network, source, hard = _case(2)
    generator = torch.Generator().manual_seed(0)
    fisher = {
        n: torch.rand(p.shape, generator=generator) + 0.5 for n, p in network.named_parameters()
    }
    prior = WeightPrior.around(network, 0.7, fisher=fisher)
    found = last_layer_posterior(network, "softmax", source, hard, prior)
    diagonal = torch.cat([fisher["4.weight"], fisher["4.bias"][:, None]], 1).flatten().double()
    expected = _hessian(network, source, hard) + 1.4 * torch.diag(diagonal)
    torch.testing.assert_close(_precision(found.posterior), expected, rtol=1e-5, atol=1e-5)


def test_kronecker_is_exact_where_all_cases_are_equally_sure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, source, hard = _case(3)
    nn.init.zeros_(network[4].weight)
    prior = WeightPrior.around(network, 0.7)
    full = last_layer_posterior(network, "softmax", source, hard, prior).posterior
    monkeypatch.setattr(module, "MOST_WEIGHTS", 10)
    found = last_layer_posterior(network, "softmax", source, hard, prior)
    assert found.note == "kronecker"
    assert isinstance(found.posterior, Kronecker)
    features = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    assert full is not None
    torch.testing.assert_close(
        found.posterior.covariance(features, 3), full.covariance(features, 3), rtol=1e-4, atol=1e-5
    )


def test_one_weight_against_quadrature() -> None:
    """Logistic regression through the origin: its mode, its spread, and p at new points."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    y = (rng.random(60) < 1 / (1 + np.exp(-1.2 * x))).astype(np.int64)
    lam, theta_p = 2.0, 0.4

    def energy(w: Any) -> Any:
        z = np.multiply.outer(np.asarray(w), x)
        return (np.logaddexp(0, z) - y * z).sum(-1) + lam * (np.asarray(w) - theta_p) ** 2

    mode = minimize_scalar(energy).x
    grid = np.linspace(mode - 4, mode + 4, 20_001)
    density = np.exp(energy(mode) - energy(grid))
    density /= density.sum()
    network = nn.Sequential(nn.Flatten(), nn.Linear(1, 1, bias=False))
    nn.init.constant_(network[1].weight, theta_p)
    prior = WeightPrior.around(network, lam)
    nn.init.constant_(network[1].weight, mode)
    pixels = torch.from_numpy(x).float()[:, None, None, None]
    found = last_layer_posterior(
        network, "softmax", Resident(pixels, lambda v: v), torch.from_numpy(y), prior
    ).posterior
    assert found is not None
    new = torch.tensor([[-3.0], [0.5], [2.0]])
    covariance = found.covariance(new, 1)
    mean = float(density @ grid)
    exact = float(density @ (grid - mean) ** 2)
    np.testing.assert_allclose(covariance[:, 0, 0], exact * new[:, 0] ** 2, rtol=0.1)
    wide = spread(class_logits(network(new).detach().double()), covariance)
    for i, value in enumerate(new[:, 0].numpy()):
        p = 1 / (1 + np.exp(-grid * value))
        assert wide.probs[i, 1] == pytest.approx(float(density @ p), abs=0.01)


def test_where_there_is_no_posterior_it_says_why() -> None:
    network, source, hard = _case(3)
    prior = WeightPrior.around(network, 1.0)
    free = WeightPrior.around(network, 1.0, exclude=("4.*",))
    none = {n: torch.zeros_like(p) for n, p in network.named_parameters()}
    convolution = nn.Sequential(nn.Flatten(1), nn.Unflatten(1, (6, 1, 1)), nn.Conv2d(6, 3, 1))
    for given, head, some, words in (
        (network, "softmax", replace(prior, lam=0.0), "improper"),
        (network, "softmax", replace(prior, lam=math.inf), "the point theta_p"),
        (network, "softmax", free, "leaves the last layer free"),
        (network, "softmax", replace(prior, fisher=none), "leaves the last layer free"),
        (network, "dirichlet", prior, "its own uncertainty"),
        (convolution, "softmax", WeightPrior.around(convolution, 1.0), "is not linear"),
    ):
        found = last_layer_posterior(given, head, source, hard, some)
        assert found.posterior is None
        assert words in found.note


def test_the_whole_job_carries_it(study: Study, tmp_path: Path) -> None:
    labels, cases = study(40)
    quick = Schedule(epochs=3, batch_size=16, lr=1e-3)
    files = [p for p, s in zip(cases.images, cases.split, strict=True) if s == "test"]
    information = []
    for lam in (0.1, 100.0):
        out = tmp_path / str(lam)
        done = distill(labels, cases, lam=lam, schedule=quick, out=out)
        assert done.student.spec.training["laplace"] == "full"
        found, again = done.student.predict(files), load_student(out).predict(files)
        assert found.spread is not None
        assert again.spread is not None
        for one, two in zip(found.spread, again.spread, strict=True):
            np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(found.probs, done.predict_proba(files))
        information.append(found.spread.epistemic.mean())
        assert done.theta_p.predict(files).spread is None
    assert information[0] > information[1] > 0  # a stronger prior leaves less open
    plain = distill(labels, cases, lam=math.inf, schedule=quick)
    assert plain.student.predict(files).epistemic is None
    assert "the point theta_p" in plain.student.spec.training["laplace"]
