"""ONNX files: the same numbers as torch, also on real images, for every kind of student; what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from labelppl.calibration.conformal import Conformal
from labelppl.calibration.dirichlet import DirichletMap
from labelppl.calibration.isotonic import IsotonicMap
from labelppl.calibration.platt import Platt
from labelppl.errors import InputError
from labelppl.export import load_onnx
from labelppl.export.graph import StudentGraph, write_graph
from labelppl.export.names import NOTES
from labelppl.export.onnx_student import Notes
from labelppl.students.student import Student

pytest.importorskip("onnxruntime", reason="the [export] extra is not installed")
pytest.importorskip("onnxscript", reason="the [export] extra is not installed")

REAL = Path(__file__).parents[2] / ".." / "shared" / "data" / "pneumonia"


def _notes(student: Student) -> Notes:
    spec = student.spec
    return Notes(
        student.classes, spec.channels, spec.height, spec.width, spec.depth, spec.study_prevalence,
        spec.deployment_prevalence, None,
        Conformal((0.6,) * len(student.classes), 0.1, cases=(9.0,) * len(student.classes)).record(),
        None, "0" * 64, {"labelppl": "0.1.0"},
    )  # fmt: skip


def _write(student: Student, path: Path) -> Path:
    spec = student.spec
    write_graph(
        StudentGraph(student), path, spec.deployment_prevalence or spec.study_prevalence,
        {NOTES: _notes(student).to_text()},
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def mapped(make_student: Callable[..., Student]) -> Student:
    """Two classes, a posterior of the weights, a map and another prevalence."""
    mapping = IsotonicMap(np.array([0.1, 0.5, 0.9]), np.array([0.2, 0.4, 0.95]))
    return make_student(posterior="full", mapping=mapping, deployment_prevalence=(0.8, 0.2))


@pytest.fixture(scope="module")
def file(mapped: Student, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(mapped, tmp_path_factory.mktemp("onnx") / "student.onnx")


def test_two_hundred_real_images_get_the_numbers_of_torch(mapped: Student, file: Path) -> None:
    images = sorted((REAL / "images").glob("*"))[:200]
    if len(images) < 200:
        pytest.skip(f"the shared data are not at {REAL}")
    expected, prediction = mapped.predict(images), load_onnx(file).predict(images)
    assert np.abs(prediction.probs - expected.probs).max() < 1e-4
    assert prediction.spread is not None
    assert expected.spread is not None
    assert prediction.interval is not None
    assert expected.interval is not None
    got, wanted = ((*said.spread, *said.interval) for said in (prediction, expected))
    for one, other in zip(got, wanted, strict=True):
        assert np.abs(one - other).max() < 1e-4


def test_pictures_of_every_size_and_another_prevalence(
    mapped: Student, file: Path, make_pictures: Callable[..., list[Path]]
) -> None:
    paths = make_pictures()
    exported = load_onnx(file)
    np.testing.assert_allclose(
        exported.predict(paths).probs, mapped.predict(paths).probs, atol=1e-6
    )
    rare = exported.at({"b": 0.03}).predict(paths)
    expected = mapped.at((0.97, 0.03)).predict(paths)
    np.testing.assert_allclose(rare.probs, expected.probs, atol=1e-6)
    assert rare.interval is not None
    assert expected.interval is not None
    np.testing.assert_allclose(rare.interval.low, expected.interval.low, atol=1e-6)
    assert exported.predict(paths).ids == tuple(map(str, paths))


def test_three_classes_in_colour_with_a_padded_frame(
    make_student: Callable[..., Student],
    make_pictures: Callable[..., list[Path]],
    tmp_path: Path,
) -> None:
    student = make_student(
        classes=3, channels=3, keep_aspect=True, posterior="kronecker",
        mapping=DirichletMap(np.array([[1.1, -0.2, 0.1], [0, 0.8, 0.2], [0.1, 0.1, 0.9]]), np.zeros(3)),
    )  # fmt: skip
    paths = make_pictures(3)
    expected = student.predict(paths)
    prediction = load_onnx(_write(student, tmp_path / "s.onnx")).predict(paths)
    np.testing.assert_allclose(prediction.probs, expected.probs, atol=1e-6)
    assert prediction.spread is not None
    assert expected.spread is not None
    for got, wanted in zip(prediction.spread, expected.spread, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_a_sure_student_stays_sure(
    make_student: Callable[..., Student], make_pictures: Callable[..., list[Path]], tmp_path: Path
) -> None:
    """At p = 1 a logit is cut off at 1e-12, which float32 could not hold."""
    student = make_student(mapping=Platt(0.1, 0.2))
    with torch.no_grad():
        student.network[1].bias.fill_(200.0)  # type: ignore[index, union-attr, operator]
    paths = make_pictures(count=2)
    prediction = load_onnx(_write(student, tmp_path / "s.onnx")).predict(paths)
    np.testing.assert_allclose(prediction.probs, student.predict(paths).probs, atol=1e-9)
    assert 0.9 < prediction.probs[0, 1] < 0.96


def test_sixteen_bits_and_a_dirichlet_head(
    make_student: Callable[..., Student],
    make_pictures: Callable[..., list[Path]],
    tmp_path: Path,
) -> None:
    student = make_student(classes=3, depth="uint16", head="dirichlet", study_prevalence=None)
    paths = make_pictures(1, "uint16")
    expected = student.predict(paths)
    exported = load_onnx(_write(student, tmp_path / "s.onnx"))
    prediction = exported.predict(paths)
    np.testing.assert_allclose(prediction.probs, expected.probs, atol=1e-6)
    assert prediction.epistemic is not None
    assert expected.epistemic is not None
    np.testing.assert_allclose(prediction.epistemic, expected.epistemic, atol=1e-6)
    with pytest.raises(InputError, match="study prevalence is not recorded"):
        exported.at({"a": 0.1, "b": 0.2})
    with pytest.raises(InputError, match="got uint8 pixels, expected uint16"):
        exported.predict(make_pictures(1, "uint8"))


def test_predict_onnx_needs_no_torch(
    file: Path, make_pictures: Callable[..., list[Path]], tmp_path: Path
) -> None:
    paths = make_pictures(count=3)
    script = (
        "import sys; from labelppl.cli import main; main(sys.argv[1:], standalone_mode=False); "
        "sys.exit(str({'torch', 'pyro', 'lightning_fabric'} & set(sys.modules) or 0))"
    )
    out = tmp_path / "p.csv"
    words = [
        "predict",
        "--onnx",
        str(file),
        *map(str, paths),
        "--out",
        str(out),
        "--prevalence",
        "b=0.1",
    ]
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) in ((0, ""), (1, "0\n")), done.stderr
    frame = pd.read_csv(out)
    assert list(frame.columns) == [
        "id", "p_a", "p_b", "laplace_a", "laplace_b", "lo_a", "hi_a", "lo_b", "hi_b", "epistemic", "set",
    ]  # fmt: skip
    expected = load_onnx(file).at({"b": 0.1}).predict(paths)
    np.testing.assert_allclose(frame["p_b"], expected.probs[:, 1])


def test_what_is_not_ours_is_refused_in_one_line(file: Path, tmp_path: Path) -> None:
    import onnx

    with pytest.raises(InputError, match="no such file"):
        load_onnx(tmp_path / "gone.onnx")
    (tmp_path / "noise.onnx").write_bytes(b"noise")
    with pytest.raises(InputError, match="cannot be read as ONNX"):
        load_onnx(tmp_path / "noise.onnx")
    model = onnx.load(file)
    for text in (
        "",
        "[]",
        "{}",
        '{"format": 1}',
        _notes_text(file, classes=["a"]),
        _notes_text(file, depth="x"),
    ):
        del model.metadata_props[:]
        model.metadata_props.add(key=NOTES, value=text)
        onnx.save(model, tmp_path / "other.onnx")
        with pytest.raises(InputError, match="no ONNX file of this labelppl"):
            load_onnx(tmp_path / "other.onnx")


def _notes_text(file: Path, **entries: object) -> str:
    return replace(load_onnx(file).notes, **entries).to_text()  # type: ignore[arg-type]


def test_weights_beside_the_file_are_not_read(file: Path, tmp_path: Path) -> None:
    """A stranger's ONNX file may name any file of the disk as its weights."""
    import onnx

    model = onnx.load(file)
    onnx.save_model(
        model,
        tmp_path / "s.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    assert (tmp_path / "weights.bin").is_file()
    with pytest.raises(InputError, match="cannot be read as ONNX"):
        load_onnx(tmp_path / "s.onnx")
