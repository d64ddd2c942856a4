"""The label models that come with labelppl, by name."""

from __future__ import annotations

import importlib
from pathlib import Path


def zoo() -> dict[str, Path]:
    """List the label models that come with labelppl.

    Returns:
        Name -> file of every one, sorted by file.

    Examples:
        >>> zoo()["hip"].name
        'hip.py'
    """
    models = importlib.import_module("labelppl.models")
    files = sorted(Path(p) for folder in models.__path__ for p in Path(folder).glob("*.py"))
    return {p.stem: p for p in files if not p.stem.startswith("_")}
