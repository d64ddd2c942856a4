"""Distillation: gradient by hand, and logit matching as the temperature grows (docs/methods.md §4)."""

import torch

from labelppl.targets import TARGETS, TargetData


def test_gradient(evidence, logits, gradient):
    t, alpha = 3.0, 0.7
    target = TARGETS["kd"](t, alpha)
    y = torch.eye(3, dtype=torch.float64)[evidence.hard]
    soft = t * ((logits / t).softmax(1) - (evidence.teacher / t).softmax(1))
    expected = (1 - alpha) * (logits.softmax(1) - y) + alpha * soft
    torch.testing.assert_close(gradient(target, logits, target.start(evidence)), expected)


def test_at_high_temperature_the_gradient_matches_centred_logits(gradient):
    target = TARGETS["kd"](temperature=1e5, alpha=1.0)
    one = TargetData(
        hard=torch.tensor([0]), teacher=torch.tensor([[1.0, 0.0, -1.0]], dtype=torch.float64)
    )
    zero = torch.zeros(1, 3, dtype=torch.float64)
    targets = torch.cat([torch.eye(3, dtype=torch.float64)[:1], one.teacher], 1)
    expected = torch.tensor([[-1 / 3, 0, 1 / 3]], dtype=torch.float64)
    torch.testing.assert_close(gradient(target, zero, targets), expected, atol=1e-5, rtol=0)


def test_a_student_equal_to_its_teacher_pays_the_hard_share_alone(evidence):
    target = TARGETS["kd"](2.0, 0.9)
    loss = target.loss(evidence.teacher, target.start(evidence), torch.arange(len(evidence)))
    log_q = evidence.teacher.log_softmax(1).gather(1, evidence.hard[:, None])[:, 0]
    torch.testing.assert_close(loss, -0.1 * log_q)
