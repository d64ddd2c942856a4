"""DOMINO: the value of docs/methods.md §4, the gradient, soft labels, and W from a confusion table."""

import torch
from torch.nn import functional

from labelppl.targets import TARGETS


def test_even_matrix_charges_all_that_is_not_the_label(evidence, logits):
    target = TARGETS["domino"](beta=3.0, matrix=torch.ones(3, 3) - torch.eye(3))
    loss = target.loss(logits, target.start(evidence), torch.arange(len(logits)))
    q = logits.softmax(1).gather(1, evidence.hard[:, None])[:, 0]
    torch.testing.assert_close(loss, -q.log() + 3 * (1 - q))


def test_matrix_is_one_minus_the_confusion_shares_without_diagonal(evidence):
    target = TARGETS["domino"]()
    target.start(evidence)
    expected = torch.tensor([[0, 0.8, 1], [0.9, 0, 0.7], [1, 0.9, 0]], dtype=torch.float64)
    torch.testing.assert_close(target.matrix, expected)
    assert target.needs_teacher
    assert not TARGETS["domino"](matrix=torch.ones(3, 3)).needs_teacher


def test_gradient_with_soft_labels(evidence, logits, gradient):
    beta = 2.0
    target = TARGETS["domino"](beta, base="soft")
    targets = target.start(evidence)
    q, p = logits.softmax(1), evidence.soft
    cost = p @ target.matrix
    expected = q - p + beta * q * (cost - (cost * q).sum(1, keepdim=True))
    torch.testing.assert_close(gradient(target, logits, targets), expected)
    loss = target.loss(logits, targets, torch.arange(len(logits)))
    bilinear = torch.einsum("ij,jk,ik->i", p, target.matrix, q)
    ce = functional.cross_entropy(logits, p, reduction="none")
    torch.testing.assert_close(loss, ce + beta * bilinear)
