"""The graph's operations give what the student gives: resizing, maps, prevalence, uncertainty."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from labelppl.calibration.base import Recalibration
from labelppl.calibration.beta import BetaMap
from labelppl.calibration.dirichlet import DirichletMap
from labelppl.calibration.isotonic import IsotonicMap
from labelppl.calibration.maps import MAPS
from labelppl.calibration.platt import Platt
from labelppl.calibration.temperature import Temperature
from labelppl.calibration.venn_abers import VennAbers
from labelppl.errors import InputError
from labelppl.export.graph import StudentGraph, _digamma
from labelppl.export.map_layers import map_layer
from labelppl.export.resize import resize
from labelppl.images.decode import decode, planes, resize_picture
from labelppl.students.student import Student

TURN = np.array([[1.1, -0.2, 0.1], [0.0, 0.8, 0.2], [0.1, 0.1, 0.9]])


def _maps() -> dict[str, Recalibration]:
    rng = np.random.default_rng(0)
    p = rng.random(60)
    probs, labels = np.column_stack([1 - p, p]), (rng.random(60) < p**2).astype(int)
    kinds = (Platt, BetaMap, IsotonicMap, VennAbers, Temperature, DirichletMap)
    return {kind.name: kind().fit(probs, labels) for kind in kinds}


FITTED = _maps()


@pytest.mark.parametrize("depth", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("shape", [(8, 8), (31, 17), (5, 40), (3, 3), (1, 200)])
@pytest.mark.parametrize("keep_aspect", [False, True])
def test_pictures_are_resized_to_the_bit_as_pillow_does(
    depth: str, shape: tuple[int, int], keep_aspect: bool
) -> None:
    rng = np.random.default_rng(3)
    scale = {"uint8": 255, "uint16": 65535, "float32": 1}[depth]
    picture = (rng.random(shape) * scale).astype(depth)
    expected = resize_picture(picture, (12, 9), keep_aspect)
    pixels = torch.from_numpy(picture.astype(np.int32 if depth == "uint16" else depth))
    got = resize(pixels[None, None], (12, 9), depth, keep_aspect)[0, 0].numpy()
    np.testing.assert_allclose(got, expected, atol=0 if depth != "float32" else 1e-6)


def test_every_map_of_the_library_is_in_the_graph() -> None:
    assert set(FITTED) == set(MAPS)


@pytest.mark.parametrize("name", FITTED)
def test_a_map_gives_the_same_numbers(name: str) -> None:
    p = np.random.default_rng(1).random(300)
    if name == "venn-abers":  # at the steps themselves too
        p = np.concatenate([p, FITTED[name].forecast])  # type: ignore[attr-defined]
    probs = np.column_stack([1 - p, p])
    got = map_layer(FITTED[name])(torch.from_numpy(probs)).numpy()
    np.testing.assert_allclose(got, FITTED[name].transform(probs), atol=1e-12)


def test_a_map_of_the_users_own_is_refused_with_a_way_out() -> None:
    class Mine(Temperature):
        def transform(self, probs: Any) -> Any:
            return probs

    with pytest.raises(InputError, match=r"Mine is Python code.*--raw"):
        map_layer(Mine(2.0))


STUDENTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "colour": {"channels": 3, "classes": 3},
    "padded": {"keep_aspect": True},
    "deployed": {"deployment_prevalence": (0.9, 0.1)},
    "no prevalence": {"study_prevalence": None},
    "16 bits": {"depth": "uint16"},
    "full": {"posterior": "full", "deployment_prevalence": (0.9, 0.1)},
    "full of three": {"posterior": "full", "classes": 3},
    "kronecker": {"posterior": "kronecker"},
    "kronecker of four": {"posterior": "kronecker", "classes": 4},
    "mapped": {"mapping": FITTED["beta"], "deployment_prevalence": (0.9, 0.1)},
    "mapped and full": {"posterior": "full", "mapping": FITTED["isotonic"]},
    "mapped of three": {
        "posterior": "kronecker", "classes": 3, "mapping": DirichletMap(TURN, np.array([0.1, 0, -0.1])),
        "deployment_prevalence": (0.2, 0.3, 0.5),
    },
    "dirichlet head": {"head": "dirichlet", "classes": 3},
}  # fmt: skip


@pytest.mark.parametrize("name", STUDENTS)
def test_the_graph_gives_what_the_student_gives(
    name: str, make_student: Callable[..., Student], make_pictures: Callable[..., list[Path]]
) -> None:
    student = make_student(**STUDENTS[name])
    spec = student.spec
    paths = make_pictures(spec.channels, spec.depth)
    expected = student.predict(paths)
    graph = StudentGraph(student)
    prevalence = spec.deployment_prevalence or spec.study_prevalence
    shift = None if prevalence is None else torch.tensor(prevalence, dtype=torch.float64)
    kind = np.int32 if spec.depth == "uint16" else np.uint8
    rows = []
    for path in paths:
        pixels = planes(path, decode(path), spec.channels).astype(kind)[None]
        with torch.no_grad():
            rows.append([part.numpy() for part in graph(torch.from_numpy(pixels), shift)])
    outputs = dict(
        zip(
            graph.outputs, (np.concatenate(parts) for parts in zip(*rows, strict=True)), strict=True
        )
    )
    np.testing.assert_allclose(outputs["probs"], expected.probs, atol=1e-6)
    assert (expected.epistemic is None) == ("epistemic" not in outputs)
    if expected.epistemic is not None:
        np.testing.assert_allclose(outputs["epistemic"], expected.epistemic, atol=1e-6)
    if expected.spread is not None:
        np.testing.assert_allclose(outputs["laplace"], expected.spread.probs, atol=1e-6)
    assert expected.interval is not None
    for key, values in zip(("low", "high"), expected.interval, strict=True):
        np.testing.assert_allclose(outputs[key], values, atol=1e-6)


def test_digamma_is_scipys() -> None:
    from scipy.special import digamma

    x = np.concatenate([np.linspace(1.0, 5, 50), 10.0 ** np.arange(1, 8)])
    np.testing.assert_allclose(_digamma(torch.from_numpy(x)), digamma(x), rtol=1e-12, atol=1e-13)


def test_a_step_map_is_told_apart_from_smooth_ones() -> None:
    from labelppl.export.map_layers import steps_of

    assert len(steps_of(FITTED["venn-abers"])) == 60
    assert len(steps_of(FITTED["isotonic"])) == 0
    assert len(steps_of(None)) == 0


def test_pillow_is_the_reference() -> None:
    """The library's own resize is Pillow's, so that the identity above reaches Pillow itself."""
    picture = np.arange(63, dtype=np.uint8).reshape(7, 9)
    expected = np.asarray(Image.fromarray(picture).resize((4, 3), Image.Resampling.BILINEAR))
    assert np.abs(resize_picture(picture, (3, 4), False).astype(int) - expected).max() <= 1
