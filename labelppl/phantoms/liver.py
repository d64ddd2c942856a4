"""Fatty liver in an abdominal ultrasound picture: liver, diaphragm and periportal zone.

    Y ~ Categorical(.62, .38);  Z | Y ~ N(mean_Y, Σ), one Σ for both classes, hence
    p(Y=fatty | z) = sigmoid(θ0 + θᵀz)

Z are the mean grey values (0 to 255) of three regions. Fat makes the liver brighter, and weakens the
beam, so that the diaphragm behind the liver and the walls of the portal veins lose their echo. The
gain of the scanner raises all three together. The picture is drawn from Z alone: speckle of a level
whose mean grey value is Z, portal veins with their bright walls, hepatic veins without, and the
diaphragm's arc, in a convex probe's field of view.

Sources: Vega et al., AISTATS 2021, for the regions, the logistic law and 62 % normal; Hamaguchi et
al., Am. J. Gastroenterol. 102 (2007) 2708-2715, for the three signs; Wagner et al. 1983 (see
`ultrasound`) for speckle, whose log-compressed echo has a mean 2.51 dB below its level. Assumption:
the figures are a choice, which puts the Bayes accuracy at .83.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np

from .gaussian import GaussianPhantom, GaussianPopulation
from .phantom import Pixels
from .ultrasound import Field, log_compress, scatter, texture

RANGE_DB = 60.0
LOG_MEAN_DB = 10 / math.log(10) * 0.5772156649
"""How far the mean of the log-compressed echo lies below the level of the mean power."""
REGION_SD = np.array([15.0, 17.0, 16.0])
GAIN = 0.2
"""Correlation between any two regions."""

_MISSPECIFIED = '''"""Fatty liver from two regions of an ultrasound picture. The liver's own brightness is left out.

Source: Vega et al. 2021 (arXiv 2102.06164), who use three regions. Made to be wrong: the brightness
of the liver tells what diaphragm and periportal zone do not.
"""

from labelppl import Label, Real
from labelppl.families import logistic

GREY = Real(low=0, high=255)
liver = logistic(diagnosis=Label("normal", "fatty"), diaphragm=GREY, periportal=GREY)
'''


class Liver(GaussianPhantom):
    """Fatty liver: brightness of liver, diaphragm and periportal zone in ultrasound.

    Examples:
        >>> frame = Liver().sample(3, seed=0)
        >>> list(frame.columns)
        ['id', 'diagnosis', 'liver', 'diaphragm', 'periportal', 'p_true_normal', 'p_true_fatty']
        >>> Liver().draw(frame.iloc[0], seed=0, size=32).shape
        (32, 32)
    """

    name = "liver"
    label = "diagnosis"
    population = GaussianPopulation(
        classes=("normal", "fatty"),
        measurements=("liver", "diaphragm", "periportal"),
        prevalence=np.array([0.62, 0.38]),
        mean=np.array([[98.0, 196.0, 168.0], [111.0, 178.0, 152.0]]),
        covariance=np.stack([np.outer(REGION_SD, REGION_SD) * (GAIN + (1 - GAIN) * np.eye(3))] * 2),
        low=np.array([40.0, 110.0, 90.0]),
        high=np.array([180.0, 250.0, 240.0]),
        decimals=(1, 1, 1),
    )

    def draw(self, case: Mapping[str, Any], seed: int, size: int) -> Pixels:
        """See `Phantom.draw`."""
        rng = np.random.default_rng(seed)
        row, column = np.meshgrid(*[(np.arange(size) + 0.5) / size] * 2, indexing="ij")
        x, y = (column - 0.5).astype(np.float32), row.astype(np.float32)
        uneven = 3 * texture((size, size), (0.2 * size, 0.2 * size), rng)
        grey = case["liver"] + uneven
        wall = 0.11 + 0.01 * texture((size, size), (0.2 * size, 0.2 * size), rng)
        layers = 30 * np.sin(2 * np.pi * y / 0.035 + rng.uniform(0, 6))
        grey = _blend(grey, 120 + layers, y - wall)
        for vein, zone in _veins(x, y, rng):
            if zone is not None:
                grey = _blend(grey, case["periportal"], zone)
            grey = _blend(grey, 18, vein)
        deep, bend, centre = rng.uniform(0.80, 0.86), rng.uniform(0.5, 0.8), rng.uniform(-0.1, 0.1)
        arc = y - deep + bend * (x - centre) ** 2
        grey = _blend(grey, 0.55 * case["liver"], -arc)
        grey = _blend(grey, case["diaphragm"], np.abs(arc) - 0.022)
        level = (grey / 255 - 1) * RANGE_DB + LOG_MEAN_DB
        grain = (max(0.5, 0.009 * size), max(0.7, 0.013 * size))
        picture = log_compress(scatter(level.astype(np.float32), grain, rng), RANGE_DB, 0.0)
        picture[_outside_the_fan(x, y)] = 0
        return picture

    def model_file(self, misspecified: bool) -> str:
        """See `Phantom.model_file`: the zoo's `liver`; misspecified: without the liver itself."""
        return (
            _MISSPECIFIED if misspecified else (files("labelppl.models") / "liver.py").read_text()
        )


def _blend(grey: Field, value: Any, signed_distance: Any) -> Field:
    """`value` where the distance is negative, with an edge of one hundredth of the side."""
    inside = np.clip(0.5 - signed_distance / 0.01, 0, 1)
    blended: Field = (grey + inside * (value - grey)).astype(np.float32)
    return blended


def _veins(x: Field, y: Field, rng: np.random.Generator) -> list[tuple[Field, Field | None]]:
    """Signed distances to each lumen and, for portal veins, to the zone around it."""
    veins: list[tuple[Field, Field | None]] = []
    for i, (across, down) in enumerate(((-0.17, 0.36), (0.15, 0.45), (-0.03, 0.60), (0.22, 0.27))):
        cx, cy = across + rng.uniform(-0.03, 0.03), down + rng.uniform(-0.03, 0.03)
        angle = rng.uniform(-0.6, 0.6)
        along = np.cos(angle) * (x - cx) + np.sin(angle) * (y - cy)
        beside = -np.sin(angle) * (x - cx) + np.cos(angle) * (y - cy)
        length, width = rng.uniform(0.04, 0.08), rng.uniform(0.020, 0.030)
        distance = np.hypot(np.maximum(np.abs(along) - length, 0), beside)
        is_portal = i < 3
        veins.append((distance - width, distance - width - 0.034 if is_portal else None))
    return veins


def _outside_the_fan(x: Field, y: Field) -> Any:
    """Outside a convex probe's field of view: an annular sector from the top."""
    apex, near, far = -0.42, 0.44, 1.40
    radius, bearing = np.hypot(x, y - apex), np.abs(np.arctan2(x, y - apex))
    return (radius < near) | (radius > far) | (bearing > 0.46)
