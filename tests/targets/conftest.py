"""A toy training set that every target can be made of, and the gradient by autograd."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from labelppl.targets import Target, TargetData

CASES, CLASSES, DRAWS = 12, 3, 40


@pytest.fixture
def evidence() -> TargetData:
    """Twelve labelled cases of three classes with soft labels, draws, votes and a teacher."""
    g = torch.Generator().manual_seed(7)
    hard = torch.arange(CASES) % CLASSES
    centre = torch.randn(CASES, CLASSES, generator=g, dtype=torch.float64)
    noise = torch.randn(DRAWS, CASES, CLASSES, generator=g, dtype=torch.float64)
    draws = (centre + 0.5 * noise).softmax(-1)
    return TargetData(
        hard=hard,
        soft=draws.mean(0),
        draws=draws,
        votes=torch.randint(1, 6, (CASES, CLASSES), generator=g),
        teacher=torch.randn(CASES, CLASSES, generator=g, dtype=torch.float64),
        confusion=torch.tensor([[8, 2, 0], [1, 6, 3], [0, 1, 9]]),
        measured=torch.randn(CASES, 2, generator=g, dtype=torch.float64),
    )


@pytest.fixture
def logits() -> Tensor:
    """Logits for the toy cases, (cases, classes) float64."""
    g = torch.Generator().manual_seed(3)
    return torch.randn(CASES, CLASSES, generator=g, dtype=torch.float64)


@pytest.fixture
def gradient() -> Callable[[Target, Tensor, Tensor], Tensor]:
    """d(sum of the losses) / d logits by autograd."""

    def by_autograd(target: Target, logits: Tensor, targets: Tensor) -> Tensor:
        z = logits.clone().requires_grad_()
        loss = target.loss(z, targets, torch.arange(len(z)))
        assert loss.shape == (len(z),)
        return torch.autograd.grad(loss.sum(), z)[0]

    return by_autograd
