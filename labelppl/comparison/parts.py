"""Finished runs of a comparison: one JSON file of predictions for each method and repeat, under `parts/`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..runs import read_json, write_json


class Parts:
    """out: the comparison's folder, None keeps nothing. settings: what all its runs share.

    resume: go on with what the folder holds. Raises InputError where it holds a comparison that is
    not to be resumed, or one with other settings.
    """

    def __init__(
        self, out: Path | str | None, settings: Mapping[str, Any], *, resume: bool
    ) -> None:
        self.folder = None if out is None else Path(out)
        if self.folder is None:
            if resume:
                raise InputError("compare: resume needs the folder to continue in; give one")
            return
        self._settings = plain = json.loads(json.dumps(settings, default=str))
        before = read_json(self.folder / "parts" / "settings.json")
        if not before:
            return
        if not resume:
            raise InputError(
                f"{self.folder}: holds a comparison already; resume it, or give another folder"
            )
        odd = [key for key in plain if before.get(key) != plain[key]]
        if odd:
            raise InputError(
                f"{self.folder}: was started with another {odd[0]} ({before.get(odd[0])}, now "
                f"{plain[odd[0]]}); give the same, or another folder"
            )

    def finished(self, name: str, repeat: int) -> dict[str, Any] | None:
        """What was kept of this run, if it was finished."""
        return None if self.folder is None else read_json(self._path(name, repeat)) or None

    def keep(self, name: str, repeat: int, record: Mapping[str, Any]) -> None:
        """Write a finished run; the settings before the first, so that a refused comparison leaves nothing."""
        if self.folder is None:
            return
        settings = self.folder / "parts" / "settings.json"
        if not settings.is_file():
            write_json(settings, self._settings)
        write_json(self._path(name, repeat), record)

    def _path(self, name: str, repeat: int) -> Path:
        assert self.folder is not None
        return self.folder / "parts" / f"{name}-{repeat}.json"
