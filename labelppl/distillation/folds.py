"""Finished folds of the choice of lambda in a JSON file: a restart loses the fold it was in, no more.

A number of JSON, written by Python, reads back as the same float64, so that a resumed choice is the
same choice.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import InputError
from ..records import describe, refuse_other
from ..runs import write_text


class Folds:
    """path: the file, None keeps nothing. identity: plain values that tell this choice from others.

    resume: start from what the file holds. writes: whether this process writes it (one of several
    does). Raises InputError for a damaged file and for one of another choice.
    """

    def __init__(
        self,
        path: Path | None = None,
        identity: dict[str, Any] | None = None,
        *,
        resume: bool = False,
        writes: bool = True,
    ) -> None:
        self._path, self._writes = path, writes
        self._identity = describe(identity or {})
        self._done: list[dict[str, Any]] = []
        if path is None or not resume or not path.is_file():
            return
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            old, self._done = dict(saved["identity"]), list(saved["folds"])
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{path}: is not finished folds ({error}); remove it") from error
        refuse_other(path, old, self._identity)

    def scores(self, held: Array) -> Array | None:
        """What was kept of the fold with these held-out cases: (candidates, held cases)."""
        rows = held.tolist()
        for fold in self._done:
            if fold["held"] == rows:
                return np.asarray(fold["scores"], np.float64)
        return None

    def add(self, held: Array, scores: Array) -> None:
        """Keep a finished fold. held: (held cases,) rows. scores: (candidates, held cases)."""
        self._done.append({"held": held.tolist(), "scores": scores.tolist()})
        if self._path is None or not self._writes:
            return
        write_text(self._path, json.dumps({"identity": self._identity, "folds": self._done}))
