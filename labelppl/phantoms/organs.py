"""Many organs in slices of a body: neighbours that are confused, and rare ones.

    Y ~ Categorical(π),  π_k ∝ 1/k;   Z | Y=k ~ N(mean_k, diag(sd²)) of four measurements

breadth (of the body's side), roundness (short to long axis), brightness (grey value) and grain (of
the texture, of the side). Organs come in families of three along one measurement, 1.5 to 3 standard
deviations apart; the families are far from each other. The k-th organ is k times rarer than the
first. The picture shows one organ somewhere in a body; fat, spine, ribs and noise say nothing.

Source: the number of classes, up to 165, and their long tail are those of RadImageNet (Mei et al.,
Radiology: Artificial Intelligence 4 (2022) e210315). Assumption: every figure is a choice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.stats import qmc

from ..arrays import Array
from ..errors import InputError
from .gaussian import GaussianPhantom, GaussianPopulation
from .phantom import Pixels
from .ultrasound import texture

MOST_ORGANS = 165
FAMILY = 3
MEASUREMENTS = ("breadth", "roundness", "brightness", "grain")
LOW = np.array([0.12, 0.35, 105.0, 0.006])
HIGH = np.array([0.36, 1.00, 235.0, 0.036])
SPREAD = 0.03 * (HIGH - LOW)
LOSS, LOSS_RANGE = 0.075, 0.030
"""Of accuracy, that a misspecified model is to have: 5 to 10 points, and the error of simulating it."""


class Organs(GaussianPhantom):
    """Organs in a body slice: many classes (3 to 165), confusable neighbours, rare ones.

    Args:
        classes: How many organs, from 3 to 165; organ k is as common as 1/k.

    Raises:
        InputError: Fewer or more classes.

    Examples:
        >>> frame = Organs(classes=5).sample(3, seed=0)
        >>> list(frame.columns[:6])
        ['id', 'organ', 'breadth', 'roundness', 'brightness', 'grain']
        >>> Organs(classes=5).draw(frame.iloc[0], seed=0, size=32).shape
        (32, 32)
    """

    name = "organs"
    label = "organ"

    def __init__(self, classes: int = 12) -> None:
        """Raises InputError unless `classes` lies between 3 and 165."""
        if not FAMILY <= classes <= MOST_ORGANS:
            raise InputError(
                f"classes: got {classes}, expected from {FAMILY} to {MOST_ORGANS} organs"
            )
        shares = 1 / np.arange(1, classes + 1)
        self.population = GaussianPopulation(
            classes=tuple(f"organ{k:03d}" for k in range(1, classes + 1)),
            measurements=MEASUREMENTS,
            prevalence=shares / shares.sum(),
            mean=LOW + _places(classes) * (HIGH - LOW),
            covariance=np.stack([np.diag(SPREAD**2)] * classes),
            low=LOW,
            high=HIGH,
            decimals=(4, 3, 1, 4),
        )

    def draw(self, case: Mapping[str, Any], seed: int, size: int) -> Pixels:
        """See `Phantom.draw`."""
        rng = np.random.default_rng(seed)
        row, column = np.meshgrid(*[(np.arange(size) + 0.5) / size - 0.5] * 2, indexing="ij")
        body = np.hypot(column / 0.48, row / rng.uniform(0.42, 0.47))
        grey = np.full((size, size), 6.0)
        grey = _blend(grey, 40.0, (body - 1) / 4)  # fat
        muscle = 74 + 6 * texture((size, size), (0.02 * size, 0.02 * size), rng)
        grey = _blend(grey, muscle, (body - 0.90) / 4)
        for bearing in np.linspace(0, 2 * math.pi, 14, endpoint=False) + rng.uniform(0, 0.4):
            x, y = 0.405 * math.cos(bearing), 0.37 * math.sin(bearing)
            grey = _blend(grey, 225.0, np.hypot(column - x, row - y) - 0.013)
        spine = np.hypot((column - rng.uniform(-0.02, 0.02)) / 1.2, row - 0.30)
        grey = _blend(grey, 235.0, np.abs(spine - 0.045) - 0.012)
        grey = _organ(grey, column, row, case, rng)
        grey = gaussian_filter(grey, 0.003 * size) + rng.normal(0, 5, grey.shape)
        return np.rint(np.clip(grey, 0, 255)).astype(np.uint8)

    def model_file(self, misspecified: bool) -> str:
        """See `Phantom.model_file`; misspecified: without the measurements of `left_out`."""
        names = ", ".join(f'"{name}"' for name in self.population.classes)
        missing = self.left_out() if misspecified else ()
        columns = [
            f"    {name}=Gaussian(Real(low={low:g}, high={high:g})),"
            for name, low, high in zip(MEASUREMENTS, LOW, HIGH, strict=True)
            if name not in missing
        ]
        left_out = f" Left out: {' and '.join(missing)}; made to be wrong." if missing else ""
        return "\n".join(
            [
                f'"""Organs from what is measured of each, independent given the organ.{left_out}',
                "",
                "Source: simulated (labelppl simulate organs).",
                '"""',
                "",
                "from labelppl import Label, Real",
                "from labelppl.families import Gaussian, independent",
                "",
                "organs = independent(",
                f"    organ=Label({names}),",
                *columns,
                ")",
                "",
            ]
        )

    def left_out(self) -> tuple[str, ...]:
        """The one or two measurements whose loss costs nearest to `LOSS` of accuracy.

        Raises InputError where none costs 5 to 10 points, as with fewer than 6 organs.
        """
        whole = self.population.accuracy(n=20_000)

        def loss(missing: tuple[int, ...]) -> float:
            kept = [j for j in range(len(MEASUREMENTS)) if j not in missing]
            return whole - self.population.accuracy(kept, n=20_000)

        places = range(len(MEASUREMENTS))
        sets = [*combinations(places, 1), *combinations(places, 2)]
        losses = {some: loss(some) for some in sets}
        best = min(sets, key=lambda some: abs(losses[some] - LOSS))
        if abs(losses[best] - LOSS) > LOSS_RANGE:
            raise InputError(
                f"organs: no measurement of {len(self.population.classes)} organs costs 5 to 10 points "
                "of accuracy; take 6 organs or more"
            )
        return tuple(MEASUREMENTS[j] for j in best)


def _places(classes: int) -> Array:
    """Means in the unit cube, (classes, measurements): families spread out, members in a row.

    The members of a family are spread over the order of prevalence, so that a rare organ's
    neighbours are common.
    """
    families = math.ceil(classes / FAMILY)
    centres = qmc.scale(
        qmc.Sobol(4, scramble=False).random_base2(math.ceil(math.log2(families + 1)))[1:],
        0.14,
        0.86,
    )
    places = np.empty((classes, 4))
    for k in range(classes):
        family, member = k % families, k // families
        step = 0.03 * (1.5 + 1.5 * family / families)
        places[k] = centres[family]
        places[k, family % 4] += (member - 1) * step
    return places


def _organ(
    grey: Array, column: Array, row: Array, case: Mapping[str, Any], rng: np.random.Generator
) -> Array:
    """The slice with the organ in it."""
    radius = float(case["breadth"]) / 2
    long, short = radius / math.sqrt(case["roundness"]), radius * math.sqrt(case["roundness"])
    room = max(0.02, 0.34 - long)
    x, y = column - rng.uniform(-room, room), row + 0.06 - rng.uniform(-room, room) * 0.6
    angle = rng.uniform(0, math.pi)
    along = math.cos(angle) * x + math.sin(angle) * y
    across = -math.sin(angle) * x + math.cos(angle) * y
    grain = max(0.3, float(case["grain"]) * len(grey))
    distance = (np.hypot(along / long, across / short) - 1) * short
    pattern = 14 * texture((len(grey), len(grey)), (grain, grain), rng)
    pattern -= pattern[distance < 0].mean()  # the organ's mean grey value is its brightness
    return _blend(grey, float(case["brightness"]) + pattern, distance)


def _blend(grey: Array, value: Array | float, signed_distance: Array) -> Array:
    """`value` where the distance is negative, with an edge of one hundredth of the side."""
    blended: Array = grey + np.clip(0.5 - signed_distance / 0.01, 0, 1) * (value - grey)
    return blended
