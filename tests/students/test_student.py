"""A student predicts, is saved, and is moved to another prevalence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import digamma
from torch import nn

from labelppl.errors import InputError
from labelppl.students.load import load_student, predict_files
from labelppl.students.network import build_network
from labelppl.students.spec import Spec
from labelppl.students.student import Student, normalise

SPEC = Spec(
    architecture="cnn",
    classes=("a", "b"),
    channels=1,
    height=32,
    width=32,
    outputs=1,
    mean=(0.4,),
    std=(0.2,),
    study_prevalence=(0.5, 0.5),
    training={"lam": float("inf")},
)


def _student(head: Literal["softmax", "dirichlet"] = "softmax", classes: int = 2) -> Student:
    names = tuple("abcdef"[:classes])
    outputs = classes if head == "dirichlet" or classes > 2 else 1
    spec = replace(SPEC, head=head, classes=names, outputs=outputs)
    network = build_network("cnn", spec.shape, seed=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        nn.init.normal_(network.output.weight, std=0.01)
    return Student(network.eval(), spec)


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, 1, 32, 32), dtype=np.uint8)


def test_probabilities_are_the_sigmoid_of_the_neuron(pixels: np.ndarray) -> None:
    student = _student()
    with torch.no_grad():
        x = (torch.from_numpy(pixels).float() / 255 - 0.4) / 0.2
        expected = torch.sigmoid(student.network(x).double())[:, 0].numpy()
    probs = student.predict_proba(pixels)
    np.testing.assert_allclose(probs[:, 1], expected, rtol=1e-4)
    np.testing.assert_allclose(student.predict_proba(pixels[:, 0], batch=2), probs, rtol=1e-4)


def test_normalise_leaves_its_input_alone() -> None:
    values = torch.rand(2, 1, 4, 4)
    kept = values.clone()
    out = normalise(values, replace(SPEC, depth="float32"))
    assert torch.equal(values, kept)
    torch.testing.assert_close(out, (kept - 0.4) / 0.2)


def test_saved_and_loaded_is_the_same(pixels: np.ndarray, tmp_path: Path) -> None:
    student = _student().at([0.9, 0.1])
    student.save(tmp_path)
    again = load_student(tmp_path)
    assert again.spec == replace(student.spec, training={"lam": "inf"})
    np.testing.assert_array_equal(again.predict_proba(pixels), student.predict_proba(pixels))
    assert {p.name for p in tmp_path.iterdir()} == {"student.safetensors", "student.json"}


def test_deployment_prevalence_moves_the_odds(pixels: np.ndarray) -> None:
    student = _student()
    before, after = student.predict_proba(pixels), student.at([0.9, 0.1]).predict_proba(pixels)
    odds = (after[:, 1] / after[:, 0]) / (before[:, 1] / before[:, 0])
    np.testing.assert_allclose(odds, 1 / 9, rtol=1e-9)
    with pytest.raises(InputError, match="not recorded"):
        Student(student.network, replace(SPEC, study_prevalence=None)).at([0.9, 0.1])


def test_dirichlet_head_separates_epistemic_uncertainty(pixels: np.ndarray) -> None:
    student = _student("dirichlet", 3)
    found = student.predict(pixels)
    with torch.no_grad():
        x = normalise(torch.from_numpy(pixels), student.spec)
        alpha = student.network(x).double().exp().numpy()
    total = alpha.sum(1, keepdims=True)
    p = alpha / total
    np.testing.assert_allclose(found.probs, p, rtol=1e-9)
    entropy = -(p * np.log(p)).sum(1)
    expected_entropy = -(p * (digamma(alpha + 1) - digamma(total + 1))).sum(1)
    np.testing.assert_allclose(found.epistemic, entropy - expected_entropy, rtol=1e-6)


def test_files_are_resized_as_in_training(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.fromarray(np.full((50, 40), 99, np.uint8)).save(path)
    student = _student()
    student.save(tmp_path)
    found = predict_files([path], tmp_path)
    assert found.ids == (str(path),)
    expected = student.predict_proba(np.full((1, 32, 32), 99, np.uint8))
    np.testing.assert_allclose(found.probs, expected)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 1, 32, 33), np.uint8),
        np.zeros((1, 3, 32, 32), np.uint8),
        np.zeros((1, 1, 32, 32), np.uint16),
        np.zeros((1, 32, 32), np.int64),
        np.full((1, 32, 32), np.nan),
    ],
)
def test_images_of_another_kind_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(InputError, match="images"):
        _student().predict_proba(wrong)


def test_damaged_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"student\.json: no such file"):
        load_student(tmp_path)
    student = _student()
    student.save(tmp_path)
    Student(student.network, replace(SPEC, height=64, width=64)).save(tmp_path, "other")
    with pytest.raises(InputError, match="does not fit"):
        load_student(tmp_path)
    (tmp_path / "student.json").write_text('{"format": 1, "classes": []}')
    with pytest.raises(InputError, match="missing or unknown keys"):
        load_student(tmp_path)
    (tmp_path / "student.json").write_text("[")
    with pytest.raises(InputError, match="damaged, not JSON"):
        load_student(tmp_path)


def test_features_are_what_the_last_layer_makes_logits_of(pixels: np.ndarray) -> None:
    student = _student()
    features = student.features(pixels, batch=3)
    assert features.shape == (7, student.network.output.in_features)
    with torch.no_grad():
        logits = student.network.output(torch.from_numpy(features)).double()[:, 0]
    expected = torch.sigmoid(logits).numpy()
    np.testing.assert_allclose(student.predict_proba(pixels)[:, 1], expected, rtol=1e-4)


def test_a_last_layer_that_is_not_linear_has_no_features(pixels: np.ndarray) -> None:
    odd = replace(_student(), network=nn.Sequential(nn.Conv2d(1, 1, 32), nn.Flatten()))
    with pytest.raises(InputError, match="last layer is not linear"):
        odd.features(pixels)


def test_a_class_that_no_training_case_had_is_no_damage(pixels: np.ndarray, tmp_path: Path) -> None:
    student = _student()
    replace(student, spec=replace(SPEC, study_prevalence=(1.0, 0.0))).save(tmp_path)
    again = load_student(tmp_path)
    np.testing.assert_array_equal(again.predict_proba(pixels), student.predict_proba(pixels))
    with pytest.raises(InputError, match="study prevalence: got"):
        again.at([0.9, 0.1])
