"""Step and trajectory length of many Hamiltonian chains, learned across the chains.

The length T climbs the change in the estimator of the expected square (Hoffman, Radul & Sountsov
2021), with z in whitened coordinates, m the mean over chains and a prime for the proposal,

    1/4 E[(|z' - m'|^2 - |z - m|^2)^2],   d/d log T:  h T (|z' - m'|^2 - |z - m|^2) (z' - m').v',

each chain weighted by its acceptance, the step on log T scaled RMSProp-style. The step size follows
dual averaging (Hoffman & Gelman 2014) towards a harmonic-mean acceptance of .651. Constants are
TFP's and BlackJAX's.
"""

from __future__ import annotations

import math

import torch

from .hmc import State, Transition, to_white

ACCEPT = 0.651
RATE, DECAY, CLIP = 0.025, 0.95, 0.35
SHRINK, DELAY, FORGET = 0.05, 10.0, 0.75
MAX_LEAPFROGS = 1000
# A chain that never accepts must push the step down, but not to nothing in one transition.
LEAST_ACCEPT = 1e-3


def halton(i: int) -> float:
    """The i-th (from 0) number of the base-2 Halton sequence, in (0, 1)."""
    value, scale, i = 0.0, 0.5, i + 1
    while i:
        value += scale * (i & 1)
        i >>= 1
        scale /= 2
    return value


class Chees:
    """Tuning in progress; `averages` gives what is to be frozen."""

    def __init__(self, step: float, length: float, accept: float = ACCEPT) -> None:
        self.log_length = math.log(length)
        self.accept = accept
        self._second_moment = 0.0
        self._updates = 0
        self.restart(step)

    def restart(self, step: float) -> None:
        """Forget the averages, e.g. because the metric has changed; go on from this step."""
        self.log_step = math.log(step)
        self._centre = math.log(10 * step)
        self._error = 0.0
        self._count = 0
        self._log_step_mean = self.log_step
        self._log_length_mean = self.log_length

    @property
    def step(self) -> float:
        return math.exp(self.log_step)

    @property
    def length(self) -> float:
        return math.exp(self.log_length)

    def averages(self) -> tuple[float, float]:
        """Step and length to freeze."""
        return math.exp(self._log_step_mean), math.exp(self._log_length_mean)

    def update(self, before: State, done: Transition, root: torch.Tensor, jitter: float) -> None:
        """Learn from one transition; waits for the device once."""
        accept = torch.where(done.divergent, 0.0, done.accept)
        harmonic = 1 / (1 / accept.clamp_min(LEAST_ACCEPT)).mean()
        weight = accept.unsqueeze(-1)
        z = to_white(root, before.points)
        z_new = to_white(root, done.proposal)
        centre_new = (weight * z_new).nansum(0) / weight.sum().clamp_min(1e-12)
        off, off_new = z - z.mean(0), z_new - centre_new
        change = off_new.square().sum(-1) - off.square().sum(-1)
        slope = change * (off_new * done.velocity).sum(-1)
        usable = torch.isfinite(slope) & (accept > 0)
        slope = torch.where(usable, accept * slope, 0.0).sum() / accept.sum().clamp_min(1e-12)
        harmonic_, slope_ = torch.stack([harmonic, slope]).tolist()
        self._update_step(harmonic_)
        self._update_length(jitter * self.length * slope_)

    def _update_step(self, accept: float) -> None:
        self._count += 1
        t = self._count
        share = 1 / (t + DELAY)
        self._error = (1 - share) * self._error + share * (self.accept - accept)
        self.log_step = self._centre - math.sqrt(t) / SHRINK * self._error
        weight = t**-FORGET
        self._log_step_mean = weight * self.log_step + (1 - weight) * self._log_step_mean

    def _update_length(self, slope: float) -> None:
        if not math.isfinite(slope):
            return
        self._updates += 1
        self._second_moment = DECAY * self._second_moment + (1 - DECAY) * slope**2
        moment = self._second_moment / (1 - DECAY**self._updates)
        move = RATE * slope / (math.sqrt(moment) + 1e-12)
        self.log_length += min(max(move, -CLIP), CLIP)
        longest = self.log_step + math.log(MAX_LEAPFROGS)
        self.log_length = min(self.log_length, longest)
        weight = self._count**-0.5
        self._log_length_mean = weight * self.log_length + (1 - weight) * self._log_length_mean
