"""Hard labels: the gradient, and the minimiser is the class frequency."""

import torch

from labelppl.targets import TARGETS, TargetData


def test_gradient(evidence, logits, gradient):
    target = TARGETS["hard"]()
    y = torch.eye(3, dtype=torch.float64)[evidence.hard]
    expected = logits.softmax(1) - y
    torch.testing.assert_close(gradient(target, logits, target.start(evidence)), expected)


def test_minimiser_at_one_image_is_the_class_frequency():
    target = TARGETS["hard"]()
    targets = target.start(TargetData(hard=torch.tensor([0, 0, 0, 1, 1]), classes=2)).double()
    frequency = torch.tensor([[0.6, 0.4]], dtype=torch.float64)
    z = frequency.log().repeat(5, 1).requires_grad_()
    target.loss(z, targets, torch.arange(5)).mean().backward()
    torch.testing.assert_close(z.grad.sum(0), torch.zeros(2, dtype=torch.float64))
