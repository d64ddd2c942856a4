"""`make lines`: which share of each room's lines do the tests execute?

Reads what `coverage run` has recorded, combined, in `.coverage`; one row per room, the least covered files below.

    python tests/lines_by_room.py [--files N]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coverage import Coverage

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Lines:
    """How many statements a file or a room has, and how many of them no test executed."""

    name: str
    statements: int
    missed: int

    @property
    def share(self) -> float:
        """Of the statements that were executed."""
        return 1 - self.missed / self.statements if self.statements else 1.0


def by_file(data_file: Path) -> Iterator[Lines]:
    """Every file of the package, also those that no test imports."""
    cov = Coverage(data_file=data_file, config_file=str(ROOT / "pyproject.toml"))
    cov.load()
    for part in ("labelppl", "cli", "models"):
        for file in sorted((ROOT / part).rglob("*.py")):
            _, statements, _, missing, _ = cov.analysis2(str(file))
            yield Lines(str(file.relative_to(ROOT)), len(statements), len(missing))


def by_room(files: list[Lines]) -> list[Lines]:
    """Sums over the files of a room; files beside the rooms count as one."""
    rooms: dict[str, list[Lines]] = {}
    for file in files:
        parts = Path(file.name).parts
        room = parts[0] if parts[0] != "labelppl" else parts[1] if len(parts) > 2 else "(labelppl)"
        rooms.setdefault(room, []).append(file)
    return [
        Lines(room, sum(f.statements for f in inside), sum(f.missed for f in inside))
        for room, inside in rooms.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10, help="files listed below the table")
    parser.add_argument("--data", type=Path, default=ROOT / ".coverage")
    chosen = parser.parse_args()
    files = list(by_file(chosen.data))
    whole = Lines("all", sum(f.statements for f in files), sum(f.missed for f in files))
    print("| room | statements | executed |\n|---|---|---|")
    for room in [*sorted(by_room(files), key=lambda room: room.share), whole]:
        print(f"| {room.name} | {room.statements:,} | {100 * room.share:.1f} % |")
    print()
    for file in sorted(files, key=lambda file: -file.missed)[: chosen.files]:
        print(f"{file.name}: {file.missed} of {file.statements} not executed")


if __name__ == "__main__":
    main()
