"""What a run folder says about its probabilities: `calibration.json` and `conformal.json`.

`calibration.json` holds the map and the confidence that were chosen, what they were fitted to, and the
SHA-256 of the student they belong to; `conformal.json` the prediction sets. A student trained anew has
other probabilities, so files of another student are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..python_files import names_object
from ..runs import read_json, refuse_stranger, sha256
from ..runs.run_json import RUN_JSON
from .base import Recalibration
from .confidence import Confidence
from .conformal import Conformal
from .maps import MAPS, open_map

CALIBRATION, CONFORMAL = "calibration.json", "conformal.json"
STUDENT = "student.safetensors"


@dataclass(frozen=True)
class InForce:
    """What applies to a student's probabilities at the study prevalence; None where nothing was chosen.

    Args:
        mapping: The map.
        confidence: Which cases are answered.
        sets: Prediction sets.

    Examples:
        >>> InForce().mapping is None
        True
    """

    mapping: Recalibration | None = None
    confidence: Confidence | None = None
    sets: Conformal | None = None


def read_in_force(folder: Path) -> InForce:
    """Read what is in force in a run folder.

    Args:
        folder: The run folder.

    Returns:
        The map, the confidence and the prediction sets, None each where there is no such file.

    Raises:
        InputError: For a file that is not ours, or of another student than the folder's.

    Examples:
        >>> import tempfile
        >>> read_in_force(Path(tempfile.mkdtemp())) == InForce()
        True
    """
    calibration, conformal = read_json(folder / CALIBRATION), read_json(folder / CONFORMAL)
    for name, content in ((CALIBRATION, calibration), (CONFORMAL, conformal)):
        if content and content.get("student") != sha256(folder / STUDENT):
            raise InputError(
                f"{folder / name}: fitted to another student than {STUDENT} beside it; run labelppl "
                "recalibrate again, or delete it"
            )
    return InForce(
        _mapping(calibration, folder / CALIBRATION),
        None if not calibration.get("confidence")
        else Confidence.from_record(calibration["confidence"]),
        None if not conformal else Conformal.from_record(conformal["sets"]),
    )  # fmt: skip


def _mapping(content: dict[str, Any], path: Path) -> Recalibration | None:
    if not content or content.get("map") is None:
        return None
    name, record = str(content["map"]), content.get("fitted")
    if not (name in MAPS or names_object(name)) or not isinstance(record, dict):
        raise InputError(f"{path}: no map of this labelppl; run labelppl recalibrate again")
    if names_object(name):
        _refuse_other_code(name, content, path)
    return open_map(name).from_record(record)


def _refuse_other_code(name: str, content: dict[str, Any], path: Path) -> None:
    """A map of the user's own is a Python file: it runs only in a folder that the user made, and unchanged."""
    file = Path(name.rpartition(":")[0])
    refuse_stranger(path.parent, read_json(path.parent / RUN_JSON), file)
    if not file.is_file() or sha256(file) != content.get("map_sha256"):
        state = "has changed" if file.is_file() else "is gone"
        raise InputError(f"{file}: {state} since {path} was made; run labelppl recalibrate again")
