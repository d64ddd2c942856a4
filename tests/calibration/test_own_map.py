"""A map of the user's own: opened by FILE.py:NAME, kept by digest, refused in a stranger's folder or once it has changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelppl.calibration.in_force import read_in_force
from labelppl.calibration.maps import open_map
from labelppl.errors import InputError
from labelppl.runs import record, sha256, write_json

HALF = """
from dataclasses import dataclass
import numpy as np
from labelppl.calibration import Recalibration

@dataclass(frozen=True)
class Half(Recalibration):
    name = "half"
    share: float = 0.0
    def fit(self, probs, reference):
        return Half(0.5)
    def transform(self, probs):
        return 0.5 * np.asarray(probs) + 0.5 / np.shape(probs)[1]

nothing = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder of this user's with a student and a map of the user's own in force."""
    (tmp_path / "half.py").write_text(HALF)
    (tmp_path / "student.safetensors").write_bytes(b"weights")
    record(tmp_path, status="done")
    content: dict[str, Any] = {
        "student": sha256(tmp_path / "student.safetensors"),
        "map": f"{tmp_path / 'half.py'}:Half",
        "map_sha256": sha256(tmp_path / "half.py"),
        "fitted": {"share": 0.5},
        "confidence": None,
    }
    write_json(tmp_path / "calibration.json", content)
    return tmp_path


def test_it_is_in_force_in_the_users_own_folder(folder: Path) -> None:
    mapping = read_in_force(folder).mapping
    assert mapping is not None
    np.testing.assert_allclose(mapping.transform([[0.9, 0.1]]), [[0.7, 0.3]])


def test_a_file_that_has_changed_does_not_run(folder: Path) -> None:
    (folder / "half.py").write_text(HALF + "\nraise SystemExit('ran')\n")
    with pytest.raises(InputError, match="has changed"):
        read_in_force(folder)
    (folder / "half.py").unlink()
    with pytest.raises(InputError, match="is gone"):
        read_in_force(folder)


def test_a_strangers_map_does_not_run(folder: Path) -> None:
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text.replace('"done"', '"done "'))  # no longer what was signed
    (folder / "half.py").write_text("raise SystemExit('ran')")
    with pytest.raises(InputError, match=r"half\.py"):
        read_in_force(folder)


def test_only_a_map_is_taken(folder: Path) -> None:
    assert open_map(f"{folder / 'half.py'}:Half").name == "half"
    with pytest.raises(InputError, match="expected a class that extends"):
        open_map(f"{folder / 'half.py'}:nothing")
    with pytest.raises(InputError, match=r"FILE\.py:NAME"):
        open_map("cubic")
