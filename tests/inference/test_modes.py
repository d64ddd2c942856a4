"""Newton from several starts: exact on Gaussians, derivatives equal to autograd's and differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from labelppl.inference.modes import derivatives, find_modes


def test_one_step_to_the_mode_of_a_gaussian(correlated: tuple[Any, Tensor, Tensor]) -> None:
    density, mean, covariance = correlated
    found = find_modes(density, density.start(5, 0))
    assert bool(found.converged.all())
    # Newton lands in one step, sees it in the second.
    assert found.iterations <= 2
    assert float((found.points - mean).abs().max()) < 1e-8
    identity = found.precisions @ covariance
    assert float((identity - torch.eye(20, dtype=torch.float64)).abs().max()) < 1e-8


def test_derivatives_are_those_of_torch_func(reference: Any) -> None:
    density = reference.density
    u = density.start(3, 1)
    value, gradient, hessian = derivatives(density, u)

    def one(x: Tensor) -> Tensor:
        return density.log_prob(x.unsqueeze(0)).squeeze(0)

    expected = torch.func.vmap(torch.func.grad(one))(u)
    torch.testing.assert_close(value, density.log_prob(u))
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-9)
    second = torch.func.vmap(torch.func.hessian(one))(u)
    torch.testing.assert_close(hessian, second, rtol=1e-8, atol=1e-8)
    step = 1e-6 * torch.eye(density.dim, dtype=torch.float64)
    for row in range(3):
        slope = (density.log_prob(u[row] + step) - density.log_prob(u[row] - step)) / 2e-6
        torch.testing.assert_close(slope, gradient[row], rtol=1e-5, atol=1e-4)


def test_gradient_vanishes_at_what_is_called_a_mode(reference: Any) -> None:
    found = find_modes(reference.density, reference.density.start(4, 0))
    assert bool(found.converged.all())
    _, gradient, hessian = derivatives(reference.density, found.points)
    newton = torch.linalg.solve(-hessian, gradient.unsqueeze(-1)).squeeze(-1)
    assert float((gradient * newton).sum(-1).max()) < 1e-6
    assert float(torch.linalg.eigvalsh(-hessian).min()) > 0


def test_two_modes_are_both_found(bimodal: Callable[[float], Any]) -> None:
    density = bimodal(4.0)
    starts = torch.tensor([[-3.0, 1.0], [3.0, -1.0], [5.0, 0.0]], dtype=torch.float64)
    found = find_modes(density, starts)
    assert found.points[:, 0].sign().tolist() == [-1, 1, 1]
    assert found.best() is not None


class _Slope:
    """log p = -log(1 + exp(-x)): rises for ever, has no mode."""

    dim = 1
    coordinates = ("x",)
    numbers = 1

    def log_prob(self, u: Tensor) -> Tensor:
        return torch.nn.functional.logsigmoid(u[:, 0])

    def start(self, n: int, seed: int) -> Tensor:
        return torch.zeros(n, 1, dtype=torch.float64)

    def prior_draws(self, n: int, seed: int) -> Tensor:
        return self.start(n, seed)


class _Nowhere(_Slope):
    """Zero density everywhere."""

    def log_prob(self, u: Tensor) -> Tensor:
        return u[:, 0] * 0 - torch.inf


@pytest.mark.parametrize("kind", [_Slope, _Nowhere])
def test_where_there_is_no_mode_none_is_claimed(kind: type[_Slope]) -> None:
    density = kind()
    found = find_modes(density, density.start(3, 0))
    assert not bool(found.converged.any())
    assert found.best() is None
