"""``check.json``: what `labelppl check` saw in a model file and its table, for those who read the run later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..runs import read_json, write_json
from .finding import Finding

CHECK_JSON = "check.json"


@dataclass(frozen=True)
class DependentFeatures:
    """One pair: r in the table, and the central ``1 - level`` of the r's drawn from the posterior.

    p: two-sided posterior predictive p-value, at least 1 / (draws + 1).
    """

    first: str
    second: str
    r: float
    low: float
    high: float
    p: float

    @property
    def as_expected(self) -> bool:
        """Whether the fitted model expects as much dependence as the table shows."""
        return self.low <= self.r <= self.high


@dataclass(frozen=True)
class Checked:
    """What a check saw.

    Attributes:
        model: What `run.json` says of the model file, its digest among it.
        data: What `run.json` says of the table.
        cases: How many cases the model was fitted to; 0 where it could not be.
        findings: Everything worth a word.
        pairs: The dependence of every two measurements within a class, measured and expected.

    Examples:
        >>> one = Checked({"sha256": "ab"}, {"sha256": "cd"}, 40, (), ())
        >>> one.is_of({"model": {"sha256": "ab"}, "data": {"sha256": "cd"}})
        True
    """

    model: Mapping[str, Any]
    data: Mapping[str, Any]
    cases: int
    findings: tuple[Finding, ...]
    pairs: tuple[DependentFeatures, ...]

    def is_of(self, run: Mapping[str, Any]) -> bool:
        """Whether a run's ``run.json`` names the same model file, options and table."""
        digests = [
            (entry.get("model") or {}, entry.get("data") or {}) for entry in (vars(self), run)
        ]
        (model, data), (other, table) = digests
        same = all(model.get(key) == other.get(key) for key in ("sha256", "options"))
        return same and data.get("sha256") == table.get("sha256")

    def save(self, path: str | Path) -> None:
        """Write the record as JSON."""
        write_json(Path(path), asdict(self))

    @classmethod
    def load(cls, path: str | Path) -> Checked:
        """Read what `save` wrote. Raises InputError for anything else."""
        content = read_json(Path(path))
        try:
            return cls(
                dict(content["model"]),
                dict(content["data"]),
                int(content["cases"]),
                tuple(Finding(**finding) for finding in content["findings"]),
                tuple(DependentFeatures(**pair) for pair in content["pairs"]),
            )
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{path}: not a record of a check; run labelppl check again") from None
