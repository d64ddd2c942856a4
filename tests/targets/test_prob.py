"""Probabilistic labels: gradient q - p(Y|Z), unlabelled cases included."""

import torch

from labelppl.targets import TARGETS


def test_gradient(evidence, logits, gradient):
    target = TARGETS["prob"]()
    got = gradient(target, logits, target.start(evidence))
    torch.testing.assert_close(got, logits.softmax(1) - evidence.soft)


def test_loss_at_the_label_is_its_entropy(evidence):
    target = TARGETS["prob"]()
    p = target.start(evidence)
    loss = target.loss(p.log(), p, torch.arange(len(p)))
    torch.testing.assert_close(loss, -(p * p.log()).sum(1))
