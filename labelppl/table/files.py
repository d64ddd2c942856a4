"""`TableFile`: a table on disk, read batch by batch in the memory of one batch; CSV and Parquet alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa

from ..errors import InputError
from ..features.cells import clean_text, same_but_for_spelling
from ..features.readers import ID_NAMES

#: Rows read at once where the whole table is wanted; measured, more is no faster.
ROWS_IN_MEMORY = 100_000
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}


@dataclass(frozen=True)
class Delimiters:
    """How a text table is written.

    Args:
        separator: Character between cells; None: a tab in a ``.tsv`` file, else a comma.
        decimal: Character before the decimals, '.' or ','.

    Raises:
        InputError: ``separator`` is not one such character, ``decimal`` is another, or both are a comma.

    Examples:
        >>> Delimiters(";", decimal=",").record()
        {'separator': ';', 'decimal': ','}
    """

    separator: str | None = None
    decimal: str = "."

    def __post_init__(self) -> None:
        separator = {"\\t": "\t", "tab": "\t"}.get(self.separator or "", self.separator)
        object.__setattr__(self, "separator", separator)
        if separator is not None and (
            len(separator) != 1 or separator.isalnum() or separator in "\"'\r\n.<>-+_"
        ):
            raise InputError(
                f"separator: got {self.separator!r}, expected one character between cells, e.g. ';', '|' or tab"
            )
        if self.decimal not in (".", ","):
            raise InputError(f"decimal: got {self.decimal!r}, expected '.' or ','")
        if self.decimal == "," and separator in (None, ","):
            raise InputError(
                "decimal: a comma before the decimals needs another separator between cells, e.g. ';'"
            )

    def record(self) -> dict[str, str]:
        """What is not as usual, for ``run.json``."""
        separator = {} if self.separator is None else {"separator": self.separator}
        return separator if self.decimal == "." else {**separator, "decimal": self.decimal}


class TableFile(ABC):
    """A table on disk, read batch by batch; `open_table` makes it.

    Args:
        path: The file.
        header: Names of the columns as written; ``names`` has them without outer white space.
        index: The one of them that holds a data frame's index without a name: the ids, where no column is named so.

    Attributes:
        guesses_types: Whether its cells are text that may hold numbers.

    Raises:
        InputError: A column appears twice.

    Examples:
        >>> pd.DataFrame({"id": ["a", "b", "c"], "size": [1.5, 2.5, 2.0]}).to_csv("cases.csv", index=False)
        >>> file = open_table(Path("cases.csv"))
        >>> file.names, [len(frame) for frame in file.batches(["size"], rows=2)]
        (('id', 'size'), [2, 1])
    """

    guesses_types: bool

    def __init__(self, path: Path, header: Sequence[str], index: str | None = None) -> None:
        self.path = path
        self._header = header
        names = [clean_text(name) for name in header]
        if index is not None:
            names[header.index(index)] = "" if has_ids(names) else ID_NAMES[0]
        repeated = [name for at, name in enumerate(names) if name and name in names[:at]]
        if repeated:
            raise InputError(f"{path}: column '{repeated[0]}': appears twice; rename or remove one")
        #: clean name -> name as written; columns without a name are left out.
        self._written = {name: raw for name, raw in zip(names, header, strict=True) if name}

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in order."""
        return tuple(self._written)

    def frame(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """All rows, of ``columns`` (default: all), with Arrow types."""
        chosen = self._chosen(columns)
        batches = list(self._batches(chosen))
        if not batches:
            return pd.DataFrame(columns=list(chosen))
        return _frame(pa.Table.from_batches(batches))

    def batches(self, columns: Sequence[str] | None, rows: int) -> Iterator[pd.DataFrame]:
        """The rows in order, ``rows`` at a time, in the memory of one batch."""
        waiting: list[pa.RecordBatch] = []
        held = 0
        for batch in self._batches(self._chosen(columns)):
            waiting.append(batch)
            held += batch.num_rows
            if held >= rows:
                table = pa.Table.from_batches(waiting)
                whole = held - held % rows
                for first in range(0, whole, rows):
                    yield _frame(table.slice(first, rows))
                waiting, held = table.slice(whole).to_batches(), held - whole
        if held:
            yield _frame(pa.Table.from_batches(waiting))

    @cached_property
    @abstractmethod
    def rows(self) -> int:
        """How many rows the table has."""

    @abstractmethod
    def _batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows of ``columns``, named so, in batches of any size. Raises InputError for rows that cannot be read."""

    def _chosen(self, columns: Sequence[str] | None) -> tuple[str, ...]:
        return self.names if columns is None else tuple(c for c in self.names if c in set(columns))


def has_ids(names: Sequence[str]) -> bool:
    """Whether a column is named like one of ids, perhaps in another spelling."""
    return any(name in names or same_but_for_spelling(name, names) for name in ID_NAMES)


def _frame(table: pa.Table) -> pd.DataFrame:
    return table.combine_chunks().to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)


def open_table(path: Path, delimiters: Delimiters | None = None) -> TableFile:
    """Open the table at ``path``, CSV or Parquet by its content, without reading its rows.

    Args:
        path: The file.
        delimiters: How it is written, if it is text.

    Returns:
        The table.

    Raises:
        InputError: There is no such file, or it is no table.

    Examples:
        >>> pd.DataFrame({"id": ["a", "b"], "size": [1.5, 2.5]}).to_csv("cases.csv", index=False)
        >>> open_table(Path("cases.csv")).rows
        2
    """
    from .delimited import DelimitedFile
    from .parquet import ParquetTable
    from .sniff import PARQUET, first_bytes, refuse_other_kinds

    start = first_bytes(path)
    if start.startswith(PARQUET):
        return ParquetTable(path)
    refuse_other_kinds(path, start)
    return DelimitedFile(path, delimiters or Delimiters())
