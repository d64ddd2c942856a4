"""Priors of class-conditional Gaussians: one of the user's own, or one learned from the table."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import InputError
from .shared_scale import KAPPA0


@dataclass(frozen=True)
class NIW:
    """A prior of one's own, the same for every class: NIW(mean (d,), kappa, nu, scale (d, d)), nu > d - 1.

    E[Sigma] = scale / (nu - d - 1).
    """

    mean: Tensor
    kappa: float
    nu: float
    scale: Tensor

    def __post_init__(self) -> None:
        d = len(self.mean)
        if self.nu <= d - 1:
            raise InputError(f"NIW: got nu0 = {self.nu:g}, expected more than d - 1 = {d - 1}")
        if self.kappa <= 0:
            raise InputError(f"NIW: got kappa0 = {self.kappa:g}, expected more than 0")

    @classmethod
    def around(cls, center: Tensor, spread: Tensor, kappa: float = 0.1) -> NIW:
        """nu0 = d + 2, so that E[Sigma] = diag(`spread`^2); `center`, `spread` (d,) in model units."""
        return cls(center, kappa, len(center) + 2.0, torch.diag(spread**2))


@dataclass(frozen=True)
class Standard:
    """The default: what the classes share is learned, in units of ``center`` and ``spread`` (d,) over all cases.

    kappa: how many cases the belief is worth that a class lies at ``center``.
    """

    center: Tensor
    spread: Tensor
    kappa: float = KAPPA0
