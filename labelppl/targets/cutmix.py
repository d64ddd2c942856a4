"""CutMix: a box of one image pasted into another, target rows mixed by area.

The box has sides sqrt(1 - w) of the image's, w ~ Beta(alpha, alpha), a uniform centre, and is
clipped to the image; w is then recomputed as one minus the clipped box's share of the area, and t
= w t_i + (1 - w) t_j (Yun et al. 2019, arXiv 1905.04899; alpha = 1). Beware: the pasted box may
hide the very structure that was measured.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .mixup import Mixup, draw_partners, draw_weight
from .target_data import Base


class CutMix(Mixup):
    """alpha > 0: of the Beta law; base: which labels are mixed.

    Learns from labelled cases (base "hard") or from all (base "soft").
    """

    name = "cutmix"

    def __init__(self, alpha: float = 1.0, base: Base = "soft") -> None:
        super().__init__(alpha, base)

    def mix(
        self, images: Tensor, targets: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        height, width = images.shape[-2:]
        top, bottom, left, right = draw_box(
            height, width, draw_weight(self.alpha, generator), generator
        )
        partner = draw_partners(len(images), generator).to(images.device)
        mixed = images.clone()
        mixed[..., top:bottom, left:right] = images[partner][..., top:bottom, left:right]
        weight = 1 - (bottom - top) * (right - left) / (height * width)
        return mixed, weight * targets + (1 - weight) * targets[partner.to(targets.device)]


def draw_box(
    height: int, width: int, weight: float, generator: torch.Generator
) -> tuple[int, int, int, int]:
    """The box (top, bottom, left, right) in pixels, of area near 1 - weight before clipping."""
    u = torch.rand(2, generator=generator, device=generator.device).tolist()
    side = (1 - weight) ** 0.5
    half_height, half_width = int(height * side) // 2, int(width * side) // 2
    row, column = int(u[0] * height), int(u[1] * width)
    return (
        max(row - half_height, 0),
        min(row + half_height, height),
        max(column - half_width, 0),
        min(column + half_width, width),
    )
