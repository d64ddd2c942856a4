"""Finished trainings of a comparison under `parts/`: for each method and repeat NAME-REPEAT.json, what it was and what it
took, and NAME-REPEAT.parquet, its predictions by id; where students are kept, NAME-REPEAT/ holds the student. Predictions and
student are written first, so that a record has them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..arrays import Array, Floats
from ..errors import InputError
from ..records import describe, refuse_other
from ..runs import read_json, write_atomically, write_json


class Parts:
    """out: the comparison's folder, None keeps nothing. settings: what all its trainings share.

    resume: go on with what the folder holds. students: keep them as well; a training that kept none is
    not finished then. Raises InputError where the folder holds a comparison that is not to be resumed,
    or one with other settings.
    """

    def __init__(
        self, out: Path | str | None, settings: Mapping[str, Any], *, resume: bool, students: bool
    ) -> None:
        self.folder = None if out is None else Path(out)
        self._students = students
        if self.folder is None:
            if resume or students:
                what = (
                    "resume needs the folder to continue in" if resume else "students need a folder"
                )
                raise InputError(f"compare: {what}; give one")
            return
        self._settings = describe(settings)
        before = read_json(self.folder / "parts" / "settings.json")
        if not before:
            return
        if not resume:
            raise InputError(
                f"{self.folder}: holds a comparison already; resume it, or give another folder"
            )
        refuse_other(self.folder, before, self._settings)

    def read(
        self, name: str, repeat: int, method: Mapping[str, Any]
    ) -> tuple[dict[str, Any], Floats | None] | None:
        """The record and predictions (cases, classes) of this training, if it was finished.

        Raises InputError where the method of that name was another one.
        """
        if self.folder is None:
            return None
        path = self._path(name, repeat, "json")
        record = read_json(path)
        if not record:
            return None
        refuse_other(path, {name: record["method"]}, {name: dict(method)})
        if "failed" in record:
            return record, None
        student = self.student_folder(name, repeat)
        if student is not None and not (student / "student.json").is_file():
            return None
        try:
            frame = pd.read_parquet(self._path(name, repeat, "parquet"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self._path(name, repeat, 'parquet')}: is not a table of predictions ({error}); remove {path}"
            ) from error
        return record, frame.drop(columns="id").to_numpy(float)

    def keep(
        self,
        name: str,
        repeat: int,
        record: Mapping[str, Any],
        probs: Floats | None,
        ids: Array,
        classes: Sequence[str],
    ) -> None:
        """Write a finished training; the settings before the first, so that a refused comparison leaves nothing."""
        if self.folder is None:
            return
        settings = self.folder / "parts" / "settings.json"
        if not settings.is_file():
            write_json(settings, self._settings)
        if probs is not None:
            frame = pd.DataFrame(probs, columns=[f"p_{k}" for k in classes])
            frame.insert(0, "id", ids)
            path = self._path(name, repeat, "parquet")
            write_atomically(path, lambda part: frame.to_parquet(part, index=False))
        write_json(self._path(name, repeat, "json"), record)

    def student_folder(self, name: str, repeat: int) -> Path | None:
        """Where the student of this training is kept; None where none is."""
        if self.folder is None or not self._students:
            return None
        return self.folder / "parts" / f"{name}-{repeat}"

    def _path(self, name: str, repeat: int, kind: str) -> Path:
        assert self.folder is not None
        return self.folder / "parts" / f"{name}-{repeat}.{kind}"
