"""`Explanations`: the log-odds of soft labels, term by term, and their file ``explain.parquet``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..arrays import Floats
from ..errors import InputError
from ..runs import write_atomically
from .record import SoftLabels

TERM_COLUMNS = ("id", "class", "against", "term", "kind", "cell", "log_odds", "lo", "hi", "rarity")


class Term(NamedTuple):
    """One term of one case: its place among the cases, its name, kind and cell, its log-odds in nats with 90 % interval."""

    case: int
    name: str
    kind: str
    cell: str
    log_odds: float
    lo: float
    hi: float


@dataclass(frozen=True)
class Explanations:
    """Why each soft label says what it says.

    Attributes:
        frame: One row per case and term. ``class`` is the most probable class and ``against`` the runner-up; ``log_odds``
            speaks for ``class`` where it is positive, in nats, with a 90 % interval ``lo`` to ``hi``. ``kind`` is
            prevalence, measurement, input (compared with the mean case), rater or averaging. ``cell`` is what was
            measured. The terms of a case sum to the log-odds of its soft label. ``rarity`` is the share of the fitted
            cases with the same measurements that are at least as unlikely.
        cohort: Counts of cases, labels, missing and censored cells by split, or None.
        densities: What each measurement looks like by class, see `labelppl.softlabels.densities`.
    """

    frame: pd.DataFrame
    cohort: pd.DataFrame | None = None
    densities: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def of(cls, terms: list[Term], labels: SoftLabels, rarity: Floats) -> Explanations:
        """From terms in the order of the cases."""
        case = np.array([term.case for term in terms], dtype=np.int64)
        order = np.argsort(-labels.probs, axis=1, kind="stable")
        names = np.array(labels.classes)
        return cls(
            pd.DataFrame(
                {
                    "id": labels.ids[case],
                    "class": names[order[case, 0]],
                    "against": names[order[case, 1]],
                    "term": [term.name for term in terms],
                    "kind": [term.kind for term in terms],
                    "cell": [term.cell for term in terms],
                    "log_odds": [term.log_odds for term in terms],
                    "lo": [term.lo for term in terms],
                    "hi": [term.hi for term in terms],
                    "rarity": rarity[case],
                }
            )
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per case and term."""
        return self.frame

    def of_case(self, case: str) -> pd.DataFrame:
        """The terms of one case, the strongest first. Raises InputError for an unknown id."""
        rows = self.frame[self.frame["id"].astype(str) == str(case)]
        if rows.empty:
            raise InputError(f"id '{case}': not among the explained cases; check its spelling")
        return rows.iloc[np.argsort(-rows["log_odds"].abs().to_numpy(), kind="stable")]

    def save(self, path: str | Path) -> None:
        """Write ``explain.parquet``; cohort and densities stand in the file's metadata."""
        frame = self.frame.copy()
        if self.cohort is not None:
            frame.attrs["cohort"] = self.cohort.to_dict("list")
        frame.attrs["densities"] = [dict(one) for one in self.densities]
        write_atomically(Path(path), lambda temporary: frame.to_parquet(temporary, index=False))

    @classmethod
    def load(cls, path: str | Path) -> Explanations:
        """Read what `save` wrote. Raises InputError if the file is missing or damaged."""
        if not Path(path).is_file():
            raise InputError(f"{path}: no explanations; run labelppl label")
        try:
            frame = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path}: cannot be read ({error}); run labelppl label again"
            ) from error
        lost = set(TERM_COLUMNS) - set(frame.columns)
        if lost:
            raise InputError(f"{path}: no column '{min(lost)}'; run labelppl label again")
        counts = frame.attrs.pop("cohort", None)
        densities = frame.attrs.pop("densities", [])
        return cls(frame, None if counts is None else pd.DataFrame(counts), tuple(densities))
