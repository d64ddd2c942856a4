"""One Hamiltonian transition of a whole batch of chains, all with the same number of leapfrogs.

With u = root z, velocities v ~ N(0, I) and gradients root' grad log p(u), the leapfrog runs in the
whitened coordinates z; ``root`` is a lower-triangular matrix (dim, dim), or its diagonal (dim,).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .base import Density, rows_at_once

#: Energy error at which a transition counts as divergent (Stan's).
DIVERGENT = 1000.0


class State(NamedTuple):
    """points (chains, dim), their log densities (chains,) and gradients (chains, dim)."""

    points: Tensor
    log_probs: Tensor
    gradients: Tensor


class Transition(NamedTuple):
    """Where the chains are now, and what was proposed to them.

    proposal: (chains, dim) in u; velocity: (chains, dim) in z at the proposal. accept: probability
    (chains,). divergent: (chains,).
    """

    state: State
    proposal: Tensor
    velocity: Tensor
    accept: Tensor
    divergent: Tensor


def state_at(density: Density, points: Tensor) -> State:
    """The density and its gradient at points (chains, dim)."""
    log_probs, gradients = [], []
    for rows in points.detach().split(rows_at_once(density)):
        u = rows.requires_grad_()
        value = density.log_prob(u)
        gradients.append(torch.autograd.grad(value.sum(), u)[0])
        log_probs.append(value.detach())
    return State(points.detach(), torch.cat(log_probs), torch.cat(gradients))


def transition(
    density: Density,
    state: State,
    root: Tensor,
    *,
    step: float,
    leapfrogs: int,
    generator: torch.Generator,
) -> Transition:
    """Move every chain along ``leapfrogs`` steps and accept or reject by Metropolis.

    Nothing here waits for the device; a chain whose point stops being finite is held where it was.
    """
    points = state.points
    velocity = torch.randn(
        points.shape, dtype=points.dtype, device=points.device, generator=generator
    )
    energy = state.log_probs - 0.5 * velocity.square().sum(-1)
    at = state
    velocity = velocity + 0.5 * step * to_gradient(root, at.gradients)
    for i in range(leapfrogs):
        moved = at.points + step * from_white(root, velocity)
        moved = torch.where(torch.isfinite(moved).all(-1, keepdim=True), moved, points)
        at = state_at(density, moved)
        half = 0.5 if i == leapfrogs - 1 else 1.0
        velocity = velocity + half * step * to_gradient(root, at.gradients)
    change = at.log_probs - 0.5 * velocity.square().sum(-1) - energy
    change = torch.where(torch.isnan(change), -torch.inf, change)
    accept = change.clamp(max=0.0).exp()
    chance = torch.rand(len(points), dtype=points.dtype, device=points.device, generator=generator)
    yes = chance < accept
    return Transition(
        state=State(
            torch.where(yes[:, None], at.points, points),
            torch.where(yes, at.log_probs, state.log_probs),
            torch.where(yes[:, None], at.gradients, state.gradients),
        ),
        proposal=at.points,
        velocity=velocity,
        accept=accept,
        divergent=change < -DIVERGENT,
    )


def from_white(root: Tensor, z: Tensor) -> Tensor:
    """u - u0 of whitened z (chains, dim)."""
    return z * root if root.ndim == 1 else z @ root.mT


def to_white(root: Tensor, u: Tensor) -> Tensor:
    """z of u - u0 (chains, dim)."""
    if root.ndim == 1:
        return u / root
    return torch.linalg.solve_triangular(root, u.mT, upper=False).mT


def to_gradient(root: Tensor, gradient: Tensor) -> Tensor:
    """Gradient by z of the gradient by u (chains, dim)."""
    return gradient * root if root.ndim == 1 else gradient @ root
