"""Dual focal loss: the value of docs/methods.md §4, the gradient with its runner-up, ties."""

import torch

from labelppl.targets import TARGETS, TargetData


def by_hand(q, label, gamma):
    """A naive loop: the loss of one case."""
    below = [float(v) for v in q if v < q[label]]
    runner_up = max(below, default=0.0)
    return -((1 - float(q[label]) + runner_up) ** gamma) * float(q[label].log())


def test_value_of_the_check():
    target = TARGETS["dual-focal"](2.0)
    q = torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64)
    targets = target.start(TargetData(hard=torch.tensor([0]), classes=3))
    assert abs(float(target.loss(q.log(), targets, torch.arange(1))) - 0.443614) < 1e-6


def test_equals_the_naive_loop_with_ties(evidence):
    q = torch.tensor(
        [[0.4, 0.4, 0.2], [0.2, 0.4, 0.4], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]], dtype=torch.float64
    )
    target = TARGETS["dual-focal"](3.0)
    for label in range(3):
        hard = torch.full((4,), label)
        loss = target.loss(q.log(), target.start(TargetData(hard=hard, classes=3)), hard)
        expected = torch.tensor([by_hand(row, label, 3.0) for row in q], dtype=torch.float64)
        torch.testing.assert_close(loss, expected)


def test_gradient(evidence, logits, gradient):
    gamma = 2.0
    target = TARGETS["dual-focal"](gamma)
    q = logits.softmax(1)
    eye = torch.eye(3, dtype=torch.float64)
    expected = torch.zeros_like(q)
    for i, label in enumerate(evidence.hard.tolist()):
        below = [k for k in range(3) if q[i, k] < q[i, label]]
        j = max(below, key=lambda k: float(q[i, k])) if below else None
        base = 1 - q[i, label] + (0 if j is None else q[i, j])
        log_q = q[i, label].log()
        on_label = gamma * base ** (gamma - 1) * log_q - base**gamma / q[i, label]
        expected[i] += on_label * q[i, label] * (eye[label] - q[i])
        if j is not None:
            expected[i] -= gamma * base ** (gamma - 1) * log_q * q[i, j] * (eye[j] - q[i])
    torch.testing.assert_close(gradient(target, logits, target.start(evidence)), expected)
