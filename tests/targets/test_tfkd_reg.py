"""The virtual teacher in both modes, and how uniform the official one is (docs/methods.md §4)."""

import torch
from torch.nn import functional

from labelppl.targets import TARGETS, TargetData


def test_gradient_in_paper_mode(evidence, logits, gradient):
    t, alpha = 5.0, 0.4
    target = TARGETS["tfkd-reg"](t, alpha, correct=0.9)
    y = torch.eye(3, dtype=torch.float64)[evidence.hard]
    u = (0.9 * y + 0.05 * (1 - y)) ** (1 / t)
    u = u / u.sum(1, keepdim=True)
    expected = (1 - alpha) * (logits.softmax(1) - y) + alpha * t * ((logits / t).softmax(1) - u)
    torch.testing.assert_close(gradient(target, logits, target.start(evidence)), expected)


def test_official_mode_equals_the_released_formula_and_gradient(evidence, logits, gradient):
    t, alpha, multiplier = 20.0, 0.1, 100.0
    target = TARGETS["tfkd-reg"](t, alpha, multiplier, mode="official")
    y = torch.eye(3, dtype=torch.float64)[evidence.hard]
    teacher = functional.softmax((0.99 * y + 0.005 * (1 - y)) / t, dim=1)
    targets = target.start(evidence)
    loss = target.loss(logits, targets, torch.arange(len(logits))).mean()
    kl = torch.nn.KLDivLoss(reduction="none")(functional.log_softmax(logits, dim=1), teacher).mean()
    expected = (1 - alpha) * functional.cross_entropy(
        logits, evidence.hard
    ) + alpha * kl * multiplier
    torch.testing.assert_close(loss, expected)
    q = logits.softmax(1)
    by_hand = (1 - alpha) * (q - y) + alpha * multiplier / 3 * (q - teacher)
    torch.testing.assert_close(gradient(target, logits, targets), by_hand)


def test_the_official_teacher_is_virtually_uniform():
    one = TargetData(hard=torch.tensor([0]), classes=100)
    teacher = TARGETS["tfkd-reg"](mode="official").start(one)[0, 100:]
    assert round(float(teacher[0]), 5) == 0.01050
    assert round(float(teacher[1]), 5) == 0.00999
    # The paper's own teacher is not: .99 against 1e-4, to the power 1/20.
    paper = TARGETS["tfkd-reg"]().start(one)[0, 100:]
    torch.testing.assert_close(paper[0] / paper[1], torch.tensor((0.99 / (0.01 / 99)) ** 0.05))
