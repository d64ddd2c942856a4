"""Draws of class covariances that share a scale (`shared_covariances`), and of those that pass the floor."""

from __future__ import annotations

import torch
from torch import Tensor

#: Draws of which one is kept, by its share of the floor; fewer where they would hold more than so many numbers.
TRIES, NUMBERS = 64, 2**22
WORTHS = tuple(2.0**i for i in range(8))
ALPHAS = tuple(2.0**i for i in range(6))
LIKENESSES = tuple(2.0 * 4.0**i for i in range(-1, 4))


def draw_sizes(shape: torch.Size, like: Tensor) -> Tensor:
    """c (..., classes) without the floor."""
    likeness = torch.tensor(LIKENESSES, dtype=like.dtype)
    half = likeness[torch.randint(len(LIKENESSES), shape[:-1])][..., None].expand(shape) / 2
    return (torch._standard_gamma(half) / half).clamp(1e-12, 1e12)


def draw_roots(v: Tensor, size: Tensor) -> Tensor:
    """Roots (..., classes, d, d) in standard units of the law without the floor; size (..., classes)."""
    d, k = v.shape[-1], size.shape[-1]
    worths = torch.tensor(WORTHS, dtype=v.dtype)
    worth = worths[torch.multinomial(1 / worths, v[..., 0].numel(), replacement=True)]
    worth = worth.reshape(v.shape[:-1])
    alphas = torch.tensor(ALPHAS, dtype=v.dtype)
    a = alphas[torch.randint(len(ALPHAS), v.shape[:-1])] + d - 1
    scale = _bartlett(a, d) * (v / a[..., None]).sqrt()[..., None]
    psi = (scale * worth.sqrt()[..., None, None])[..., None, :, :].expand(*v.shape[:-1], k, d, d)
    factor = _bartlett((worth + d - 1)[..., None].expand(*v.shape[:-1], k), d)
    half = torch.linalg.solve_triangular(factor, psi.mT, upper=False).mT
    # half = root Q with Q orthogonal, by QR of its transpose: half half' of a drawn wide scale may be singular in floats.
    upper = torch.linalg.qr(half.mT)[1]
    root = (upper * upper.diagonal(dim1=-2, dim2=-1).sign()[..., None]).mT
    return size.sqrt()[..., None, None] * root


def tries_of(numbers: int, floor: float) -> int:
    """How many draws to choose from, where one draw holds so many numbers; without a floor every draw passes."""
    return max(1, min(TRIES, NUMBERS // max(1, numbers))) if floor > 0 else 1


def passed(roots: Tensor, floor: float) -> Tensor:
    """(batch) which of the first axis of ``roots`` (tries, batch, classes, d, d) is kept, by its share of the floor."""
    precision = torch.linalg.inv(roots).square().sum((-3, -2, -1))
    logits = (-0.5 * floor * precision).movedim(0, -1)
    return torch.distributions.Categorical(logits=logits, validate_args=False).sample()


def _bartlett(df: Tensor, d: int) -> Tensor:
    """Lower A (..., d, d) with A A^T ~ W(df, I)."""
    shape = (*df.shape, d, d)
    halves = (df[..., None] - torch.arange(d, dtype=df.dtype)) / 2
    lower = torch.randn(shape, dtype=df.dtype).tril(-1)
    return lower + torch.diag_embed(torch.sqrt(2 * torch._standard_gamma(halves)))
