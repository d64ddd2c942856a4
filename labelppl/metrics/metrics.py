"""The record that evaluation returns and `metrics.json` holds.

Flat keys: each metric by name, its 95 % interval beside it as `<key>_ci = [lo, hi]`, the counts,
the settings the numbers depend on, and `notes`. A metric that the cases cannot define (AUC with a
single class) is null with the reason in `notes`; a metric that was not asked for, or whose labels
do not exist, is absent. NaN never appears.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError
from ..facts import Facts
from ..runs import write_atomically, write_text
from .bootstrap import Interval
from .curves import read_curves
from .listed import metric_of

NO_METRICS = ("n", "n_labelled", "n_groups", "classes", "notes", "settings", "meanings", "verdict")
"""Keys of `metrics.json` that are no metric."""


@dataclass(frozen=True, repr=False)
class Metrics(Facts):
    """Metrics of one set of predictions.

    A metric is also an attribute: `metrics.accuracy`.

    Attributes:
        values: The key of each metric that applies -> a number, or None where the cases do not define it.
        intervals: Key -> (lo, hi), 95 %.
        n: How many cases there were.
        n_labelled: How many of them have a hard label.
        n_groups: In how many independent groups.
        classes: Names of the classes.
        notes: What the reader should know, such as why a metric is None.
        settings: What the numbers depend on.
        meanings: Those of the user's own metrics.
        verdict: In words, what the cases show about calibration.
        predictions: From `evaluate`, the table of `predictions.parquet` (id, p_<class>, label).
        curves: From `evaluate`, that of `curves.csv` (curve, class, x, y, lo, hi).

    Examples:
        >>> p = np.array([0.9, 0.7, 0.4, 0.2])
        >>> metrics = evaluate_probs(np.column_stack([1 - p, p]), [1, 1, 1, 0], classes=("no", "yes"), n_boot=0)
        >>> metrics.accuracy, metrics.n
        (0.75, 4)
    """

    values: Mapping[str, float | None]
    intervals: Mapping[str, Interval]
    n: int
    n_labelled: int
    n_groups: int
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    meanings: Mapping[str, str] = field(default_factory=dict)
    verdict: str | None = None
    predictions: pd.DataFrame | None = field(default=None, compare=False)
    curves: pd.DataFrame | None = field(default=None, compare=False)

    def facts(self) -> dict[str, str]:
        """The cases, the numbers to look at first, and the verdict."""
        shown = {}
        for key in ("accuracy", "auc", "nll", "smece", "kl_true"):
            value, known = self.values.get(key), metric_of(key)
            if value is not None:
                lo, hi = self.intervals.get(key, (math.nan, math.nan))
                name = key if known is None else known.name
                shown[name] = f"{value:.3f}" + ("" if math.isnan(lo) else f" [{lo:.3f}, {hi:.3f}]")
        verdict = {} if self.verdict is None else {"verdict": self.verdict}
        return {"cases": str(self.n)} | shown | verdict

    def __getattr__(self, name: str) -> float | None:
        """Return the metric called `name`; AttributeError where it is absent."""
        # Looked up past __getattr__, which a half-made copy would call without end.
        values = self.__dict__.get("values", {})
        if name in values:
            return values[name]
        reason = "" if metric_of(name) is None else " (absent: see .notes)"
        raise AttributeError(f"Metrics has no {name!r}{reason}")

    def with_tables(self, predictions: pd.DataFrame, curves: pd.DataFrame | None) -> Metrics:
        """Return these metrics with the tables they were computed from."""
        return replace(self, predictions=predictions, curves=curves)

    def meaning(self, key: str) -> str:
        """Return what a metric means, in one line."""
        known = metric_of(key)
        return self.meanings.get(key, "" if known is None else known.meaning)

    def to_dict(self) -> dict[str, Any]:
        """Return the flat, JSON-safe dictionary of `metrics.json`."""
        flat: dict[str, Any] = {}
        for key, value in self.values.items():
            flat[key] = value
            if key in self.intervals:
                flat[f"{key}_ci"] = list(self.intervals[key])
        return flat | {
            "n": self.n,
            "n_labelled": self.n_labelled,
            "n_groups": self.n_groups,
            "classes": list(self.classes),
            "notes": list(self.notes),
            "settings": dict(self.settings),
            "meanings": dict(self.meanings),
            "verdict": self.verdict,
        }

    def to_json(self) -> str:
        """Return the text of `metrics.json`."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def to_frame(self) -> pd.DataFrame:
        """Return one row per metric: metric, value, lo, hi, meaning."""
        nothing = (math.nan, math.nan)
        return pd.DataFrame(
            [
                (
                    key,
                    math.nan if value is None else value,
                    *self.intervals.get(key, nothing),
                    self.meaning(key),
                )
                for key, value in self.values.items()
            ],
            columns=["metric", "value", "lo", "hi", "meaning"],
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the JSON to `path`, or, where `path` is a folder, to its `metrics.json`.

        In a folder, `predictions.parquet` and `curves.csv` are written too where there are such
        tables. Each file appears complete or not at all. Returns the path of the JSON.
        """
        target = Path(path)
        if target.is_dir():
            if self.predictions is not None:
                table = self.predictions
                write_atomically(
                    target / "predictions.parquet", lambda path: table.to_parquet(path, index=False)
                )
            if self.curves is not None:
                drawn = self.curves
                write_atomically(
                    target / "curves.csv", lambda path: drawn.to_csv(path, index=False)
                )
            target = target / "metrics.json"
        write_text(target, self.to_json())
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Metrics:
        """Read what `save` wrote: a JSON file, or a folder that holds `metrics.json`.

        From a folder, `predictions.parquet` and `curves.csv` are read as well where they are present.
        Raises InputError
        where the file is missing or is not a metrics file.
        """
        source = Path(path)
        table: pd.DataFrame | None = None
        drawn: pd.DataFrame | None = None
        if source.is_dir():
            if (source / "curves.csv").exists():
                drawn = read_curves(source / "curves.csv")
            if (source / "predictions.parquet").exists():
                table = pd.read_parquet(source / "predictions.parquet")
            source = source / "metrics.json"
        try:
            flat = json.loads(source.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(
                f"{source}: no such file, expected metrics; run evaluate first"
            ) from None
        except json.JSONDecodeError as error:
            raise InputError(
                f"{source}, line {error.lineno}: not JSON ({error.msg}); run evaluate again"
            ) from None
        missing = {"n", "n_labelled", "n_groups", "classes"} - set(flat)
        if missing:
            raise InputError(
                f"{source}: key {sorted(missing)[0]} is missing, expected a metrics file; "
                "run evaluate again"
            )
        return cls(
            {key: flat[key] for key in flat if key not in NO_METRICS and not key.endswith("_ci")},
            {key: (*flat[f"{key}_ci"],) for key in flat if f"{key}_ci" in flat},
            flat["n"],
            flat["n_labelled"],
            flat["n_groups"],
            tuple(flat["classes"]),
            tuple(flat.get("notes", ())),
            flat.get("settings", {}),
            flat.get("meanings", {}),
            flat.get("verdict"),
            table,
            drawn,
        )
