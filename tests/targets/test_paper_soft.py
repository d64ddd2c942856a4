"""The paper's {.1, .9}, which is PyTorch's smoothing of .2 for two classes."""

import torch

from labelppl.targets import TARGETS, TargetData


def test_two_classes_give_the_papers_targets():
    targets = TARGETS["paper-soft"]().start(TargetData(hard=torch.tensor([0, 1]), classes=2))
    torch.testing.assert_close(targets, torch.tensor([[0.9, 0.1], [0.1, 0.9]]))
    pytorch = TARGETS["smooth"](0.2).start(TargetData(hard=torch.tensor([0, 1]), classes=2))
    torch.testing.assert_close(targets, pytorch)


def test_gradient(evidence, logits, gradient):
    target = TARGETS["paper-soft"](0.2)
    y = torch.eye(3, dtype=torch.float64)[evidence.hard]
    expected = logits.softmax(1) - (0.8 * y + 0.1 * (1 - y))
    torch.testing.assert_close(gradient(target, logits, target.start(evidence)), expected)
