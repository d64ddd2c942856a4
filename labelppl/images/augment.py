"""Random changes of training images that leave the measured feature alone, in batches on the device.

`shift`, the default, moves a picture by up to a twentieth of its side: whatever was measured in it,
an angle to the horizontal, a length or a brightness, stays what it was. The presets of modalities
add a small rotation and zoom (angles between lines and ratios of lengths stay), a change of gain and
contrast, and for ultrasound multiplicative speckle. No preset flips, shears, stretches or shifts hue:
a flip changes what an angle means, hue is a label where colour is one. `+hflip`, `+vflip` and `+rot90` behind a preset's
name add flips and quarter turns where they are harmless, e.g. `natural+hflip`: a model whose features all declare a symmetry
adds it by itself. `auto` stands for the preset that held-out cases choose.

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


#: What may stand behind a preset: changes that are harmless only where somebody says so.
EXTRAS = ("hflip", "vflip", "rot90")
PRESETS = {
    "shift": Preset(degrees=0, shift=0.05, zoom=0, gain=0, contrast=0),
    "ultrasound": Preset(degrees=5, shift=0.05, zoom=0.05, gain=0.1, contrast=0.1, speckle=0.1),
    "xray": Preset(degrees=5, shift=0.05, zoom=0.05, gain=0.1, contrast=0.1),
    "fundus": Preset(degrees=10, shift=0.03, zoom=0.05, gain=0.1, contrast=0.1),
    "natural": Preset(degrees=5, shift=0.1, zoom=0.1, gain=0.1, contrast=0.1),
}


#: What `auto` tries beside no augmentation at all.
TRIED = ("shift", "natural")


def is_auto(name: str) -> bool:
    """Whether the name leaves the choice to held-out cases: `auto`, with or without symmetries."""
    return name.partition("+")[0] == "auto"


def candidates(name: str) -> tuple[str, ...]:
    """What `auto` chooses from: none, and presets without and with its symmetries. Raises InputError for unknown ones."""
    base, symmetries = _parts(name)
    assert base == "auto"
    extra = "".join(f"+{symmetry}" for symmetry in symmetries)
    return "none", *TRIED, *(f"{preset}{extra}" for preset in TRIED if extra)


def _parts(name: str) -> tuple[str, tuple[str, ...]]:
    """The preset and the symmetries behind it. Raises InputError for unknown ones."""
    base, *symmetries = name.split("+")
    if base not in ("auto", *PRESETS) or not set(symmetries) <= set(EXTRAS):
        raise InputError(
            f"augment: got {name!r}, expected none, auto, {', '.join(PRESETS)}, or one of these but none with "
            + ", ".join(f"+{extra}" for extra in EXTRAS)
        )
    return base, tuple(symmetries)


def _turned(images: Tensor) -> Tensor:
    """Each image turned by a random number of quarter turns; by none or a half turn where it is not square."""
    square = images.shape[-1] == images.shape[-2]
    turns = torch.randint(4 if square else 2, (len(images),), device=images.device)
    turned = images.clone()
    for quarter in range(1, 4):
        some = turns * (1 if square else 2) == quarter
        if bool(some.any()):
            turned[some] = images[some].rot90(quarter, (-2, -1))
    return turned


def augmentation(name: str) -> Callable[[Tensor], Tensor] | None:
    """The preset `name`, optionally with symmetries such as `+hflip`; None for `none`.

    The function takes and returns float images (batch, channels, height, width). Raises InputError
    for an unknown preset.
    """
    if name == "none":
        return None
    base, symmetries = _parts(name)
    if base == "auto":
        raise InputError(
            f"augment: got {name!r}, which held-out cases must choose first; name one of {', '.join(PRESETS)}"
        )
    preset = PRESETS[base]
    from kornia.augmentation import RandomAffine, RandomHorizontalFlip, RandomVerticalFlip

    move = RandomAffine(
        degrees=preset.degrees,
        translate=(preset.shift, preset.shift),
        scale=(1 - preset.zoom, 1 + preset.zoom),
        padding_mode="border",
        p=1.0,
    )
    known: dict[str, Callable[[Tensor], Tensor]] = {
        "hflip": RandomHorizontalFlip(p=0.5),
        "vflip": RandomVerticalFlip(p=0.5),
        "rot90": _turned,
    }
    flips = [known[symmetry] for symmetry in symmetries]

    def change(images: Tensor) -> Tensor:
        moved = move(images)
        for flip in flips:
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
