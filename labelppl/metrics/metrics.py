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
from ..runs import write_atomically, write_text
from .bootstrap import Interval

MEANING: dict[str, str] = {
    "accuracy": "share of cases whose most probable class is the label",
    "macro_accuracy": "mean recall over the classes present, so that a rare class counts equally",
    "auc": "chance that a case of the class is ranked above one of another (½ = no information)",
    "nll": "mean −log probability of the label, in nats; proper, lower is better",
    "brier": "mean squared error of the probabilities; proper, lower is better",
    "ece": "expected calibration error in equal-width bins; compare with its null band",
    "smece": "smooth calibration error, free of bins; compare with its null band",
    "ece_debiased": "ece with the upward bias of its own sampling noise removed",
    "hl_statistic": "Hosmer–Lemeshow chi-square of observed against expected counts; lower is better",
    "hl_dof": "its degrees of freedom on hold-out cases",
    "hl_p": "its p-value; a small one is evidence of miscalibration",
    "kl": "mean KL divergence from the soft labels to the student, in nats; 0 is perfect recovery",
    "kl_true": "mean KL divergence from the phantom's true p(Y|X) to the student, in nats",
    "accuracy_bayes": "accuracy of the true p(Y|X) itself on these labels: the ceiling",
    "accuracy_bayes_expected": "mean of the largest true probability: that ceiling without label luck",
    "ece_null_mean": "mean ece of a perfectly calibrated classifier with these forecasts",
    "ece_null_upper": "ece that perfect calibration exceeds once in twenty samples",
    "smece_null_mean": "mean smece of a perfectly calibrated classifier with these forecasts",
    "smece_null_upper": "smece that perfect calibration exceeds once in twenty samples",
    "brier_mcb": "part of the Brier score lost to miscalibration (CORP)",
    "brier_dsc": "part of the Brier score gained by discrimination (CORP)",
    "brier_unc": "Brier score of always forecasting the class frequencies (CORP)",
}
"""One line per metric, in the order of the file and of the tables."""


@dataclass(frozen=True)
class Metrics:
    """Metrics of one set of predictions.

    `values` maps each key of `MEANING` that applies to a number, or to None where the cases do not
    define it; `intervals` maps keys to (lo, hi). `n` cases were given, `n_labelled` of them with a
    hard label, in `n_groups` independent groups. `predictions` is the table of
    `predictions.parquet` (id, p_<class>, label) when the metrics come from `evaluate`.
    A metric is also an attribute: `metrics.accuracy`.
    """

    values: Mapping[str, float | None]
    intervals: Mapping[str, Interval]
    n: int
    n_labelled: int
    n_groups: int
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    predictions: pd.DataFrame | None = field(default=None, compare=False, repr=False)

    def __getattr__(self, name: str) -> float | None:
        """Return the metric called `name`; AttributeError where it is absent."""
        if name in MEANING and name in self.values:
            return self.values[name]
        reason = " (absent: see .notes)" if name in MEANING else ""
        raise AttributeError(f"Metrics has no {name!r}{reason}")

    def with_predictions(self, predictions: pd.DataFrame) -> Metrics:
        """Return these metrics with the table they were computed from."""
        return replace(self, predictions=predictions)

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
                    MEANING[key],
                )
                for key, value in self.values.items()
            ],
            columns=["metric", "value", "lo", "hi", "meaning"],
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the JSON to `path`, or, where `path` is a folder, to its `metrics.json`.

        In a folder, `predictions.parquet` is written too where there are predictions. Each file
        appears complete or not at all. Returns the path of the JSON.
        """
        target = Path(path)
        if target.is_dir():
            if self.predictions is not None:
                table = self.predictions
                write_atomically(
                    target / "predictions.parquet", lambda path: table.to_parquet(path, index=False)
                )
            target = target / "metrics.json"
        write_text(target, self.to_json())
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Metrics:
        """Read what `save` wrote: a JSON file, or a folder that holds `metrics.json`.

        From a folder, `predictions.parquet` is read as well where it is present. Raises InputError
        where the file is missing or is not a metrics file.
        """
        source = Path(path)
        table: pd.DataFrame | None = None
        if source.is_dir():
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
            {key: flat[key] for key in flat if key in MEANING},
            {key: (*flat[f"{key}_ci"],) for key in flat if f"{key}_ci" in flat},
            flat["n"],
            flat["n_labelled"],
            flat["n_groups"],
            tuple(flat["classes"]),
            tuple(flat.get("notes", ())),
            flat.get("settings", {}),
            table,
        )
