"""Finished folds of the choice of lambda in a JSON file: a restart loses the fold it was in, no more.

Beside the scores of the held-out cases it keeps the log-odds that the students of the fold gave to some of them, of which
the interval of p(Y|X) is made.

A number of JSON, written by Python, reads back as the same float64, so that a resumed choice is the
same choice.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array
from ..errors import InputError
from ..records import describe, refuse_other
from ..runs import write_text

MOST_CASES, MOST_NUMBERS = 1_000, 200_000
"""Of a fold, whose log-odds are kept: ends of an interval need no more cases."""


class Followed(NamedTuple):
    """What the students along a path say of held-out cases.

    scores: -log q(y), (candidates, held cases). log_odds: of each class, (candidates, held cases, classes).
    """

    scores: Array
    log_odds: Array


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

    def add(self, held: Array, followed: Followed) -> None:
        """Keep a finished fold. held: (held cases,) rows."""
        candidates, cases, classes = followed.log_odds.shape
        most = min(MOST_CASES, max(1, MOST_NUMBERS // (candidates * classes)))
        kept = np.arange(0, cases, -(-cases // most))
        self._done.append(
            {
                "held": held.tolist(),
                "scores": followed.scores.tolist(),
                "rows": held[kept].tolist(),
                "log_odds": followed.log_odds[:, kept].tolist(),
            }
        )
        if self._path is None or not self._writes:
            return
        write_text(self._path, json.dumps({"identity": self._identity, "folds": self._done}))

    def log_odds(self, candidate: int) -> tuple[Array, Array]:
        """Rows (kept cases,) of all folds, and what the students of one candidate said of them, (kept cases, classes)."""
        rows = [np.asarray(fold["rows"], np.int64) for fold in self._done]
        said = [np.asarray(fold["log_odds"][candidate], np.float64) for fold in self._done]
        return np.concatenate(rows), np.concatenate(said)
