"""What a file is, by its first bytes: a table by another name is read or named, anything else is named."""

from __future__ import annotations

import codecs
import zipfile
from pathlib import Path

from ..errors import InputError

PARQUET = b"PAR1"
GZIP = b"\x1f\x8b"
#: Files that are sent as tables and are none, by how they begin.
OTHERS = {
    b"\xd0\xcf\x11\xe0": "a workbook (.xls); save the sheet as CSV",
    b"ARROW1": "an Arrow file; save it as Parquet",
    b"%PDF": "a PDF; save the table as CSV",
    b"\x89HDF": "an HDF5 file; save the table as CSV or Parquet",
    b"\x89PNG": "a picture; expected the table of the cases",
    b"\xff\xd8\xff": "a picture; expected the table of the cases",
    b"BZh": "compressed by bzip2; decompress it",
    b"\xfd7zXZ": "compressed by xz; decompress it",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; decompress it",
    b"<!": "a web page; save the table itself",
    b"<h": "a web page; save the table itself",
    b"<?xml": "XML; save the table as CSV",
    b"{": "JSON; save the table as CSV",
    b"[{": "JSON; save the table as CSV",
}
#: Byte-order marks, the longer ones first.
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def first_bytes(path: Path, count: int = 8) -> bytes:
    """How the file begins; InputError where it cannot be read or is empty."""
    if not path.is_file():
        raise InputError(f"{path}: no such table; expected a CSV or Parquet file; give --data FILE")
    try:
        with path.open("rb") as file:
            start = file.read(count)
    except OSError as error:
        raise InputError(f"{path}: not a readable table ({error.strerror})") from error
    if not start:
        raise InputError(f"{path}: not a readable table (the file is empty)")
    return start


def refuse_other_kinds(path: Path, start: bytes) -> None:
    """InputError for a file that is no table, named by what it is."""
    if start.startswith(b"PK\x03\x04"):
        raise InputError(f"{path}: not a readable table: it is {_archive(path)}")
    for magic, kind in OTHERS.items():
        if start.lower().startswith(magic) or start.startswith(magic):
            raise InputError(f"{path}: not a readable table: it is {kind}")
    if path.suffix.lower() in (".parquet", ".pq"):
        raise InputError(
            f"{path}: not a readable table: its content is not Parquet; name it .csv if it is text"
        )


def encoding_of(start: bytes) -> str:
    """The encoding that the byte-order mark names; UTF-8 without one."""
    return next((name for mark, name in MARKS.items() if start.startswith(mark)), "utf-8")


def _archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        names = []
    if any(name.startswith("xl/") for name in names):
        return "a workbook (.xlsx); save the sheet as CSV (UTF-8)"
    if "content.xml" in names:
        return "a workbook (.ods); save the sheet as CSV (UTF-8)"
    return "a zip archive; unpack it"
