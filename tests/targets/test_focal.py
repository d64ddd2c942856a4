"""Focal loss: the value of docs/methods.md §4, the gradient, and its expectation under soft labels."""

import torch
from torch.nn import functional

from labelppl.targets import TARGETS, TargetData


def test_value_of_the_check():
    target = TARGETS["focal"](2.0)
    q = torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64)
    targets = target.start(TargetData(hard=torch.tensor([0]), classes=3))
    loss = target.loss(q.log(), targets, torch.arange(1))
    assert abs(float(loss) - 0.173287) < 1e-6


def test_gradient(evidence, logits, gradient):
    gamma = 2.5
    target = TARGETS["focal"](gamma)
    y = torch.eye(3, dtype=torch.float64)[evidence.hard]
    q = logits.softmax(1)
    true = (q * y).sum(1, keepdim=True)
    slope = gamma * (1 - true) ** (gamma - 1) * true.log() - (1 - true) ** gamma / true
    expected = slope * true * (y - q)
    torch.testing.assert_close(gradient(target, logits, target.start(evidence)), expected)


def test_without_focus_it_is_cross_entropy(evidence, logits):
    target = TARGETS["focal"](0.0, "soft")
    loss = target.loss(logits, target.start(evidence), torch.arange(len(logits)))
    torch.testing.assert_close(
        loss, functional.cross_entropy(logits, evidence.soft, reduction="none")
    )


def test_soft_labels_give_the_expectation_over_classes(evidence, logits):
    rows = torch.arange(len(logits))
    target = TARGETS["focal"](3.0, "soft")
    soft = target.loss(logits, target.start(evidence), rows)
    expected = torch.zeros_like(soft)
    for k in range(3):
        hard = TARGETS["focal"](3.0)
        targets = hard.start(TargetData(hard=torch.full_like(evidence.hard, k), classes=3))
        expected += evidence.soft[:, k] * hard.loss(logits, targets, rows)
    torch.testing.assert_close(soft, expected)


def test_flsd53_switches_its_exponent_at_a_fifth():
    target = TARGETS["focal"]("flsd53")
    q = torch.tensor([[0.19, 0.81], [0.21, 0.79]], dtype=torch.float64)
    targets = target.start(TargetData(hard=torch.tensor([0, 0]), classes=2))
    loss = target.loss(q.log(), targets, torch.arange(2))
    true = q[:, 0]
    expected = -((1 - true) ** torch.tensor([5.0, 3.0], dtype=torch.float64)) * true.log()
    torch.testing.assert_close(loss, expected)


def test_a_certain_right_answer_has_a_finite_gradient(gradient):
    target = TARGETS["focal"](0.5)
    targets = target.start(TargetData(hard=torch.tensor([0]), classes=2))
    certain = torch.tensor([[80.0, -80.0]])
    assert gradient(target, certain, targets).isfinite().all()
