"""AUC-margin: the saddle of docs/methods.md §4, found also by alternating its inner problems; gradient."""

import torch
from scipy.optimize import minimize_scalar

from labelppl.targets import TARGETS, TargetData

SCORES = torch.tensor([0.9, 0.6, 0.2, 0.4], dtype=torch.float64)
LABELS = torch.tensor([1, 1, 0, 0])


def as_logits(scores):
    """One sigmoid neuron as the trainer shows it: [0, l]."""
    return torch.stack([torch.zeros_like(scores), torch.logit(scores)], 1)


def test_saddle_of_the_check():
    target = TARGETS["auc-margin"](1.0)
    targets = target.start(TargetData(hard=LABELS, classes=2))
    loss = target.loss(as_logits(SCORES), targets, torch.arange(4))
    torch.testing.assert_close(loss.mean(), torch.tensor(0.335, dtype=torch.float64))


def test_saddle_equals_the_min_max_solved_numerically():
    positive, negative = SCORES[:2].numpy(), SCORES[2:].numpy()
    spread = sum(
        minimize_scalar(lambda c, h=h: ((h - c) ** 2).mean()).fun for h in (positive, negative)
    )
    gap = 1 + negative.mean() - positive.mean()
    dual = minimize_scalar(lambda a: a**2 - 2 * a * gap, bounds=(0, 5), method="bounded")
    target = TARGETS["auc-margin"](1.0)
    targets = target.start(TargetData(hard=LABELS, classes=2))
    loss = target.loss(as_logits(SCORES), targets, torch.arange(4)).mean()
    assert abs(float(loss) - (spread - dual.fun)) < 1e-6


def test_gradient(gradient):
    target = TARGETS["auc-margin"](1.0)
    targets = target.start(TargetData(hard=LABELS, classes=2))
    got = gradient(target, as_logits(SCORES), targets)[:, 1] / 4
    gap = 1 + 0.3 - 0.75
    sign = torch.tensor([-1.0, -1.0, 1.0, 1.0], dtype=torch.float64)
    mean = torch.tensor([0.75, 0.75, 0.3, 0.3], dtype=torch.float64)
    slope = (2 * (SCORES - mean) + sign * 2 * gap) / 2
    torch.testing.assert_close(got, slope * SCORES * (1 - SCORES))


def test_no_charge_for_a_margin_already_kept():
    target = TARGETS["auc-margin"](0.2)
    targets = target.start(TargetData(hard=LABELS, classes=2))
    loss = target.loss(as_logits(SCORES), targets, torch.arange(4)).mean()
    torch.testing.assert_close(loss, torch.tensor(0.0325, dtype=torch.float64))


def test_a_batch_without_a_class_uses_the_scores_seen_before():
    target = TARGETS["auc-margin"](1.0)
    targets = target.start(TargetData(hard=LABELS, classes=2))
    for _ in range(50):
        target.observe(as_logits(SCORES), torch.arange(4))
    rows = torch.tensor([0, 1])
    loss = target.loss(as_logits(SCORES)[rows], targets[rows], rows).mean()
    expected = 0.0225 + (1 + 0.3 - 0.75) ** 2
    assert abs(float(loss) - expected) < 1e-4


def test_several_classes_are_the_mean_of_one_against_rest(evidence, logits):
    target = TARGETS["auc-margin"](1.0)
    loss = target.loss(logits, target.start(evidence), torch.arange(len(logits))).mean()
    q = logits.softmax(1)
    expected = 0.0
    for k in range(3):
        h, own = q[:, k], evidence.hard == k
        gap = (1 + h[~own].mean() - h[own].mean()).clamp(min=0)
        expected += (h[own].var(correction=0) + h[~own].var(correction=0) + gap**2) / 3
    torch.testing.assert_close(loss, expected)
