"""What a check found: where, what, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One line of ``labelppl check``.

    level: error (the fit cannot or must not be used), warning (it may mislead), note (good to know).
    """

    level: Level
    where: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.level}: {self.where}: {self.what}; {self.mend}"
