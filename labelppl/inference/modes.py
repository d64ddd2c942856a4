"""Modes of a density from several starts at once: saddle-free Newton with a line of candidates.

At u with gradient g and negative Hessian A = Q diag(a) Q' the step is Q diag(1/|a|) Q' g
(Dauphin et al. 2014: |a| turns a saddle's ascent directions the right way). Every start tries a
ladder of steps in one batch and takes the best, so that one iteration costs one Hessian and one
batched evaluation whatever the number of starts.

Assumption: twice differentiable by autograd; dimension small enough for a dense Hessian.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .base import Density, rows_at_once

MODE_STEPS = 60
# Half a squared Newton step, in log density: .014 posterior standard deviations from the mode.
DECREMENT = 1e-4
SHRINKING = 0.3
# Curvature, in units of the largest, that rounding alone may leave.
FLAT = 1e-13
LENGTHS = (1.0, 0.5, 0.2, 0.05, 0.01)
REACHES = (4.0, 1.0, 0.25)
MODE_ROWS = 256
#: Two ends further apart than this many posterior standard deviations are two modes.
APART = 1.0


class Modes(NamedTuple):
    """Where each start arrived.

    points (starts, dim), log_probs (starts,), precisions: the negative Hessians there
    (starts, dim, dim), converged (starts,).
    """

    points: Tensor
    log_probs: Tensor
    precisions: Tensor
    converged: Tensor
    iterations: int

    def best(self) -> int | None:
        """The start that reached the highest mode, or None where none reached any."""
        if not bool(self.converged.any()):
            return None
        return int(torch.where(self.converged, self.log_probs, -torch.inf).argmax())

    def join(self, others: Modes) -> Modes:
        """These starts, then the others."""
        return Modes(
            torch.cat([self.points, others.points]),
            torch.cat([self.log_probs, others.log_probs]),
            torch.cat([self.precisions, others.precisions]),
            torch.cat([self.converged, others.converged]),
            max(self.iterations, others.iterations),
        )

    def log_masses(self) -> Tensor:
        """log p(m) |S|^(1/2) of every start's end (starts,), -inf where it reached no mode."""
        log_det = torch.linalg.slogdet(self.precisions).logabsdet
        return torch.where(self.converged, self.log_probs - 0.5 * log_det, -torch.inf)


def distinct(modes: Modes) -> list[int]:
    """One start for each different mode, the highest mode first.

    Two ends are one mode where each lies within `APART` standard deviations of the other, by the curvature at either.
    """
    kept: list[int] = []
    for at in modes.log_probs.argsort(descending=True, stable=True).tolist():
        if not bool(modes.converged[at]):
            continue
        shifts = [modes.points[at] - modes.points[other] for other in kept]
        new = all(
            max(
                float(shift @ modes.precisions[at] @ shift),
                float(shift @ modes.precisions[other] @ shift),
            )
            > APART**2
            for shift, other in zip(shifts, kept, strict=True)
        )
        if new:
            kept.append(at)
    return kept


def find_modes(density: Density, starts: Tensor, *, iterations: int = MODE_STEPS) -> Modes:
    """Climb from every start (starts, dim) to a point where the gradient vanishes below a maximum.

    A start that reaches no proper maximum (runs off to infinity, ends on a ridge, or begins where
    the density is zero or not a number) is returned with ``converged`` false.
    """
    points = starts.detach().clone()
    with torch.no_grad():
        log_probs = density.log_prob(points)
    precisions = torch.eye(density.dim, dtype=points.dtype, device=points.device).repeat(
        len(points), 1, 1
    )
    converged = torch.zeros(len(points), dtype=torch.bool, device=points.device)
    active = torch.isfinite(log_probs)
    last_reach = torch.full_like(log_probs, torch.inf)
    done = 0
    while bool(active.any()) and done < iterations:
        done += 1
        at = active.nonzero().squeeze(-1)
        _, gradient, hessian = derivatives(density, points[at])
        usable = torch.isfinite(gradient).all(-1) & torch.isfinite(hessian).all(-1).all(-1)
        active[at[~usable]] = False
        at, gradient, hessian = at[usable], gradient[usable], hessian[usable]
        if not len(at):
            break
        precisions[at] = -hessian
        curvature, axes = torch.linalg.eigh(-hessian)
        slope = (axes.mT @ gradient.unsqueeze(-1)).squeeze(-1)
        floor = curvature.abs().amax(-1, keepdim=True) * FLAT + 1e-300
        bent = curvature.abs().clamp_min(floor)
        decrement = 0.5 * (slope.square() / bent).sum(-1)
        newton = (axes @ (slope / bent).unsqueeze(-1)).squeeze(-1)
        # Steps that do not shrink climb a slope without end, however little height is left on it.
        reach = newton.abs().amax(-1)
        settling = reach < SHRINKING * last_reach[at]
        last_reach[at] = reach
        arrived = (decrement < DECREMENT) & settling & (curvature > floor).all(-1)
        converged[at[arrived]] = True
        # The last Newton step is free and lands within DECREMENT squared of the mode.
        points[at[arrived]] += newton[arrived]
        log_probs[at[arrived]] += decrement[arrived]
        active[at[arrived]] = False
        at, axes, along = at[~arrived], axes[~arrived], (slope / bent)[~arrived]
        if not len(at):
            continue

        candidates = points[at].unsqueeze(1) + _steps(axes, along)
        with torch.no_grad():
            values = density.log_prob(candidates.flatten(0, 1)).view(candidates.shape[:2])
        values = torch.where(torch.isfinite(values), values, -torch.inf)
        best, which = values.max(-1)
        better = best > log_probs[at]
        moved = at[better]
        points[moved] = candidates[better, which[better]]
        log_probs[moved] = best[better]
        active[at[~better]] = False
    return Modes(points, log_probs, precisions, converged, done)


def derivatives(density: Density, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Log density (n,), gradient (n, dim) and Hessian (n, dim, dim) at points u (n, dim).

    Every point is repeated once for each column of its Hessian, so that two ordinary backward passes
    give all columns. (Batched backward passes would do too, but import torch's compiler first.)
    """
    n, dim = u.shape
    columns = max(1, min(dim, rows_at_once(density, most=MODE_ROWS) // n))
    basis = torch.eye(dim, dtype=u.dtype, device=u.device)
    parts = []
    for chunk in basis.split(columns):
        repeated = u.detach().repeat(len(chunk), 1).requires_grad_()
        value = density.log_prob(repeated)
        (gradient,) = torch.autograd.grad(value.sum(), repeated, create_graph=True)
        if gradient.requires_grad:
            (column,) = torch.autograd.grad(
                (gradient * chunk.repeat_interleave(n, 0)).sum(), repeated
            )
        else:  # a density linear in u
            column = torch.zeros_like(gradient)
        parts.append(column.view(len(chunk), n, dim))
    hessian = torch.cat(parts).transpose(0, 1)
    return value[:n].detach(), gradient[:n].detach(), 0.5 * (hessian + hessian.mT)


def _steps(axes: Tensor, along: Tensor) -> Tensor:
    """The ladder of trial steps (n, candidates, dim) of a Newton step ``along`` the axes (n, dim).

    Shortened as a whole, for a step that overshoots; and clipped axis by axis, for one that runs
    off along a flat direction (coordinates are unconstrained, so that 1 is a natural length).
    """
    ladder = [length * along for length in LENGTHS]
    ladder += [along.clamp(-reach, reach) for reach in REACHES]
    return torch.stack(ladder, 1) @ axes.mT
