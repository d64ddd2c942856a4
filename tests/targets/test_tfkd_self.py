"""Self-training: `paper` is distillation, `official` also averages over classes."""

import torch
from torch.nn import functional

from labelppl.targets import TARGETS


def test_paper_mode_is_distillation_and_gradient(evidence, logits, gradient):
    t, alpha, multiplier = 6.0, 0.95, 2.0
    target = TARGETS["tfkd-self"](t, alpha, multiplier)
    y = torch.eye(3, dtype=torch.float64)[evidence.hard]
    soft = t * ((logits / t).softmax(1) - (evidence.teacher / t).softmax(1))
    expected = (1 - alpha) * (logits.softmax(1) - y) + alpha * multiplier * soft
    torch.testing.assert_close(gradient(target, logits, target.start(evidence)), expected)


def test_official_mode_equals_the_released_formula(evidence, logits):
    t, alpha, multiplier = 6.0, 0.95, 50.0
    target = TARGETS["tfkd-self"](t, alpha, multiplier, "official")
    loss = target.loss(logits, target.start(evidence), torch.arange(len(logits))).mean()
    teacher = functional.softmax(evidence.teacher / t, dim=1)
    kl = torch.nn.KLDivLoss(reduction="none")(
        functional.log_softmax(logits / t, dim=1), teacher
    ).mean()
    ce = functional.cross_entropy(logits, evidence.hard)
    torch.testing.assert_close(loss, (1 - alpha) * ce + alpha * kl * t * t * multiplier)
