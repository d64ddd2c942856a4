"""Confidence penalty: gradient by hand, and CE + beta KL(q || u) up to a constant."""

import math

import torch
from torch.nn import functional

from labelppl.targets import TARGETS


def test_gradient(evidence, logits, gradient):
    target = TARGETS["confidence-penalty"](0.4)
    y = torch.eye(3, dtype=torch.float64)[evidence.hard]
    q = logits.softmax(1)
    entropy = -(q * q.log()).sum(1, keepdim=True)
    expected = q - y + 0.4 * q * (q.log() + entropy)
    torch.testing.assert_close(gradient(target, logits, target.start(evidence)), expected)


def test_is_cross_entropy_plus_divergence_to_uniform(evidence, logits):
    target = TARGETS["confidence-penalty"](0.4)
    loss = target.loss(logits, target.start(evidence), torch.arange(len(logits)))
    q = logits.softmax(1)
    kl = (q * (q * 3).log()).sum(1)
    ce = functional.cross_entropy(logits, evidence.hard, reduction="none")
    torch.testing.assert_close(loss, ce + 0.4 * (kl - math.log(3)))
