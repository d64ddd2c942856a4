"""Label smoothing: equal to PyTorch's, and to CE plus KL(u || q)."""

import pytest
import torch
from torch.nn import functional

from labelppl.errors import InputError
from labelppl.targets import TARGETS


def test_equals_pytorch(evidence, logits):
    target = TARGETS["smooth"](0.1)
    loss = target.loss(logits, target.start(evidence), torch.arange(len(logits)))
    expected = functional.cross_entropy(
        logits, evidence.hard, reduction="none", label_smoothing=0.1
    )
    torch.testing.assert_close(loss, expected)


def test_gradient(evidence, logits, gradient):
    target = TARGETS["smooth"](0.3)
    y = torch.eye(3, dtype=torch.float64)[evidence.hard]
    expected = logits.softmax(1) - (0.7 * y + 0.1)
    torch.testing.assert_close(gradient(target, logits, target.start(evidence)), expected)


def test_is_cross_entropy_plus_divergence_from_uniform(evidence, logits):
    target, epsilon = TARGETS["smooth"](0.2), 0.2
    loss = target.loss(logits, target.start(evidence), torch.arange(len(logits)))
    log_q = logits.log_softmax(1)
    uniform = torch.full_like(log_q, 1 / 3)
    kl = (uniform * (uniform.log() - log_q)).sum(1)
    ce = functional.cross_entropy(logits, evidence.hard, reduction="none")
    constant = epsilon * torch.log(torch.tensor(3.0, dtype=torch.float64))
    torch.testing.assert_close(loss, (1 - epsilon) * ce + epsilon * kl + constant)


def test_option_out_of_range():
    with pytest.raises(InputError, match="epsilon: got 2"):
        TARGETS["smooth"](2)
