"""What is wrong with cells of a table, told together: the first in full, the next ones in short, and how many there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..errors import InputError

#: Bad cells that a message names; more would hide the first.
MOST_TOLD = 10
#: Ends each message about cells, so that a row can be found in the file.
ROWS = "(row 1 is the first below the header)"


@dataclass(frozen=True)
class Fault:
    """One bad cell. row counts from 1 below the header. case: how to call the case, or '' where it has no name yet."""

    where: str
    column: str
    row: int
    case: str
    got: str
    expected: str
    mend: str

    @property
    def place(self) -> str:
        """Column and row, as messages write them."""
        return f"{self.where}column '{self.column}', row {self.row}{self.case}"

    def after(self, first: Fault) -> str:
        """In short, for a reader who has read ``first``."""
        also = "" if self.expected == first.expected else f", expected {self.expected}"
        return f"{self.place}: got {self.got}{also}"


class BadCells(InputError):  # noqa: N818 - named for what it holds
    """Cells that cannot be read; faults are the first of ``count``."""

    def __init__(self, faults: Sequence[Fault], count: int) -> None:
        self.faults, self.count = tuple(faults[:MOST_TOLD]), count
        first = self.faults[0]
        text = f"{first.place}: got {first.got}, expected {first.expected}; {first.mend}"
        if count > 1:
            others = "; ".join(fault.after(first) for fault in self.faults[1:])
            more = "; …" if count > len(self.faults) else ""
            text = f"{text}; {count} bad cells in all, also {others}{more}"
        super().__init__(f"{text} {ROWS}")

    @classmethod
    def join(cls, errors: Iterable[BadCells]) -> BadCells:
        """The faults of all ``errors``, in order."""
        several = list(errors)
        faults = [fault for error in several for fault in error.faults]
        return cls(faults, sum(error.count for error in several))
