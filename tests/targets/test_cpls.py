"""Confusion-penalty smoothing: targets follow the validation confusions, epoch by epoch."""

import pytest
import torch

from labelppl.errors import InputError
from labelppl.targets import TARGETS, TargetData, Validation
from labelppl.targets.cpls import confusion

# Truth 0: two right, three taken for 2, one for 1. Truth 1: all right. Truth 2: none seen.
TRUTH = torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, -1])
SAID = torch.tensor([0, 0, 2, 2, 2, 1, 1, 1, 0])


def test_targets_after_an_epoch():
    target = TARGETS["cpls"](0.2)
    before = target.start(TargetData(hard=torch.arange(3), classes=3))
    torch.testing.assert_close(before, 0.8 * torch.eye(3) + 0.1 * (1 - torch.eye(3)))
    logits = 5.0 * torch.eye(3)[SAID]
    after = target.end_epoch(0, 5, Validation(logits, TRUTH))
    expected = torch.tensor([[0.8, 0.05, 0.15], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    torch.testing.assert_close(after, expected)


def test_confusion_counts_labelled_cases_only():
    counts = confusion(5.0 * torch.eye(3)[SAID], TRUTH, 3)
    assert counts.tolist() == [[2, 1, 3], [0, 2, 0], [0, 0, 0]]


def test_gradient(evidence, logits, gradient):
    target = TARGETS["cpls"](0.2)
    target.start(evidence)
    targets = target.end_epoch(0, 5, Validation(5.0 * torch.eye(3)[SAID], TRUTH))
    y = torch.eye(3, dtype=torch.float64)[evidence.hard]
    table = torch.tensor([[0, 0.25, 0.75], [0.5, 0, 0.5], [0.5, 0.5, 0]], dtype=torch.float64)
    expected = logits.softmax(1) - 0.8 * y - 0.2 * table[evidence.hard]
    torch.testing.assert_close(gradient(target, logits, targets), expected)


def test_without_validation_it_says_so(evidence):
    target = TARGETS["cpls"]()
    target.start(evidence)
    with pytest.raises(InputError, match="validation"):
        target.end_epoch(0, 5, None)
