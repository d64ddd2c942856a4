"""A text table (CSV and its kin): cells as text, every row with as many cells as the header, quotation marks that match.

Arrow reads the rows, fast and in blocks. What it would let pass is looked for first, in one pass over the bytes: text that
is not UTF-8, characters that are no text, quotation marks that are not closed (which swallow the rows after them).
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import IO, cast

import pyarrow as pa
import pyarrow.csv as arrow_csv

from ..errors import InputError
from ..features.cells import clean_text
from ..features.faults import MOST_TOLD, ROWS
from .files import SEPARATORS, Delimiters, TableFile
from .sniff import GZIP, encoding_of, first_bytes

#: Bytes read at once; a single row must be shorter.
BLOCK = 2**22
#: What reading a damaged or a compressed file can raise.
DAMAGED = (OSError, EOFError, zlib.error)


class DelimitedFile(TableFile):
    """A text file with one row a line and one separator."""

    guesses_types = True

    def __init__(self, path: Path, delimiters: Delimiters) -> None:
        self.path = path
        self._gzip = first_bytes(path).startswith(GZIP)
        try:
            with self._bytes() as file:
                self._encoding = encoding_of(file.read(4))
            self._refuse_odd_bytes()
        except DAMAGED as error:
            raise InputError(f"{path}: not a readable table ({error})") from error
        lines = self._first_lines()
        default = "\t" if ".tsv" in path.suffixes else ","
        self._separator = delimiters.separator or default
        self._told_separator = False
        if lines[0].lower().startswith("sep=") and len(lines[0]) == 5:
            self._separator, self._told_separator = lines[0][4], True
            lines = lines[1:]
            if delimiters.separator not in (None, self._separator):
                raise InputError(
                    f"{path}: its first line says that cells are separated by {_name_separator(self._separator)}, "
                    f"but --separator says {_name_separator(delimiters.separator)}; leave --separator out"
                )
        if not lines:
            raise InputError(
                f"{path}: not a readable table (no line with the names of the columns)"
            )
        self._refuse_other_separator(lines)
        if self._quotes:
            self._refuse_open_quotes()
        header = self._read_header()
        super().__init__(path, header, header[0] if header and not clean_text(header[0]) else None)

    @cached_property
    def rows(self) -> int:
        return sum(batch.num_rows for batch in self._batches(self.names[:1]))

    def _batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        wrong: list[tuple[int, int, str]] = []
        count = 0

        def note(row: arrow_csv.InvalidRow) -> str:
            nonlocal count
            count += 1
            if len(wrong) < MOST_TOLD:
                wrong.append((row.number - 1, row.actual_columns, row.text))
            return "skip"

        written = [self._written[c] for c in columns]
        with self._bytes() as file:
            try:
                reader = arrow_csv.open_csv(
                    file,
                    arrow_csv.ReadOptions(
                        use_threads=False,
                        block_size=BLOCK,
                        encoding=self._encoding.removesuffix("-sig"),
                        skip_rows=int(self._told_separator),
                    ),
                    arrow_csv.ParseOptions(
                        delimiter=self._separator,
                        newlines_in_values=True,
                        invalid_row_handler=note,
                    ),
                    arrow_csv.ConvertOptions(
                        column_types=dict.fromkeys(self._header, pa.large_string()),
                        include_columns=written,
                        strings_can_be_null=False,
                    ),
                )
                for batch in reader:
                    if not count and batch.num_rows:
                        yield batch.rename_columns(list(columns))
            except pa.ArrowException as error:
                raise InputError(
                    f"{self.path}: not a readable table ({str(error).splitlines()[0]})"
                ) from error
        if count:
            self._refuse_lengths(wrong, count)

    def _refuse_lengths(self, wrong: list[tuple[int, int, str]], count: int) -> None:
        expected = len(self._header)
        first, cells, _ = wrong[0]
        others = ", ".join(f"row {row} ({length})" for row, length, _ in wrong[1:])
        more = f"; {count} such rows in all, also {others}{', …' if count > MOST_TOLD else ''}"
        if all(length == expected + 1 and t.endswith(self._separator) for _, length, t in wrong):
            mend = "remove the separator at the end of the rows"
        elif cells > expected:
            mend = "put cells that hold the separator between quotation marks, or remove what is too much"
        else:
            mend = "write the missing cells, empty if nothing is known"
        raise InputError(
            f"{self.path}: row {first} has {cells} cells, expected {expected} as in the header ({', '.join(self.names[:8])}"
            f"{', …' if len(self.names) > 8 else ''}); {mend}{more if count > 1 else ''} {ROWS}"
        )

    def _bytes(self) -> IO[bytes]:
        return cast(IO[bytes], gzip.open(self.path) if self._gzip else self.path.open("rb"))

    def _text(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(self._bytes(), encoding=self._encoding, newline="")

    def _first_lines(self) -> list[str]:
        """The first lines that are not blank, at most three."""
        with self._text() as file:
            start = file.read(2**16)
        return [line for line in start.splitlines() if line.strip()][:3] or [""]

    def _read_header(self) -> list[str]:
        with self._text() as file:
            rows = csv.reader(file, delimiter=self._separator, strict=True)
            try:
                header = next((row for row in rows if row), [])
                if self._told_separator:
                    header = next((row for row in rows if row), [])
            except csv.Error as error:
                raise InputError(f"{self.path}: not a readable table (header: {error})") from error
        return header

    def _refuse_other_separator(self, lines: Sequence[str]) -> None:
        """InputError where the header is cut by another character than the separator."""
        header = lines[0]
        counts = {s: header.count(s) for s in SEPARATORS if s not in (self._separator, " ")}
        other = max(counts, key=lambda s: counts[s])
        if not counts[other] and header.count(self._separator) == 0:
            words = len(header.split())
            if words > 1 and all(len(line.split()) == words for line in lines) and len(lines) > 1:
                other, counts[" "] = " ", words
        if counts[other] > header.count(self._separator):
            decimal = ""
            if other != "," and any(
                cell.replace(",", "", 1).isdecimal() and "," in cell
                for line in lines[1:]
                for cell in line.split(other)
            ):
                decimal = " --decimal ','"
            how = "tab" if other == "\t" else other
            advice = "" if other == " " else f", or give --separator '{how}'{decimal}"
            raise InputError(
                f"{self.path}: cells are separated by {_name_separator(other)}, expected {_name_separator(self._separator)} (header "
                f"{header[:80]!r}); save the table with {_name_separator(self._separator)}{advice}"
            )

    def _refuse_open_quotes(self) -> None:
        """InputError for a quotation mark that nothing closes, or text after a closing one."""
        with self._text() as file:
            rows = csv.reader(file, delimiter=self._separator, strict=True)
            try:
                for _ in rows:
                    continue
            except csv.Error as error:
                raise InputError(
                    f"{self.path}: line {rows.line_num}: a quotation mark is not closed or stands inside a cell ({error}); "
                    'close it, or write it twice ("") inside a cell between quotation marks'
                ) from error

    def _refuse_odd_bytes(self) -> None:
        """One pass over the bytes: all of them text, and quotation marks that match."""
        quotes = False
        decode = codecs.getincrementaldecoder(self._encoding)().decode
        line = 1
        try:
            with self._bytes() as file:
                while block := file.read(BLOCK):
                    try:
                        decode(block)
                    except UnicodeDecodeError as error:
                        self._refuse_encoding(block, error, line)
                    if self._encoding.startswith("utf-8") and b"\0" in block:
                        self._refuse_nul(block, line)
                    quotes = quotes or b'"' in block
                    line += block.count(b"\n")
                decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.path}: not a readable table (it ends inside a character of {self._encoding.upper()} text; was it cut "
                "short?)"
            ) from error
        self._quotes = quotes

    def _refuse_encoding(self, block: bytes, error: UnicodeDecodeError, line: int) -> None:
        line += error.object[: error.start].count(b"\n")
        start = error.object.rfind(b"\n", 0, error.start) + 1
        shown = error.object[start : error.start + 12].decode("latin-1")
        raise InputError(
            f"{self.path}: line {line} is not {self._encoding.upper()} text (as Latin-1 it reads {shown!r}); save the table as UTF-8"
        ) from None

    def _refuse_nul(self, block: bytes, line: int) -> None:
        if line == 1 and block[:64:2].count(0) + block[1:64:2].count(0) >= min(len(block), 64) // 3:
            raise InputError(
                f"{self.path}: looks like UTF-16 text without its mark; save the table as UTF-8"
            )
        line += block[: block.index(b"\0")].count(b"\n")
        raise InputError(
            f"{self.path}: line {line} holds a character that is not text (NUL); remove it"
        )


def _name_separator(separator: str | None) -> str:
    return SEPARATORS.get(separator or "", repr(separator))
