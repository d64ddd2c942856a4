"""Mixup: images and targets share one weight and one partner; the weight follows its Beta law."""

import pytest
import torch
from scipy import stats

from labelppl.targets import TARGETS
from labelppl.targets.mixup import draw_weight


def test_images_and_targets_are_mixed_alike(evidence):
    target = TARGETS["mixup"](alpha=1.0)
    targets = target.start(evidence)
    # Each image holds its own target, so that what was done to one can be read from the other.
    images = targets[:, :, None, None].expand(-1, -1, 4, 5)
    mixed, labels = target.mix(images, targets, torch.Generator().manual_seed(1))
    torch.testing.assert_close(mixed, labels[:, :, None, None].expand(-1, -1, 4, 5))
    torch.testing.assert_close(labels.sum(1), torch.ones(len(labels), dtype=torch.float64))
    assert not torch.allclose(labels, targets)
    torch.testing.assert_close(labels.mean(0), targets.mean(0))


def test_gradient_is_that_of_the_mixture_of_losses(evidence, logits, gradient):
    target = TARGETS["mixup"](alpha=1.0)
    targets = target.start(evidence)
    images = torch.zeros(len(targets), 1, 2, 2)
    _, labels = target.mix(images, targets, torch.Generator().manual_seed(1))
    g = torch.Generator().manual_seed(1)
    weight = draw_weight(1.0, g)
    other = targets[torch.randperm(len(targets), generator=g)]
    expected = logits.softmax(1) - weight * targets - (1 - weight) * other
    torch.testing.assert_close(gradient(target, logits, labels), expected)


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_weights_follow_the_beta_law(alpha):
    g = torch.Generator().manual_seed(0)
    weights = [draw_weight(alpha, g) for _ in range(2000)]
    assert stats.kstest(weights, stats.beta(alpha, alpha).cdf).pvalue > 0.01


def test_same_generator_same_mixture(evidence):
    target = TARGETS["mixup"]()
    targets = target.start(evidence)
    images = torch.rand(len(targets), 1, 3, 3)
    one = target.mix(images, targets, torch.Generator().manual_seed(5))
    two = target.mix(images, targets, torch.Generator().manual_seed(5))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
