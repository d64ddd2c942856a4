"""The picture: both measurements can be read back, and nothing else enters."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from labelppl.errors import InputError
from labelppl.phantoms import HipPopulation
from labelppl.phantoms.hip_image import HipGeometry, draw_pose, hip_geometry, render


def read_back(hip: HipGeometry) -> tuple[float, float]:
    """alpha (degrees) and d/D, measured on the landmarks as a reader does."""
    ilium, rim, limb = (np.asarray(point) for point in (hip.ilium, hip.rim, hip.limb))
    base, roof = (rim - ilium) / np.linalg.norm(rim - ilium), limb - rim
    alpha = math.degrees(math.acos(base @ roof / np.linalg.norm(roof)))
    medial = np.array([base[1], -base[0]])  # caudal is +y, medial is +x
    around = np.linspace(0, 2 * np.pi, 20_001)
    outline = np.asarray(hip.head)[:, None] + hip.radius * np.array(
        [np.cos(around), np.sin(around)]
    )
    depth = medial @ (outline - rim[:, None])
    return alpha, depth.max() / (depth.max() - depth.min())


@settings(max_examples=60, deadline=None)
@given(st.floats(20, 90), st.floats(0.05, 0.95), st.integers(0, 2**32))
def test_both_measurements_are_read_back_from_the_geometry(
    alpha: float, coverage: float, seed: int
) -> None:
    hip = hip_geometry(alpha, coverage, draw_pose(np.random.default_rng(seed)))
    assert read_back(hip) == pytest.approx((alpha, coverage), abs=1e-5)


def test_head_rests_under_the_roof_and_inside_the_picture() -> None:
    table = HipPopulation().sample(500, seed=0)
    rng = np.random.default_rng(0)
    for alpha, coverage in zip(table.alpha, table.coverage, strict=True):
        hip = hip_geometry(alpha, coverage, draw_pose(rng))
        rim, roof = np.asarray(hip.rim), np.subtract(hip.limb, hip.rim)
        normal = np.array([-roof[1], roof[0]]) / np.linalg.norm(roof)
        gap = normal @ (np.asarray(hip.head) - rim) - hip.radius
        assert gap == pytest.approx(0.03, abs=1e-9)
        assert all(hip.radius < centre < 1 - hip.radius for centre in hip.head)


def brightness(picture: np.ndarray, start: np.ndarray, end: np.ndarray) -> float:
    """Mean grey level along a line given in fractions of the picture."""
    along = start[:, None] + (end - start)[:, None] * np.linspace(0.15, 0.85, 40)
    column, row = along * picture.shape[0] - 0.5
    return float(map_coordinates(picture.astype(float), [row, column], order=1).mean())


def test_the_bony_roof_is_seen_at_alpha() -> None:
    offsets, shifts = np.arange(-15, 16), np.linspace(-0.03, 0.03, 13)
    found = []
    for seed, alpha in enumerate(np.linspace(45, 70, 12)):
        pose = draw_pose(np.random.default_rng(seed))
        picture = render(alpha, 0.5, seed)
        grey = []
        for offset in offsets:
            hip = hip_geometry(alpha + offset, 0.5, pose)
            rim, roof = np.asarray(hip.rim), np.subtract(hip.limb, hip.rim)
            # Bone is brightest on the face turned to the beam, so the line may lie a little off.
            aside = np.array([-roof[1], roof[0]]) / np.linalg.norm(roof)
            grey.append(
                max(brightness(picture, rim + s * aside, rim + s * aside + roof) for s in shifts)
            )
        found.append(offsets[int(np.argmax(grey))])
    assert np.abs(found).max() <= 3
    assert abs(np.mean(found)) <= 1.5


def test_the_head_is_seen_at_its_coverage() -> None:
    offsets = np.linspace(-0.15, 0.15, 31)
    around = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    found = []
    for seed, coverage in enumerate(np.linspace(0.35, 0.65, 12)):
        pose = draw_pose(np.random.default_rng(seed))
        picture = render(58, coverage, seed).astype(float)
        contrast = []
        for offset in offsets:
            hip = hip_geometry(58, coverage + offset, pose)
            ring = [
                map_coordinates(
                    picture,
                    [
                        (hip.head[1] + scale * hip.radius * np.sin(around)) * 128 - 0.5,
                        (hip.head[0] + scale * hip.radius * np.cos(around)) * 128 - 0.5,
                    ],
                    order=1,
                ).mean()
                for scale in (0.85, 1.0, 1.08)
            ]
            contrast.append(ring[1] + ring[2] - 2 * ring[0])
        found.append(offsets[int(np.argmax(contrast))])
    assert np.abs(found).max() <= 0.02 + 1e-9


def test_each_measurement_changes_the_picture() -> None:
    picture = render(60, 0.5, seed=1).astype(float)
    for alpha, coverage in ((64, 0.5), (60, 0.55)):
        assert np.abs(render(alpha, coverage, seed=1) - picture).mean() > 1


def test_the_picture_knows_nothing_but_the_measurements() -> None:
    assert list(inspect.signature(render).parameters) == ["alpha", "coverage", "seed", "size"]
    assert list(inspect.signature(draw_pose).parameters) == ["rng"]
    np.testing.assert_array_equal(render(55.5, 0.47, seed=3), render(55.5, 0.47, seed=3))


def test_pose_is_a_nuisance_of_the_declared_size() -> None:
    rng = np.random.default_rng(0)
    poses = [draw_pose(rng) for _ in range(2000)]
    for values, bound in (
        ([math.degrees(pose.rotation) for pose in poses], 5),
        ([pose.shift[0] for pose in poses], 0.04),
        ([pose.shift[1] for pose in poses], 0.04),
        ([pose.gain for pose in poses], 4),
    ):
        sd = bound / math.sqrt(3)
        assert np.abs(values).max() <= bound
        assert np.mean(values) == pytest.approx(0, abs=4 * sd / math.sqrt(2000))
        assert np.std(values) == pytest.approx(sd, rel=0.06)


def test_the_same_seed_keeps_the_pose_at_another_size() -> None:
    small, large = render(60, 0.5, 5, size=64), render(60, 0.5, 5, size=128)
    assert small.shape == (64, 64)
    assert small.dtype == np.uint8
    halved = large.reshape(64, 2, 64, 2).mean(axis=(1, 3))
    assert np.corrcoef(halved.ravel(), small.ravel())[0, 1] > 0.8


@pytest.mark.parametrize(("alpha", "coverage"), [(20, 0.95), (20, 0.05), (90, 0.05), (90, 0.95)])
def test_every_corner_can_be_drawn(alpha: float, coverage: float) -> None:
    assert render(alpha, coverage, seed=0).std() > 20


@pytest.mark.parametrize(
    ("alpha", "coverage", "size", "name"),
    [
        (1.06, 0.5, 128, "alpha"),
        (float("nan"), 0.5, 128, "alpha"),
        (60, 56, 128, "coverage"),
        (60, 0.5, 8, "size"),
    ],
)
def test_what_cannot_be_drawn_is_named(alpha: float, coverage: float, size: int, name: str) -> None:
    with pytest.raises(InputError, match=f"^{name}: got .* expected [^\n]*$"):
        render(alpha, coverage, seed=0, size=size)
