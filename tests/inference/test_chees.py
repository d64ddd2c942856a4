"""The trajectory length follows the gradient of its criterion and settles where it should."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from labelppl.inference.chains import _leapfrogs
from labelppl.inference.chees import ACCEPT, Chees, halton
from labelppl.inference.hmc import state_at, transition


def test_halton_is_van_der_corput() -> None:
    assert [halton(i) for i in range(7)] == [1 / 2, 1 / 4, 3 / 4, 1 / 8, 5 / 8, 3 / 8, 7 / 8]


def _tune(density: Any, length: float, seed: int, transitions: int = 200) -> Chees:
    generator = torch.Generator().manual_seed(seed)
    dim = density.dim
    points = torch.randn(128, dim, generator=generator, dtype=torch.float64)
    state, root = state_at(density, points), torch.ones(dim, dtype=torch.float64)
    tuning = Chees(0.5, length)
    for i in range(transitions):
        jitter = halton(i)
        done = transition(
            density,
            state,
            root,
            step=tuning.step,
            leapfrogs=_leapfrogs(jitter * tuning.length, tuning.step),
            generator=generator,
        )
        tuning.update(state, done, root, jitter)
        state = done.state
    return tuning


@pytest.mark.parametrize("start", [0.3, 1.0, 2.0])
def test_a_standard_normal_wants_about_a_quarter_period(
    gaussian: Callable[[Tensor, Tensor], Any], start: float
) -> None:
    """After time t, E[(change of |z|^2)^2] is proportional to sin(t)^2, which is largest at pi / 2.

    Averaged over jittered times below T that becomes 1/2 - sin(2T) / 4T, largest at T = 2.25; a time
    is rounded up to whole steps, which makes the tuned T shorter.
    """
    density = gaussian(torch.zeros(10, dtype=torch.float64), torch.eye(10, dtype=torch.float64))
    _, length = _tune(density, start, seed=0).averages()
    assert math.pi / 4 < length < 2.5


def test_the_step_reaches_its_acceptance(gaussian: Callable[[Tensor, Tensor], Any]) -> None:
    density = gaussian(torch.zeros(20, dtype=torch.float64), torch.eye(20, dtype=torch.float64))
    step, length = _tune(density, 1.0, seed=1).averages()
    generator = torch.Generator().manual_seed(2)
    root = torch.ones(20, dtype=torch.float64)
    state = state_at(density, density.start(1000, 0))
    harmonic = []
    for i in range(40):
        leapfrogs = _leapfrogs(halton(i) * length, step)
        done = transition(density, state, root, step=step, leapfrogs=leapfrogs, generator=generator)
        state = done.state
        harmonic.append(1 / float((1 / done.accept.clamp_min(1e-3)).mean()))
    # Averages of few and of many chains differ: a harmonic mean feels its worst member.
    assert sum(harmonic) / len(harmonic) == pytest.approx(ACCEPT, abs=0.15)


def test_wide_targets_get_longer_trajectories(gaussian: Callable[[Tensor, Tensor], Any]) -> None:
    wide = gaussian(
        torch.zeros(2, dtype=torch.float64), torch.diag(torch.tensor([1.0, 100.0]).double())
    )
    tuned = _tune(wide, 1.0, seed=3, transitions=400)
    assert tuned.averages()[1] > 4.0
