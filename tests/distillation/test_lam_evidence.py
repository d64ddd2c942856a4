"""The evidence against quadrature, brute-force Jacobians and the formula in weight space."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch import Tensor, nn

from labelppl.distillation import lam_evidence as evidence
from labelppl.distillation.lam_evidence import gradients, log_evidence
from labelppl.students.logits import class_logits
from labelppl.training.source import Resident


def _resident(x: Tensor) -> Resident:
    return Resident(x, lambda v: v)


def _slope(start: float) -> nn.Sequential:
    layer = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(layer.weight, start)
    return nn.Sequential(nn.Flatten(), layer)


@pytest.mark.parametrize("lam", [0.05, 1.0, 20.0])
def test_one_weight_logistic_against_quadrature(lam: float) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=60)
    y = (rng.random(60) < 1 / (1 + np.exp(-1.2 * x))).astype(int)

    def integrand(w: float) -> float:
        log_p = -np.logaddexp(0, -np.where(y == 1, 1, -1) * w * x).sum()
        return math.exp(log_p + 30 + 0.5 * math.log(lam / math.pi) - lam * (w - 0.7) ** 2)

    exact = math.log(quad(integrand, -15, 15, epsabs=1e-14, points=[0.7, 1.2])[0]) - 30
    source = _resident(torch.from_numpy(x)[:, None, None, None])
    found = log_evidence(_slope(0.7), source, torch.from_numpy(y), [lam, math.inf, 0.0])
    assert found is not None
    assert found[0] == pytest.approx(exact, abs=0.02)
    assert found[1] == pytest.approx(-np.logaddexp(0, -np.where(y == 1, 1, -1) * 0.7 * x).sum())
    assert found[2] == -math.inf


def _small(outputs: int) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1, stride=2),
        nn.Tanh(),
        nn.Conv2d(2, 3, 2, bias=False),
        nn.Flatten(),
        nn.Linear(12, 4),
        nn.Tanh(),
        nn.Linear(4, outputs),
    ).double()


@pytest.mark.parametrize("outputs", [1, 3])
def test_function_space_equals_weight_space(outputs: int) -> None:
    """log Z by docs/methods.md §6's formula, J by autograd, the mode by plain optimisation in weights."""
    network, lam, n = _small(outputs), 0.8, 9
    x = torch.randn(n, 1, 6, 6, dtype=torch.float64)
    hard = torch.randint(0, max(2, outputs), (n,))
    parameters = list(network.parameters())
    out = network(x)
    jacobian = torch.stack(
        [
            torch.cat([g.flatten() for g in torch.autograd.grad(v, parameters, retain_graph=True)])
            for v in out.flatten()
        ]
    )
    delta = torch.zeros(jacobian.shape[1], dtype=torch.float64, requires_grad=True)

    def log_joint() -> Tensor:
        logits = class_logits(out.detach() + (jacobian @ delta).reshape(n, outputs))
        return (
            -nn.functional.cross_entropy(logits, hard, reduction="sum") - lam * delta.square().sum()
        )

    optimiser = torch.optim.LBFGS([delta], max_iter=500, tolerance_grad=1e-12, tolerance_change=0)

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = -log_joint()
        loss.backward()
        return loss

    optimiser.step(closure)
    hessian = -torch.autograd.functional.hessian(
        lambda u: (
            -nn.functional.cross_entropy(class_logits(u.reshape(n, outputs)), hard, reduction="sum")
        ),
        (out.flatten() + jacobian @ delta).detach(),
    )
    h = jacobian.T @ hessian @ jacobian
    p = len(delta)
    determinant = torch.linalg.slogdet(h + 2 * lam * torch.eye(p, dtype=torch.float64))[1]
    expected = float(log_joint().detach()) - 0.5 * (float(determinant) - p * math.log(2 * lam))
    found = log_evidence(network, _resident(x), hard, [lam])
    assert found is not None
    assert found[0] == pytest.approx(expected, abs=1e-7)


def test_what_is_not_exact_or_affordable_has_no_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(4, 1, 6, 6, dtype=torch.float64)
    hard = torch.tensor([0, 1, 0, 1])
    normed = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(36, 1)).double()
    assert log_evidence(normed, _resident(x), hard, [1.0]) is None
    monkeypatch.setattr(evidence, "MOST_OUTPUTS", 3)
    assert log_evidence(_small(1), _resident(x), hard, [1.0]) is None


def test_gradients_of_each_case() -> None:
    network = _small(3)
    x = torch.randn(5, 1, 6, 6, dtype=torch.float64)
    hard = torch.tensor([0, 2, 1, 1, 0])
    found = list(gradients(network, _resident(x), hard, torch.device("cpu")))
    total = {n: sum(g[n] for g in found) for n, _ in network.named_parameters()}
    loss = -nn.functional.cross_entropy(network(x), hard, reduction="sum")
    for (name, _), g in zip(
        network.named_parameters(),
        torch.autograd.grad(loss, list(network.parameters())),
        strict=True,
    ):
        torch.testing.assert_close(total[name], g)
