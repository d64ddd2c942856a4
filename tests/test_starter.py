"""The starter file works as it is, and never overwrites."""

from __future__ import annotations

import keyword

import pytest

from labelppl import InputError
from labelppl.model import LabelDensity, load_model, read_cases
from labelppl.starter import starter, write_starter


def test_the_starter_is_a_working_model(tmp_path):
    path = write_starter(tmp_path / "knee.py")
    model = load_model(path)
    assert model.name == "knee"
    (tmp_path / "knee.csv").write_text(
        "diagnosis,angle,share\nnormal,61,0.6\n,>50,\nabnormal,,0.4\n"
    )
    density = LabelDensity(model, read_cases(tmp_path / "knee.csv", model))
    assert density.log_prob(density.start(2, seed=0)).isfinite().all()


def test_it_does_not_overwrite(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("kept")
    with pytest.raises(InputError, match=r"mine\.py: already there; choose another name"):
        write_starter(path)
    assert path.read_text() == "kept"


@pytest.mark.parametrize("name", ["my hip", "2hips", "hip-left", "Hüfte", *keyword.kwlist[:3]])
def test_the_stem_must_be_a_name(name):
    with pytest.raises(InputError, match="must be a Python name"):
        starter(name)


def test_wrong_paths(tmp_path):
    with pytest.raises(InputError, match=r"expected a file name ending in \.py, such as hip\.py"):
        write_starter(tmp_path / "hip.txt")
    with pytest.raises(InputError, match="no such folder; make it first"):
        write_starter(tmp_path / "nowhere" / "hip.py")
