"""The batched transition: reversible, volume keeping, and leaving its target as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from labelppl.inference.hmc import from_white, state_at, to_gradient, to_white, transition


def _root(dim: int) -> Tensor:
    generator = torch.Generator().manual_seed(dim)
    raw = torch.randn(dim, dim, generator=generator, dtype=torch.float64)
    return torch.linalg.cholesky(raw @ raw.mT + torch.eye(dim, dtype=torch.float64))


@pytest.mark.parametrize("whole", [True, False])
def test_whitening_is_linear_algebra(whole: bool) -> None:
    root = _root(4) if whole else _root(4).diagonal()
    matrix = root if whole else torch.diag(root)
    z = torch.randn(3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(from_white(root, z), (matrix @ z.mT).mT)
    torch.testing.assert_close(to_white(root, from_white(root, z)), z)
    torch.testing.assert_close(to_gradient(root, z), (matrix.mT @ z.mT).mT)


def test_gradients_are_autograds_by_rows(reference: Any) -> None:
    u = reference.density.start(4, 0)
    found = state_at(reference.density, u)
    for row in range(4):
        x = u[row : row + 1].clone().requires_grad_()
        (slope,) = torch.autograd.grad(reference.density.log_prob(x).sum(), x)
        torch.testing.assert_close(found.gradients[row], slope[0])


def test_the_proposal_run_backwards_returns(
    gaussian: Callable[[Tensor, Tensor], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = _root(3)
    density = gaussian(torch.zeros(3, dtype=torch.float64), root @ root.mT)
    state = state_at(density, density.start(5, 0))
    generator = torch.Generator().manual_seed(1)
    forth = transition(density, state, root, step=0.3, leapfrogs=7, generator=generator)

    def reversed_velocity(*shape: Any, **options: Any) -> Tensor:
        return -forth.velocity

    monkeypatch.setattr(torch, "randn", reversed_velocity)
    there = state_at(density, forth.proposal)
    back = transition(density, there, root, step=0.3, leapfrogs=7, generator=generator)
    torch.testing.assert_close(back.proposal, state.points, rtol=1e-9, atol=1e-9)


def test_the_target_stays(correlated: tuple[Any, Tensor, Tensor]) -> None:
    density, mean, covariance = correlated
    root = torch.linalg.cholesky(covariance)
    generator = torch.Generator().manual_seed(2)
    white = torch.randn(4000, 20, generator=generator, dtype=torch.float64)
    state = state_at(density, mean + from_white(root, white))
    accepts = []
    for _ in range(10):
        done = transition(density, state, root, step=0.7, leapfrogs=3, generator=generator)
        state, _ = done.state, accepts.append(float(done.accept.mean()))
    assert 0.3 < min(accepts) < max(accepts) < 0.999  # neither stuck nor without rejections
    z = to_white(root, state.points - mean)
    assert float(z.mean(0).abs().max()) < 4 / 4000**0.5
    off = torch.cov(z.mT) - torch.eye(20, dtype=torch.float64)
    assert float(off.abs().max()) < 5 * (2 / 4000) ** 0.5


def test_energy_error_falls_with_the_square_of_the_step(
    correlated: tuple[Any, Tensor, Tensor],
) -> None:
    density, mean, covariance = correlated
    root = torch.linalg.cholesky(covariance)
    white = torch.randn(2000, 20, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    state = state_at(density, mean + from_white(root, white))
    errors = []
    for step, leapfrogs in ((0.2, 5), (0.1, 10), (0.05, 20)):
        generator = torch.Generator().manual_seed(3)
        done = transition(density, state, root, step=step, leapfrogs=leapfrogs, generator=generator)
        errors.append(float(-done.accept.clamp_min(1e-300).log().mean()))
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.2)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.2)


def test_an_exploding_chain_is_divergent_and_stays(funnel: Callable[[int], Any]) -> None:
    density = funnel(3)
    points = torch.tensor([[-30.0, 1e-7, 0.0], [0.0, 0.1, 0.1]], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    root = torch.ones(3, dtype=torch.float64)
    done = transition(
        density, state_at(density, points), root, step=0.5, leapfrogs=20, generator=generator
    )
    assert done.divergent.tolist() == [True, False]
    assert torch.equal(done.state.points[0], points[0])
    assert bool(torch.isfinite(done.state.points).all())
