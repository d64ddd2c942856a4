"""Tables of what raters said, which lie beside the table of the cases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ..features import Feature, ReaderFeature
from .files import Delimiters
from .read import read_frame


def files_beside(path: Path, features: Mapping[str, Feature]) -> dict[str, Path]:
    """For each feature of raters, find the table ``<stem>_<feature>.csv`` or ``.parquet`` beside ``path``, if there is one.

    Args:
        path: The table of the cases.
        features: The measurements by name.

    Returns:
        Feature name -> its file; features without one are left out.

    Examples:
        >>> files_beside(Path("cases.csv"), {"size": Positive()})
        {}
    """
    files: dict[str, Path] = {}
    for name, feature in features.items():
        for suffix in (".csv", ".parquet"):
            table = path.with_name(f"{path.stem}_{name}{suffix}")
            if isinstance(feature, ReaderFeature) and table.is_file():
                files.setdefault(name, table)
    return files


def tables_beside(
    path: Path, features: Mapping[str, Feature], delimiters: Delimiters | None = None
) -> dict[str, pd.DataFrame]:
    """Read what raters said from the tables beside ``path``, see `files_beside`.

    Args:
        path: The table of the cases.
        features: The measurements by name.
        delimiters: How the tables are written, if they are text.

    Returns:
        Feature name -> its table; features without a table are left out.

    Raises:
        InputError: Such a file is no table.

    Examples:
        >>> reads = pd.DataFrame({"id": ["a", "b"], "rater": ["r", "r"], "label": ["x", "z"]})
        >>> reads.to_csv("cases_reads.csv", index=False)
        >>> tables = tables_beside(Path("cases.csv"), {"reads": Votes()})
        >>> len(tables["reads"])
        2
    """
    files = files_beside(path, features)
    return {name: read_frame(file, delimiters) for name, file in files.items()}
