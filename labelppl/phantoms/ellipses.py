"""Circles and ellipses in three colours, some between two classes: the data of paper 2, made anew.

Six classes, blue, green, red × circle, ellipse. Four pictures of ten are pure. In the others the
hue lies between two neighbouring colours and, in 55 of 100 of them, the shape between the two:

    hue = c + 120 t degrees,  p(colour) = (1 - t, t);    axis ratio = 1 - s (1 - flattest),
    p(shape) = (1 - s, s);    p(Y|X) = p(colour) p(shape),   t, s ~ Uniform(0, 1)

Ten raters answer from p(Y|X), as does the label itself, so that the mean vote estimates p(Y|X). Ten
hasty raters, for `misspecified`, take 32 of 100 ellipses for circles, all in the same way. The figure
is saturated colour on black; its place, direction and size say nothing.

Source: Grossmann, Schmarje and Koch, arXiv 2207.06224, whose own generator is not public. Shares and
sizes are chosen so that classes, soft labels and pixels have the statistics of their 15,000 images
of 224 pixels (channel mean .166, sd .353; mean label of a class .77 to .85).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..arrays import Array
from ..errors import InputError
from .phantom import Phantom, Pixels

FIGURES = ("bc", "be", "gc", "ge", "rc", "re")
HUES = {"r": 0.0, "g": 120.0, "b": 240.0}
FLATTEST = 0.6
"""Axis ratio of a pure ellipse."""
PURE, SHAPE_TOO = 0.4, 0.55
RADIUS = (0.325, 0.370)
"""Of the circle of the same area, as fractions of the side."""
RATERS = 10
HASTY = 0.32
"""How many ellipses of a hundred a hasty rater takes for circles."""

_MODEL = f'''"""Coloured circles and ellipses from ten raters' votes: what one more rater would say.

Source: Grossmann, Schmarje and Koch (arXiv 2207.06224), who train on the mean vote.
"""

from labelppl import Label, VoteCounts
from labelppl.families import mean_vote

ellipses = mean_vote(figure=Label({", ".join(f'"{name}"' for name in FIGURES)}), votes=VoteCounts())
'''
_MISSPECIFIED = _MODEL.replace(", votes=", ", hasty=").replace(
    "what one more rater would say.",
    "what one more rater would say.\n\nThe votes are those of hasty raters, who take ellipses for circles: "
    "made to be wrong.",
)


class Ellipses(Phantom):
    """Circles and ellipses in three colours, some in between, with ten raters' votes (paper 2).

    Examples:
        >>> frame = Ellipses().sample(3, seed=0)
        >>> list(frame.columns[:5])
        ['id', 'figure', 'hue', 'axis_ratio', 'votes_bc']
        >>> Ellipses().draw(frame.iloc[0], seed=0, size=32).shape
        (32, 32, 3)
    """

    name = "ellipses"
    label = "figure"

    def sample(self, n: int, seed: int) -> pd.DataFrame:
        """See `Phantom.sample`. `hue` in degrees, `axis_ratio` short to long, `votes_…`, `hasty_…`."""
        if n < 1:
            raise InputError(f"n: got {n}, expected at least 1 case")
        rng = np.random.default_rng(seed)
        pure = rng.random(n) < PURE
        t = np.where(pure, 0.0, rng.random(n))
        between_shapes = ~pure & (rng.random(n) < SHAPE_TOO)
        s = np.where(between_shapes, rng.random(n), rng.integers(0, 2, n))
        colour = rng.integers(0, 3, n)
        hue = ((120 * (colour + t)) % 360).round(1)
        axis_ratio = (1 - s * (1 - FLATTEST)).round(3)
        p = _posterior(hue, axis_ratio)
        y = (p.cumsum(1) > rng.random((n, 1))).argmax(1)
        votes = rng.multinomial(RATERS, p)
        mistaken = p.copy()
        mistaken[:, 0::2] += HASTY * p[:, 1::2]
        mistaken[:, 1::2] *= 1 - HASTY
        hasty = rng.multinomial(RATERS, mistaken)
        width = max(4, len(str(n)))
        return pd.DataFrame(
            {
                "id": [f"ellipse{i:0{width}d}" for i in range(1, n + 1)],
                self.label: np.asarray(FIGURES)[y],
                "hue": hue,
                "axis_ratio": axis_ratio,
                **{f"votes_{name}": votes[:, k] for k, name in enumerate(FIGURES)},
                **{f"hasty_{name}": hasty[:, k] for k, name in enumerate(FIGURES)},
                **{f"p_true_{name}": p[:, k] for k, name in enumerate(FIGURES)},
            }
        )

    def draw(self, case: Mapping[str, Any], seed: int, size: int) -> Pixels:
        """See `Phantom.draw`."""
        rng = np.random.default_rng(seed)
        ratio = float(case["axis_ratio"])
        radius = rng.uniform(*RADIUS)
        long, short = radius / math.sqrt(ratio), radius * math.sqrt(ratio)
        direction = rng.uniform(0, math.pi)
        room = max(0.0, 0.5 - long)
        cx, cy = rng.uniform(-room, room, 2)
        row, column = np.meshgrid(*[(np.arange(size) + 0.5) / size - 0.5] * 2, indexing="ij")
        along = math.cos(direction) * (column - cx) + math.sin(direction) * (row - cy)
        across = -math.sin(direction) * (column - cx) + math.cos(direction) * (row - cy)
        reach = np.hypot(along / long, across / short)
        inside = np.clip(0.5 - (reach - 1) * short * size, 0, 1)  # an edge of one pixel
        return np.rint(255 * inside[..., None] * _pure_colour(float(case["hue"]))).astype(np.uint8)

    def model_file(self, misspecified: bool) -> str:
        """See `Phantom.model_file`: ten raters' votes; misspecified: those of hasty raters."""
        return _MISSPECIFIED if misspecified else _MODEL


def _posterior(hue: Array, axis_ratio: Array) -> Array:
    """p(Y|X), (cases, classes), at the rounded measurements."""
    apart = {name: np.abs((hue - own + 180) % 360 - 180) for name, own in HUES.items()}
    colours = {name: np.clip(1 - away / 120, 0, 1) for name, away in apart.items()}
    flat = (1 - axis_ratio) / (1 - FLATTEST)
    shapes = {"c": 1 - flat, "e": flat}
    return np.stack([colours[name[0]] * shapes[name[1]] for name in FIGURES], 1)


def _pure_colour(hue: float) -> Array:
    """RGB in [0, 1] of a hue in degrees at full saturation and value."""
    return np.array(
        [np.clip(2 - abs((hue - own + 180) % 360 - 180) / 60, 0, 1) for own in HUES.values()]
    )
