"""The optic disc in a fundus photograph: vertical and horizontal cup-to-disc ratio.

    Y ~ Categorical(85/159, 74/159);  (vertical, horizontal) | Y=k ~ N(mean_k, Σ_k), inside (.1, .95)

The ratios are those of the cup's diameters to the disc's. Glaucoma enlarges the cup, upwards and
downwards first. The picture is drawn from the two ratios alone: retina, disc, cup, and the vessels
that climb out of the cup; size, shape and place of the disc, colour, light and vessels differ
between two pictures of the same eye and say nothing about the class.

Sources: Vega et al., AISTATS 2021, for the two ratios and their Gaussian law; Fumero et al., RIM-ONE
(2011), for 85 normal and 74 suspect discs; Jonas, Gusek and Naumann, Invest. Ophthalmol. Vis. Sci.
29 (1988) 1151-1158, for the ratios' size and spread. Assumption: the figures are a choice, which
puts the Bayes accuracy at .76, near the paper's best on RIM-ONE.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from ..arrays import Array
from .gaussian import GaussianPhantom, GaussianPopulation
from .phantom import Pixels
from .ultrasound import texture

_MISSPECIFIED = '''"""Glaucoma from the horizontal cup-to-disc ratio alone; the vertical one is left out.

Source: Vega et al. 2021 (arXiv 2102.06164), who use both. Made to be wrong: a glaucomatous cup grows
upwards and downwards first, which the horizontal ratio does not show.
"""

from labelppl import Label, Real
from labelppl.families import gaussian

glaucoma = gaussian(
    diagnosis=Label("normal", "suspect"), horizontal=Real(low=0, high=1)
)
'''


def _covariance(sd: tuple[float, float], correlation: float) -> Array:
    return np.outer(sd, sd) * np.array([[1, correlation], [correlation, 1]])


class Glaucoma(GaussianPhantom):
    """Glaucoma: vertical and horizontal cup-to-disc ratio in a fundus photograph.

    Examples:
        >>> frame = Glaucoma().sample(3, seed=0)
        >>> list(frame.columns)
        ['id', 'diagnosis', 'vertical', 'horizontal', 'p_true_normal', 'p_true_suspect']
        >>> Glaucoma().draw(frame.iloc[0], seed=0, size=32).shape
        (32, 32, 3)
    """

    name = "glaucoma"
    label = "diagnosis"
    population = GaussianPopulation(
        classes=("normal", "suspect"),
        measurements=("vertical", "horizontal"),
        prevalence=np.array([85, 74]) / 159,
        mean=np.array([[0.42, 0.44], [0.595, 0.555]]),
        covariance=np.stack([_covariance((0.12, 0.12), 0.75), _covariance((0.13, 0.12), 0.7)]),
        low=np.array([0.1, 0.1]),
        high=np.array([0.95, 0.95]),
        decimals=(3, 3),
    )

    def draw(self, case: Mapping[str, Any], seed: int, size: int) -> Pixels:
        """See `Phantom.draw`."""
        rng = np.random.default_rng(seed)
        row, column = np.meshgrid(*[(np.arange(size) + 0.5) / size - 0.5] * 2, indexing="ij")
        tall, wide = rng.uniform(0.22, 0.27), rng.uniform(0.20, 0.24)
        x, y = column - rng.uniform(-0.05, 0.05), row - rng.uniform(-0.05, 0.05)
        disc = _ellipse(x, y, wide, tall)
        cup_wide = wide * case["horizontal"]
        cup_tall = tall * case["vertical"]
        # the cup may lie anywhere inside the disc, a little to the temporal side
        off_x = 0.4 * (wide - cup_wide) * rng.uniform(-0.2, 0.8)
        off_y = 0.4 * (tall - cup_tall) * rng.uniform(-0.5, 0.5)
        cup = _ellipse(x - off_x, y - off_y, cup_wide, cup_tall)
        tone = rng.uniform(-1, 1, 3)
        picture = np.array([176, 80, 38]) + tone * [14, 12, 8] + np.zeros((size, size, 3))
        picture += (9 * texture((size, size), (0.05 * size, 0.05 * size), rng))[..., None] * [
            1,
            0.7,
            0.4,
        ]
        soft = 0.9 / size + 0.004
        picture += _edge(disc * min(wide, tall), soft) * (
            np.array([226, 150, 92]) + tone * 8 - picture
        )
        picture += _edge(cup * min(cup_wide, cup_tall), soft) * (
            np.array([250, 222, 168]) - picture
        )
        picture = _with_vessels(picture, x - off_x, y - off_y, rng)
        light = 1.02 - rng.uniform(0.5, 0.8) * ((column - rng.uniform(-0.1, 0.1)) ** 2 + row**2)
        picture = gaussian_filter(picture * light[..., None], (0.004 * size, 0.004 * size, 0))
        picture += rng.normal(0, 2.5, picture.shape)
        return np.rint(np.clip(picture, 0, 255)).astype(np.uint8)

    def model_file(self, misspecified: bool) -> str:
        """See `Phantom.model_file`: the zoo's `glaucoma`; misspecified: the horizontal ratio alone."""
        if misspecified:
            return _MISSPECIFIED
        return (files("labelppl.models") / "glaucoma.py").read_text()


def _ellipse(x: Array, y: Array, wide: float, tall: float) -> Array:
    """0 on the ellipse of these half axes, negative inside, 1 at twice its size."""
    return np.hypot(x / wide, y / tall) - 1


def _edge(distance: Array, soft: float) -> Array:
    """1 inside, 0 outside, with a soft edge, (height, width, 1)."""
    return np.clip(0.5 - distance / (2 * soft), 0, 1)[..., None]


def _with_vessels(picture: Array, x: Array, y: Array, rng: np.random.Generator) -> Array:
    """Arteries and veins from the cup's centre along the upper and the lower arcade."""
    side = rng.choice([-1, 1])
    for up in (-1, 1):
        for branch in range(3):
            bend, start = rng.uniform(0.5, 1.6), rng.uniform(-0.03, 0.02)
            along = np.maximum(y * up, 0)
            way = (
                start
                + side * bend * along**2 * (1 if branch else -0.7)
                + 0.02 * np.sin(rng.uniform(18, 30) * along + rng.uniform(0, 6))
            )
            is_vein = branch % 2 == 0
            width = (0.011 if is_vein else 0.007) * (1 - 0.7 * along)
            inside = np.clip(1.2 - np.abs(x - way) / np.maximum(width, 0.002), 0, 1)
            inside *= np.clip(y * up / 0.03, 0, 1) * np.clip((0.75 - along) / 0.05, 0, 1)
            colour = np.array([112, 28, 22]) if is_vein else np.array([150, 46, 30])
            picture = picture + 0.75 * inside[..., None] * (colour - picture)
    return picture
