"""Draw an infant hip in Graf's standard plane from the two measurements alone.

Orientation as in Graf's right-hip projection: cranial at the top, lateral (the transducer) at the
left. The iliac line is vertical and ends at the bony rim; from there the bony roof runs medially
and caudally at the angle alpha to the baseline, the prolonged iliac line. The femoral head rests
under the roof; the part of its diameter D medial to the baseline is d, and coverage = d/D.

With the rim at the origin, x medial, y caudal, and the head's radius R:

    roof direction u = (sin alpha, cos alpha)
    head centre    x = R (2 coverage - 1),  y = (R + gap + x cos alpha) / sin alpha

so the head touches the cartilage under the roof and both measurements can be read back exactly.
For the rare steep and deep hips in which the tangent head would leave the picture, y is capped.

Sources: Graf, *Hip Sonography*, 2nd ed. (2006), for plane, lines and landmarks; Terjesen et al.,
J. Bone Joint Surg. Br. 71 (1989) 767-773, and Morin, Harcke & MacEwen, Radiology 157 (1985)
673-677, for d/D. Assumption of the phantom: image = f(alpha, coverage, noise), and the noise (pose,
size, ossific nucleus, gain, speckle) depends on nothing else; hence p(Y|X, Z) = p(Y|Z), and p(Y|X)
equals it as far as the picture shows Z: to about 1 degree and 0.01 at 128 pixels, pose known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .ultrasound import Field, log_compress, scatter, texture, transmission

ALPHA_RANGE = (20.0, 90.0)
"""Degrees that can be drawn; Graf's types I to IV lie within."""
COVERAGE_RANGE = (0.05, 0.95)
"""Coverages that can be drawn: at 0 and 1 the head no longer crosses the baseline."""

RIM = (0.49, 0.35)
"""Where the bony rim lies before rotation and shift; all lengths are fractions of the side."""
CARTILAGE = 0.030
"""The gap between the bony roof and the head."""
LOWEST_HEAD = 0.42
"""The head's centre is at most this far below the rim."""


@dataclass(frozen=True)
class Pose:
    """What differs between two pictures of the same hip; lengths are fractions of the side.

    `rotation` (radians) turns the anatomy about the picture's centre, `shift` (x, y) moves it,
    `radius` is the femoral head's, `roof` the length of the bony roof line in head radii,
    `nucleus` the radius of the ossific nucleus (0: not yet ossified), `gain` in decibels.
    """

    rotation: float
    shift: tuple[float, float]
    radius: float
    roof: float
    nucleus: float
    gain: float


@dataclass(frozen=True)
class HipGeometry:
    """Landmarks as (x, y) fractions of the picture's side, x to the right and y downwards.

    `ilium` is the cranial end of the iliac line, `rim` its caudal end, `limb` the lower end of the
    bony roof line, `head` and `radius` the femoral head.
    """

    ilium: tuple[float, float]
    rim: tuple[float, float]
    limb: tuple[float, float]
    head: tuple[float, float]
    radius: float


def draw_pose(rng: np.random.Generator) -> Pose:
    """A random pose: rotation ±5 degrees, shift ±4 %, radius ±5 %, gain ±4 dB, all uniform."""
    rotation, across, down, radius, roof, gain, size = rng.uniform(-1, 1, 7).tolist()
    ossified = rng.random() < 0.4
    return Pose(
        rotation=math.radians(5) * rotation,
        shift=(0.04 * across, 0.04 * down),
        radius=0.19 * (1 + 0.05 * radius),
        roof=1.35 * (1 + 0.06 * roof),
        nucleus=0.030 * (1 + 0.4 * size) if ossified else 0.0,
        gain=4 * gain,
    )


def _anatomy(alpha: float, coverage: float, pose: Pose) -> HipGeometry:
    """The landmarks before rotation and shift, with the rim at the origin."""
    angle, radius = math.radians(alpha), pose.radius
    x = radius * (2 * coverage - 1)
    y = (radius + CARTILAGE + x * math.cos(angle)) / math.sin(angle)
    length = pose.roof * radius
    return HipGeometry(
        ilium=(0.0, -0.55),
        rim=(0.0, 0.0),
        limb=(length * math.sin(angle), length * math.cos(angle)),
        head=(x, min(y, LOWEST_HEAD)),
        radius=radius,
    )


def hip_geometry(alpha: float, coverage: float, pose: Pose) -> HipGeometry:
    """Where the landmarks lie in the picture, for `alpha` in degrees and `coverage` d/D.

    Raises InputError for measurements outside `ALPHA_RANGE` and `COVERAGE_RANGE`.
    """
    for name, value, (low, high) in (
        ("alpha", alpha, ALPHA_RANGE),
        ("coverage", coverage, COVERAGE_RANGE),
    ):
        if not low <= value <= high:
            raise InputError(
                f"{name}: got {value:g}, expected a value from {low:g} to {high:g}; "
                f"other hips cannot be drawn"
            )
    own = _anatomy(alpha, coverage, pose)
    cos, sin = math.cos(pose.rotation), math.sin(pose.rotation)

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x, y = point[0] + RIM[0] - 0.5, point[1] + RIM[1] - 0.5
        return (
            0.5 + pose.shift[0] + cos * x - sin * y,
            0.5 + pose.shift[1] + sin * x + cos * y,
        )

    return HipGeometry(
        ilium=place(own.ilium),
        rim=place(own.rim),
        limb=place(own.limb),
        head=place(own.head),
        radius=own.radius,
    )


def _line(x: Field, y: Field, start: tuple[float, float], end: tuple[float, float]) -> Field:
    """Distance of every pixel to the segment from `start` to `end`."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    along = ((x - start[0]) * dx + (y - start[1]) * dy) / (dx * dx + dy * dy)
    along = np.clip(along, 0, 1)
    return np.hypot(x - start[0] - along * dx, y - start[1] - along * dy)


def _ridge(distance: Field, width: float) -> Field:
    """1 on a line, falling off as a Gaussian of standard deviation `width`."""
    return np.exp(-0.5 * (distance / np.float32(width)) ** 2)


def _inside(signed_distance: Field, softness: float = 0.006) -> Field:
    """1 where the distance is negative, 0 where positive, with a soft edge."""
    return np.clip(0.5 - signed_distance / (3 * softness), 0, 1)


def render(alpha: float, coverage: float, seed: int, size: int = 128) -> NDArray[np.uint8]:
    """A B-mode picture (size, size) of a hip with these measurements; white is 255.

    `alpha` is Graf's bony roof angle in degrees, `coverage` the ratio d/D. The same seed gives the
    same pose and the same speckle whatever the measurements. Raises InputError for measurements
    that cannot be drawn and for a size below 32.
    """
    if size < 32:
        raise InputError(f"size: got {size}, expected at least 32 pixels")
    rng = np.random.default_rng(seed)
    pose = draw_pose(rng)
    hip_geometry(alpha, coverage, pose)  # refuses what cannot be drawn
    hip = _anatomy(alpha, coverage, pose)
    x, y = _coordinates(pose, size)
    x = x + 0.0025 * texture((size, size), (0.06 * size, 0.06 * size), rng)
    fibres = texture((size, size), (0.10 * size, 0.008 * size), rng)
    stipple = texture((size, size), (0.008 * size, 0.010 * size), rng)
    level, mirror, loss = _tissue(hip, pose, x, y, fibres, stipple)
    echo = scatter(level, (0.012 * size, 0.007 * size), rng)
    echo += mirror * (1 + 0.25 * stipple)
    echo *= transmission(loss / np.float32(size), axis=1, width=0.012 * size)
    echo += scatter(np.full_like(level, -57), (0.6, 0.6), rng)
    return log_compress(echo, dynamic_range_db=58, gain_db=pose.gain)


def _coordinates(pose: Pose, size: int) -> tuple[Field, Field]:
    """Every pixel's place in the anatomy's own frame: rim at the origin, x medial, y caudal."""
    centres = (np.arange(size) + 0.5) / size - 0.5
    column, row = np.meshgrid(centres - pose.shift[0], centres - pose.shift[1])
    cos, sin = math.cos(pose.rotation), math.sin(pose.rotation)
    x = cos * column + sin * row + (0.5 - RIM[0])
    y = -sin * column + cos * row + (0.5 - RIM[1])
    return x.astype(np.float32), y.astype(np.float32)


def _tissue(
    hip: HipGeometry, pose: Pose, x: Field, y: Field, fibres: Field, stipple: Field
) -> tuple[Field, Field, Field]:
    """Scatter level (dB), mirror-like echoes (amplitude) and loss (dB per picture side)."""
    (cx, cy), radius, limb = hip.head, hip.radius, hip.limb
    from_head = np.hypot(x - cx, y - cy)

    # Muscle bundles bulge around the joint capsule, so that fasciae never cross the head.
    bulge = (radius - cx + 0.03) * np.exp(-0.5 * ((y - cy) / (1.15 * radius)) ** 2)
    depth = x + bulge
    level = -28 + 4 * fibres
    level += 6 * _inside(depth + 0.40)
    level -= 4 * _inside(np.abs(depth + 0.05) - 0.03, 0.012)

    # Medial of the joint: fat of the acetabular fossa, then the pelvis.
    level += 6 * _inside(from_head - 1.35 * radius, 0.02) * _inside(-x, 0.02)

    # Hyaline cartilage under the roof, and the head: few echoes, stippled.
    under_roof = _line(x, y, (0.0, 0.0), limb) - (CARTILAGE + 0.012)
    level += (-37 - level) * _inside(under_roof)
    head = _inside(from_head - radius)
    level += head * (-42 + 5 * np.maximum(stipple, 0) - level)

    towards_rim = math.atan2(-cy, -0.035 - cx)
    labrum = (
        cx + 1.17 * radius * math.cos(towards_rim),
        cy + 1.17 * radius * math.sin(towards_rim),
    )
    blob = np.hypot((x - labrum[0]) / 0.9, (y - labrum[1]) / 1.5)
    level += (-11 - level) * _inside(blob - 0.021) * (1 - head)
    if pose.nucleus:
        centre = np.hypot(x - cx, y - cy + 0.1 * radius)
        level += (-17 - level) * _inside(centre - pose.nucleus, 0.012)

    ilium = _ridge(_line(x, y, hip.ilium, hip.rim), 0.010)
    roof = _ridge(_line(x, y, hip.rim, limb), 0.010)
    floor_x = max(limb[0], cx + radius + 0.03) + 0.02
    floor_y = max(limb[1] + 0.06, cy - 0.3 * radius)
    floor = _ridge(_line(x, y, (floor_x, floor_y), (floor_x - 0.02, floor_y + 0.20)), 0.012)
    bearing = np.arctan2(y - cy, x - cx)
    neck = _ridge(from_head - 1.13 * radius, 0.010) * _inside(np.abs(bearing - 2.10) - 0.40, 0.10)
    foot = (cx - 0.22 * radius, cy + 1.13 * radius)
    shaft = _ridge(_line(x, y, foot, (foot[0] - 0.10, foot[1] + 0.30)), 0.011)
    knob = _ridge(np.hypot(x - limb[0], y - limb[1]), 0.016)
    rim_echo = _ridge(from_head - radius, 0.007)
    capsule = _ridge(from_head - 1.10 * radius, 0.006) * _inside(x - cx + 0.3 * radius, 0.03)

    mirror = 1.0 * ilium + 0.8 * roof + 0.5 * knob + 0.20 * floor + 0.40 * neck + 0.2 * shaft
    mirror += 0.07 * rim_echo + 0.08 * capsule
    for offset, strength in ((0.10, 0.10), (0.22, 0.13), (0.40, 0.16)):
        mirror += strength * _ridge(depth + offset, 0.005) * (1 - head)

    bone = np.maximum(ilium, roof)
    loss = 14 + 950 * bone + 120 * neck + 650 * shaft + 300 * floor
    return level.astype(np.float32), mirror.astype(np.float32), loss.astype(np.float32)
