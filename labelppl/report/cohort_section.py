"""Who the cases are, what is missing, and what the audit found."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ..audit.ranking import DOUBT_COLUMNS
from ..errors import InputError

SIDES = {"train": "Training", "val": "Validation", "test": "Test", "all": "All"}
MOST_PAIRS = 12


class CohortSection(NamedTuple):
    """Heads and rows (item, counts) of the cohort."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...]], ...]


class AuditSection(NamedTuple):
    """What `labelppl audit` wrote. doubted, ranked, untrusted: counts. pairs: of near-duplicate images, the first ones."""

    doubted: int
    ranked: int
    untrusted: int
    across: int
    pair_count: int
    pairs: tuple[dict[str, Any], ...]


def cohort_section(cohort: pd.DataFrame | None) -> CohortSection | None:
    """Return the table of cases, labels and missing cells; sides without a case are left out."""
    if cohort is None:
        return None
    sides = [side for side in SIDES if side in cohort and int(cohort[side].iloc[0]) > 0]
    rows = tuple(
        (_item(str(row["item"])), tuple(int(row[side]) for side in sides))
        for row in cohort.to_dict("records")
    )
    return CohortSection(tuple(SIDES[side] for side in sides), rows)


def audit_section(folder: Path) -> AuditSection | None:
    """Return what the audit wrote into the run folder, None where it was not run. Raises InputError for another table."""
    audit, duplicates = _csv(folder / "audit.csv"), _csv(folder / "duplicates.csv")
    if audit is None:
        return None
    lost = set(DOUBT_COLUMNS) - set(audit.columns)
    if lost:
        raise InputError(
            f"{folder / 'audit.csv'}: no column '{min(lost)}'; run labelppl audit again"
        )
    pairs: tuple[dict[str, Any], ...] = ()
    across = 0
    if duplicates is not None and len(duplicates):
        across = int(duplicates["across"].sum())
        pairs = tuple(
            {str(key): value for key, value in row.items()}
            for row in duplicates.head(MOST_PAIRS).to_dict("records")
        )
    return AuditSection(
        doubted=int(audit["doubted"].sum()),
        ranked=len(audit),
        untrusted=int((~audit["trusted"].astype(bool)).sum()),
        across=across,
        pair_count=0 if duplicates is None else len(duplicates),
        pairs=pairs,
    )


def _item(item: str) -> str:
    return {"cases": "Cases", "groups": "Patients or groups", "no label": "Without a label"}.get(
        item, item.replace("label ", "Labelled ", 1) if item.startswith("label ") else item
    )


def _csv(path: Path) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    try:
        return pd.read_csv(path, dtype={"id": str, "other": str})
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a CSV table ({error}); run labelppl audit again") from None
