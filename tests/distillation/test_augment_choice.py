"""`--augment auto`: held-out cases choose, and the symmetries that the features declare are among the candidates."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelppl.distillation.distill import distill
from labelppl.errors import InputError
from labelppl.features import Angle, Category, Ratio, Vector
from labelppl.features.symmetries import common_symmetries
from labelppl.students.options import StudentOptions
from labelppl.training.schedule import Schedule


def test_features_agree_on_their_symmetries() -> None:
    turned = Ratio(symmetries=("rot90", "hflip"))
    angle = Angle("deg", kind="halfcircle", symmetries=("hflip",))
    assert common_symmetries([turned]) == ("hflip", "rot90")
    assert common_symmetries([turned, angle]) == ("hflip",)
    assert common_symmetries([turned, Category("left", "right")]) == ()
    assert common_symmetries([]) == ()
    assert Vector(a=turned, b=angle).symmetries == ("hflip",)
    with pytest.raises(InputError, match="symmetries=\\('shear',\\), expected some of hflip"):
        Ratio(symmetries=("shear",))


def test_a_preset_takes_the_symmetries_and_what_is_stated_stays() -> None:
    both = ("hflip", "rot90")
    assert StudentOptions().with_symmetries(both).augment == "shift+hflip+rot90"
    assert StudentOptions(augment="auto").with_symmetries(both).augment == "auto+hflip+rot90"
    for stated in ("none", "natural+vflip"):
        assert StudentOptions(augment=stated).with_symmetries(both).augment == stated
    assert StudentOptions().with_symmetries(()).augment == "shift"


QUICK: dict[str, Any] = {
    "schedule": Schedule(epochs=4, batch_size=8),
    "lam": np.inf,
    "device": "cpu",
}


def _choice(folder: Path) -> dict[str, Any]:
    training = json.loads((folder / "student.json").read_text())["training"]
    assert training["augment"] == training["augment_choice"]["name"]
    return dict(training["augment_choice"])


def test_a_flip_that_moves_the_measured_half_is_not_chosen(study: Any, tmp_path: Path) -> None:
    """The class is how much brighter the left half is: a flipped image shows the other class."""
    labels, cases = study(n=90, test=20)
    for path in cases.images:
        pixels = np.array(Image.open(path))
        pixels[:, 16:] = 255 - pixels[:, :16]
        Image.fromarray(pixels).save(path)
    options = StudentOptions("logistic", augment="auto+hflip")
    distill(labels, cases, student=options, out=tmp_path / "r", **QUICK)
    choice = _choice(tmp_path / "r")
    assert set(choice["nll"]) == {"none", "shift", "natural", "shift+hflip", "natural+hflip"}
    assert choice["name"] == min(choice["nll"], key=choice["nll"].get)
    assert choice["nll"]["shift+hflip"] > choice["nll"]["shift"] + 0.02
    assert not list((tmp_path / "r").glob("checkpoint*"))


def test_the_chosen_augmentation_trains_the_student_that_naming_it_would(
    study: Any, tmp_path: Path
) -> None:
    labels, cases = study(n=60, test=12)
    one = distill(
        labels,
        cases,
        student=StudentOptions("logistic", augment="auto"),
        out=tmp_path / "r",
        **QUICK,
    )
    name = _choice(tmp_path / "r")["name"]
    two = distill(labels, cases, student=StudentOptions("logistic", augment=name), **QUICK)
    np.testing.assert_array_equal(one.predict_proba(cases.images), two.predict_proba(cases.images))


def test_a_class_with_one_case_cannot_choose(study: Any) -> None:
    labels, cases = study(n=40, test=8)
    lonely = np.zeros(len(cases), np.int64)
    lonely[0] = 1
    alone = replace(cases, labels=lonely)
    with pytest.raises(InputError, match=r"augment auto: needs validation cases"):
        distill(labels, alone, student=StudentOptions("logistic", augment="auto"), **QUICK)
