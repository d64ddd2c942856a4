"""Mixed labels: one cross entropy on the mixture equals the mixture of two cross entropies."""

import torch
from torch.nn import functional

from labelppl.targets import TARGETS


def test_equals_the_mixture_of_losses_and_gradient(evidence, logits, gradient):
    target = TARGETS["mixed"](0.3)
    targets = target.start(evidence)
    hard = functional.cross_entropy(logits, evidence.hard, reduction="none")
    soft = functional.cross_entropy(logits, evidence.soft, reduction="none")
    loss = target.loss(logits, targets, torch.arange(len(logits)))
    torch.testing.assert_close(loss, 0.3 * hard + 0.7 * soft)
    y = torch.eye(3, dtype=torch.float64)[evidence.hard]
    expected = logits.softmax(1) - 0.3 * y - 0.7 * evidence.soft
    torch.testing.assert_close(gradient(target, logits, targets), expected)
