"""calibration.json and conformal.json: what is read, what is refused; choosing by name; words."""

import json
from pathlib import Path

import numpy as np
import pytest

from labelppl.calibration import InForce, Platt, Temperature, choose_map, read_in_force
from labelppl.calibration.base import cross_entropy
from labelppl.calibration.confidence import Confidence
from labelppl.calibration.conformal import fit_conformal
from labelppl.calibration.maps import MAP_FOLDS, fold_masks, gain_in_words, loss_of, open_map
from labelppl.calibration.two_classes import both, clipped_logit, positive, positive_target, twice
from labelppl.errors import InputError
from labelppl.probabilities import FLOOR
from labelppl.runs import sha256


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "student.safetensors").write_bytes(b"weights")
    return tmp_path


def write(folder: Path, name: str, **content: object) -> None:
    student = sha256(folder / "student.safetensors")
    (folder / name).write_text(json.dumps({"student": student, **content}))


def test_nothing_is_in_force_where_there_is_no_file(folder: Path) -> None:
    assert read_in_force(folder) == InForce(None, None, None)


def test_what_was_written_is_in_force(folder: Path, calibrated) -> None:
    probs, labels = calibrated(60)
    mapping = Temperature().fit(probs, labels)
    confidence = Confidence("largest", 0.0, 0.7, 0.1, 0.5)
    sets = fit_conformal(probs, labels)
    write(
        folder,
        "calibration.json",
        map="temperature",
        fitted=mapping.record(),
        confidence=confidence.record(),
    )
    write(folder, "conformal.json", sets=sets.record())
    in_force = read_in_force(folder)
    assert in_force.mapping == mapping
    assert in_force.confidence == confidence
    assert in_force.sets == sets


def test_a_confidence_without_a_map_and_a_map_without_a_confidence(folder: Path) -> None:
    confidence = Confidence("largest", 0.0, 0.7, 0.1, 0.5)
    write(folder, "calibration.json", map=None, fitted=None, confidence=confidence.record())
    assert read_in_force(folder) == InForce(None, confidence, None)
    write(
        folder,
        "calibration.json",
        map="platt",
        fitted={"slope": 2.0, "intercept": 0.1},
        confidence=None,
    )
    assert read_in_force(folder) == InForce(Platt(2.0, 0.1), None, None)


@pytest.mark.parametrize("name", ["calibration.json", "conformal.json"])
def test_a_file_of_another_student_is_refused(folder: Path, name: str) -> None:
    write(folder, name, map=None)
    (folder / "student.safetensors").write_bytes(b"other weights")
    with pytest.raises(InputError, match=f"{name}.*another student"):
        read_in_force(folder)


@pytest.mark.parametrize(
    "content", [{"map": "magic", "fitted": {}}, {"map": "platt", "fitted": None}]
)
def test_an_unknown_map_is_refused(folder: Path, content: dict) -> None:
    write(folder, "calibration.json", **content)
    with pytest.raises(InputError, match="no map of this labelppl"):
        read_in_force(folder)


def test_maps_by_name_and_their_words(calibrated) -> None:
    assert open_map("platt") is Platt
    with pytest.raises(InputError, match="got 'magic', expected auto"):
        open_map("magic")
    probs, labels = calibrated(200)
    sharp = probs**3 / (probs**3).sum(axis=1, keepdims=True)
    chosen = choose_map(sharp, labels, names=["temperature"], seed=3)
    before, after = chosen.losses["none"], chosen.losses["temperature"]
    assert gain_in_words(chosen, "temperature") == f"log loss {before:.3f} → {after:.3f} in 5 folds"
    assert before == pytest.approx(loss_of(sharp, labels))
    assert loss_of(probs, np.eye(2)[labels]) == pytest.approx(
        -np.log(probs[np.arange(200), labels]).mean()
    )
    assert cross_entropy(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), 1e-3) == pytest.approx(
        -np.log(1e-3)
    )


def test_cross_validated_losses_are_those_of_maps_that_never_saw_the_case(calibrated) -> None:
    probs, labels = calibrated(50)
    groups = np.arange(50) % 5
    chosen = choose_map(probs, labels, names=["temperature"], groups=groups)
    loss = np.zeros(50)
    for group in range(MAP_FOLDS):
        inside, rest = fold_masks(np.flatnonzero(groups == group), 50)
        assert (inside == (groups == group)).all()
        assert (rest == ~inside).all()
        mapped = Temperature().fit(probs[rest], labels[rest]).transform(probs[inside])
        loss[inside] = -np.log(mapped[np.arange(10), labels[inside]])
    assert chosen.losses["temperature"] == pytest.approx(loss.mean())
    gain = -np.log(probs[np.arange(50), labels]) - loss
    assert chosen.standard_error == pytest.approx(gain.std(ddof=1) / np.sqrt(50))
    draws = np.repeat(np.eye(2)[labels][None], 3, axis=0)
    by_draws = choose_map(probs, draws, names=["temperature"], groups=groups)
    assert by_draws.losses["temperature"] == pytest.approx(loss.mean())


def test_the_two_class_form() -> None:
    probs = np.array([[0.3, 0.7], [0.9, 0.1]])
    assert positive(probs).tolist() == [0.7, 0.1]
    assert both([0.7]).tolist() == [[pytest.approx(0.3), 0.7]]
    assert clipped_logit(np.array([0.0, 0.5, 1.0])) == pytest.approx(
        [np.log(FLOOR), 0, -np.log(FLOOR)], rel=1e-4
    )
    p, target = positive_target(probs, [[0.4, 0.6], [0.8, 0.2]])
    assert (p.tolist(), target.tolist()) == ([0.7, 0.1], [0.6, 0.2])
    features, outcome, weight = twice(np.array([[1.0], [2.0]]), np.array([0.6, 0.2]))
    assert features.tolist() == [[1], [2], [1], [2]]
    assert outcome.tolist() == [1, 1, 0, 0]
    assert weight == pytest.approx([0.6, 0.2, 0.4, 0.8])
    with pytest.raises(InputError, match="got class 1 only"):
        positive_target(probs, [1, 1])
    # One soft label of a single class is no reason to refuse.
    positive_target(probs[:1], [[0.2, 0.8]])
