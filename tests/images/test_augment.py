"""Presets: seeded, and a similarity transform at most, so that angles and ratios stay."""

from __future__ import annotations

import pytest
import torch

from labelppl.errors import InputError
from labelppl.images.augment import PRESETS, _turned, augmentation, candidates


def _made(name: str, images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    change = augmentation(name)
    assert change is not None
    torch.manual_seed(seed)
    return change(images)


@pytest.mark.parametrize("name", [*PRESETS, "natural+hflip"])
@pytest.mark.parametrize("channels", [1, 3])
def test_seeded_and_of_one_shape(name: str, channels: int) -> None:
    images = torch.randn(4, channels, 32, 32)
    kept = images.clone()
    one, again, other = (_made(name, images, seed) for seed in (0, 0, 1))
    assert torch.equal(images, kept)
    assert one.shape == images.shape
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.isfinite(one).all()


def _centre(image: torch.Tensor) -> torch.Tensor:
    weights = image / image.sum()
    grid = torch.arange(image.shape[-1], dtype=image.dtype)
    return torch.stack([(weights.sum(0) * grid).sum(), (weights.sum(1) * grid).sum()])


@pytest.mark.parametrize("name", list(PRESETS))
def test_angles_and_ratios_of_lengths_stay(name: str) -> None:
    """Three blobs, one per channel, move together; the triangle keeps its shape and orientation."""
    corners = torch.tensor([[40.0, 42.0], [88.0, 50.0], [60.0, 86.0]])
    y, x = torch.meshgrid(torch.arange(128.0), torch.arange(128.0), indexing="ij")
    blobs = [torch.exp(-((x - a) ** 2 + (y - b) ** 2) / 18) for a, b in corners]
    true = corners.roll(1, 0) - corners
    images = torch.stack(blobs).expand(24, 3, 128, 128).contiguous()
    for image in _made(name, images, 3):
        level = image.flatten(1).median(1).values[:, None, None]
        found = torch.stack(
            [_centre((c - b).clamp_min(0.3) - 0.3) for c, b in zip(image, level, strict=True)]
        )
        sides = found.roll(1, 0) - found
        scale = sides.norm(dim=1) / true.norm(dim=1)
        torch.testing.assert_close(scale, scale.mean().expand(3), rtol=0.04, atol=0)
        assert torch.linalg.det(sides[:2]) * torch.linalg.det(true[:2]) > 0


@pytest.mark.parametrize("name", list(PRESETS))
def test_hue_stays(name: str) -> None:
    """Gain, contrast and speckle are shared by the channels: their differences keep their sign."""
    red = torch.tensor([2.0, 0.0, -1.0])[:, None, None].expand(8, 3, 32, 32)
    made = _made(name, red.contiguous())
    assert (made[:, 0] >= made[:, 1]).all()
    assert (made[:, 1] >= made[:, 2]).all()


def test_only_an_explicit_flip_flips() -> None:
    ramp = torch.linspace(-1, 1, 32).expand(64, 1, 32, 32).contiguous()

    def turned(name: str) -> int:
        made = _made(name, ramp)
        return int((made[..., -8:].mean((1, 2, 3)) < made[..., :8].mean((1, 2, 3))).sum())

    assert turned("natural") == 0
    assert 16 < turned("natural+hflip") < 48


def test_none_and_unknown() -> None:
    assert augmentation("none") is None
    for name in ("mammo", "none+hflip", "natural+shear", "natural+", "auto"):
        with pytest.raises(InputError, match="augment: got"):
            augmentation(name)


def test_quarter_turns_turn_square_images_and_half_turns_others() -> None:
    square = torch.zeros(64, 1, 8, 8)
    square[:, :, 0, 0] = 1
    corners = [(0, 0), (0, -1), (-1, 0), (-1, -1)]
    torch.manual_seed(0)
    turned = _turned(square)
    at = [int((turned[:, 0, i, j] == 1).sum()) for i, j in corners]
    assert sum(at) == 64
    assert min(at) > 4
    wide = torch.zeros(64, 1, 4, 8)
    wide[:, :, 0, 0] = 1
    turned = _turned(wide)
    at = [int((turned[:, 0, i, j] == 1).sum()) for i, j in corners]
    assert at[1] == at[2] == 0
    assert min(at[0], at[3]) > 16


def test_auto_tries_presets_without_and_with_its_symmetries() -> None:
    assert candidates("auto") == ("none", "shift", "natural")
    assert candidates("auto+hflip+rot90")[3:] == ("shift+hflip+rot90", "natural+hflip+rot90")
    with pytest.raises(InputError, match=r"\+rot90"):
        candidates("auto+shear")
