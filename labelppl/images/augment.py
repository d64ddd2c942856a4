"""Random changes of training images that leave the measured feature alone, in batches on the device.

`shift`, the default, moves a picture by up to a twentieth of its side: whatever was measured in it,
an angle to the horizontal, a length or a brightness, stays what it was. The presets of modalities
add a small rotation and zoom (angles between lines and ratios of lengths stay), a change of gain and
contrast, and for ultrasound multiplicative speckle. No preset flips, shears, stretches or shifts hue:
a flip changes what an angle means, hue is a label where colour is one. `+hflip` behind a preset's
name adds the left-right flip for those who know that it is harmless, e.g. `natural+hflip`.

Images are float, normalised to mean 0 and sd 1; the random numbers are torch's own, seeded by the
trainer for each epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError


@dataclass(frozen=True)
class Preset:
    """degrees: rotation up to. shift: of the side, up to. zoom: factor within 1 +- this.

    gain: added, in sd of the image, up to. contrast: factor within 1 +- this. speckle: sd of the
    multiplicative noise.
    """

    degrees: float
    shift: float
    zoom: float
    gain: float
    contrast: float
    speckle: float = 0.0


PRESETS = {
    "shift": Preset(degrees=0, shift=0.05, zoom=0, gain=0, contrast=0),
    "ultrasound": Preset(degrees=5, shift=0.05, zoom=0.05, gain=0.1, contrast=0.1, speckle=0.1),
    "xray": Preset(degrees=5, shift=0.05, zoom=0.05, gain=0.1, contrast=0.1),
    "fundus": Preset(degrees=10, shift=0.03, zoom=0.05, gain=0.1, contrast=0.1),
    "natural": Preset(degrees=5, shift=0.1, zoom=0.1, gain=0.1, contrast=0.1),
}


def augmentation(name: str) -> Callable[[Tensor], Tensor] | None:
    """The preset `name`, optionally with `+hflip`; None for `none`.

    The function takes and returns float images (batch, channels, height, width). Raises InputError
    for an unknown preset.
    """
    base, _, extra = name.partition("+")
    if name == "none":
        return None
    if base not in PRESETS or extra not in ("", "hflip") or name.endswith("+"):
        raise InputError(
            f"augment: got {name!r}, expected none, {', '.join(PRESETS)}, or one of these with "
            "+hflip"
        )
    preset = PRESETS[base]
    from kornia.augmentation import RandomAffine, RandomHorizontalFlip

    move = RandomAffine(
        degrees=preset.degrees,
        translate=(preset.shift, preset.shift),
        scale=(1 - preset.zoom, 1 + preset.zoom),
        padding_mode="border",
        p=1.0,
    )
    flip = RandomHorizontalFlip(p=0.5) if extra else None

    def change(images: Tensor) -> Tensor:
        moved = move(images)
        if flip is not None:
            moved = flip(moved)
        one = (len(moved), 1, 1, 1)
        contrast = 1 + preset.contrast * (2 * torch.rand(one, device=moved.device) - 1)
        gain = preset.gain * (2 * torch.rand(one, device=moved.device) - 1)
        if preset.speckle:
            grain = torch.randn(len(moved), 1, *moved.shape[2:], device=moved.device)
            dark = moved.amin((1, 2, 3), keepdim=True)
            moved = dark + (moved - dark) * (1 + preset.speckle * grain)
        changed: Tensor = moved * contrast + gain
        return changed.contiguous(memory_format=torch.channels_last)

    return change
