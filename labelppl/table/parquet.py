"""A Parquet table, row group by row group. Named index levels are columns like all others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import InputError
from .files import ROWS_IN_MEMORY, TableFile

#: How pandas calls index levels that have no name.
UNNAMED = "__index_level_"


class ParquetTable(TableFile):
    """A Parquet file."""

    guesses_types = False

    def __init__(self, path: Path) -> None:
        with self._open_file(path) as file:
            schema = file.schema_arrow
            rows = int(file.metadata.num_rows)
        self._ranges = _ranges(schema.metadata or {})
        names = [*schema.names, *(name for name in self._ranges if name not in schema.names)]
        nameless = [name for name in names if name.startswith(UNNAMED)]
        index = nameless[0] if len(nameless) == 1 else None
        self._rows = rows
        super().__init__(
            path, [name for name in names if name == index or name not in nameless], index
        )

    @cached_property
    def rows(self) -> int:
        return self._rows

    def _batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        stored = [c for c in columns if self._written[c] not in self._ranges]
        before = 0
        with self._open_file(self.path) as file:
            try:
                for batch in file.iter_batches(
                    ROWS_IN_MEMORY, columns=[self._written[c] for c in stored], use_threads=False
                ):
                    by_name = dict(zip(batch.schema.names, batch.columns, strict=True))
                    arrays = [
                        by_name[self._written[c]]
                        if c in stored
                        else self._range(self._written[c], before, batch.num_rows)
                        for c in columns
                    ]
                    yield pa.RecordBatch.from_arrays(arrays, list(columns))
                    before += batch.num_rows
            except (pa.ArrowException, OSError) as error:
                raise InputError(f"{self.path}: not a readable table ({_line(error)})") from error

    def _range(self, name: str, before: int, rows: int) -> pa.Array:
        start, step = self._ranges[name]
        return pa.array([start + step * (before + row) for row in range(rows)], pa.int64())

    @staticmethod
    def _open_file(path: Path) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(path)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{path}: not a readable table ({_line(error)})") from error


def _ranges(metadata: dict[bytes, bytes]) -> dict[str, tuple[int, int]]:
    """Index levels that pandas stores as a rule and not as cells, but for the row numbers: name -> (first, step)."""
    try:
        levels: list[Any] = json.loads(metadata.get(b"pandas", b"{}")).get("index_columns", [])
    except (ValueError, AttributeError):
        return {}
    ranges = {
        level["name"] or f"{UNNAMED}{at}": (int(level["start"]), int(level["step"]))
        for at, level in enumerate(levels)
        if isinstance(level, dict) and level.get("kind") == "range"
    }
    return {
        name: rule
        for name, rule in ranges.items()
        if not name.startswith(UNNAMED) or rule != (0, 1)
    }


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
