"""The student of the studies where the paper's network would take days of a CPU: three convolutions, 24,000 to 36,000 weights.

16, 32 and 64 channels of 3 x 3, each followed by batch normalisation, ReLU and 2 x 2 max pooling, an average over a grid of
4 x 4 and one linear layer. What enters that layer are the features that t-SNE shows.
"""

from __future__ import annotations

from torch import nn

WIDTHS = (16, 32, 64)
GRID = 4


def small(*, channels: int, outputs: int, image_size: tuple[int, int]) -> nn.Module:
    """A network (batch, channels, height, width) -> (batch, outputs), for any size of 32 or more."""
    layers: list[nn.Module] = []
    for before, after in zip((channels, *WIDTHS), WIDTHS, strict=False):
        layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)]
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
    flat = WIDTHS[-1] * GRID**2
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(GRID), nn.Flatten(), nn.Linear(flat, outputs)
    )
