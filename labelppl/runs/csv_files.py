"""CSV files that a spreadsheet may open without harm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .files import write_atomically

if TYPE_CHECKING:
    import pandas as pd

#: A text cell that begins so is taken for a formula and computed (OWASP, "CSV injection").
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write ``frame`` as CSV, atomically; text that would be a formula gets a leading apostrophe.

    Numbers stay as they are, also those that were read as text.

    Args:
        path: The file.
        frame: The table.

    Examples:
        >>> from pathlib import Path
        >>> write_csv(Path("a.csv"), pd.DataFrame({"id": ["=1+1"], "p": [0.5]}))
        >>> Path("a.csv").read_text().splitlines()
        ['id,p', "'=1+1,0.5"]
    """
    from pandas.api.types import is_numeric_dtype

    safe = frame.copy()
    for name in frame.columns:
        if not is_numeric_dtype(frame[name]):
            safe[name] = frame[name].map(_as_text)
    write_atomically(path, lambda part: safe.to_csv(part, index=False))


def _as_text(cell: object) -> object:
    if not isinstance(cell, str) or not cell.startswith(FORMULA):
        return cell
    try:
        float(cell)
    except ValueError:
        return f"'{cell}"
    return cell
