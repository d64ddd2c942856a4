"""CutMix: the label's weight is the pasted area, counted pixel by pixel."""

import pytest
import torch

from labelppl.targets import TARGETS, TargetData
from labelppl.targets.cutmix import draw_box


@pytest.mark.parametrize("seed", range(8))
def test_weight_is_the_share_of_pixels(seed, gradient, logits):
    target = TARGETS["cutmix"](base="hard")
    targets = target.start(TargetData(hard=torch.arange(12), classes=12)).double()
    # Image i is constant i, so that every pixel says whose it is.
    images = torch.arange(12.0)[:, None, None, None].expand(12, 1, 16, 24).contiguous()
    mixed, labels = target.mix(images, targets, torch.Generator().manual_seed(seed))
    pixels = mixed.flatten(1).long()
    counted = torch.stack([(pixels == k).double().mean(1) for k in range(12)], 1)
    torch.testing.assert_close(labels, counted)
    assert torch.equal(images[:, 0, 0, 0], torch.arange(12.0))


def test_box_lies_in_the_image_and_has_the_intended_area():
    g = torch.Generator().manual_seed(0)
    for _ in range(200):
        top, bottom, left, right = draw_box(64, 64, 0.75, g)
        assert 0 <= top <= bottom <= 64
        assert 0 <= left <= right <= 64
        assert (bottom - top) * (right - left) <= 0.25 * 64 * 64


def test_gradient(evidence, logits, gradient):
    target = TARGETS["cutmix"]()
    images = torch.zeros(12, 1, 8, 8)
    _, labels = target.mix(images, target.start(evidence), torch.Generator().manual_seed(2))
    torch.testing.assert_close(gradient(target, logits, labels), logits.softmax(1) - labels)
