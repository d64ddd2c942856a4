"""Mixup: convex combinations of two images and of their target rows.

x = w x_i + (1 - w) x_j, t = w t_i + (1 - w) t_j, w ~ Beta(alpha, alpha), one w per batch, j a
random permutation (Zhang et al. 2018, arXiv 1710.09412; alpha from .2 to 1). Works on soft labels
as on hard ones, since cross entropy is linear in its target. Beware: a mixed image has no
measurement that the label model could have seen; a mixture of two hips is not a hip of the mean
angle.
"""

from __future__ import annotations

import torch
from scipy.special import betaincinv
from torch import Tensor

from .base import Target, check
from .target_data import Base, TargetData, base_labels


class Mixup(Target):
    """alpha > 0: of the Beta law; base: which labels are mixed.

    Learns from labelled cases (base "hard") or from all (base "soft").
    """

    name = "mixup"

    def __init__(self, alpha: float = 0.2, base: Base = "soft") -> None:
        check(alpha > 0, self.name, "alpha", alpha, "a number > 0")
        check(base in ("hard", "soft"), self.name, "base", base, "'hard' or 'soft'")
        self.alpha = alpha
        self.base: Base = base

    def usable(self, evidence: TargetData) -> Tensor:
        return (evidence.hard >= 0) | (self.base == "soft")

    def start(self, evidence: TargetData) -> Tensor:
        return base_labels(evidence, self.base, self.name)

    def mix(
        self, images: Tensor, targets: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        weight = draw_weight(self.alpha, generator)
        partner = draw_partners(len(images), generator).to(images.device)
        other = partner.to(targets.device)
        return (
            weight * images + (1 - weight) * images[partner],
            weight * targets + (1 - weight) * targets[other],
        )


def draw_weight(alpha: float, generator: torch.Generator) -> float:
    """One draw of Beta(alpha, alpha), by inversion: torch's own sampler takes no generator."""
    u = torch.rand((), generator=generator, device=generator.device, dtype=torch.float64)
    return float(betaincinv(alpha, alpha, float(u)))


def draw_partners(cases: int, generator: torch.Generator) -> Tensor:
    """A random permutation (cases,) on the generator's device."""
    return torch.randperm(cases, generator=generator, device=generator.device)
