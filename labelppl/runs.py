"""The run folder: every file is written under a temporary name and renamed, and `run.json` says where it came from."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RECORDED = (
    "labelppl",
    "torch",
    "pyro-ppl",
    "numpy",
    "pandas",
    "arviz",
    "scikit-learn",
    "kornia",
    "lightning-fabric",
)


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Call ``write`` with a temporary path beside ``path``, then rename; nothing half-written is left behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        write(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text``, atomically."""

    def write(temporary: Path) -> None:
        temporary.write_text(text, encoding="utf-8")

    write_atomically(path, write)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` as indented JSON, atomically; numbers that JSON has no word for become text (inf, nan)."""
    write_text(path, json.dumps(_plain(content), indent=2, default=str, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path) -> dict[str, Any]:
    """The content of a JSON file, empty if there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def record(folder: Path, **entries: Any) -> None:
    """Add ``entries`` to the folder's ``run.json``; a mapping is merged into the mapping that is there."""
    run = read_json(folder / "run.json")
    for name, value in entries.items():
        known = run.get(name)
        run[name] = (
            {**known, **value} if isinstance(known, dict) and isinstance(value, Mapping) else value
        )
    write_json(folder / "run.json", run)


def sha256(path: Path) -> str:
    """The file's SHA-256, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(2**20), b""):
            digest.update(block)
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """The versions that decide the result."""
    found = {"python": platform.python_version(), "platform": sys.platform}
    for name in RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
