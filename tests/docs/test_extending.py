"""What an extension costs, as the page says it, is what its example has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


def examples() -> dict[str, int]:
    """Section -> lines of its first file, blank lines not counted."""
    lines: dict[str, int] = {}
    section = ""
    pattern = r'^## (.*?)$|```python title="[^"]+"\n(.*?)```'
    for match in re.finditer(pattern, PAGE, re.MULTILINE | re.DOTALL):
        if match[1]:
            section = match[1]
        else:
            lines.setdefault(section, sum(bool(line.strip()) for line in match[2].splitlines()))
    return lines


def costs() -> list[tuple[str, int, str]]:
    """The rows of the table: kind, the user's lines, where one line is added inside."""
    rows = re.findall(r"^\| (.+?) \| (\d+) \| .+? \| (.+?) \|$", PAGE, re.MULTILINE)
    return [(kind, int(lines), place.strip("`")) for kind, lines, place in rows]


@pytest.mark.parametrize(("kind", "lines", "place"), costs())
def test_the_table_of_costs_is_true(kind: str, lines: int, place: str) -> None:
    section = next(name for name in examples() if kind.startswith(name.split(",")[0].lower()))
    assert lines == examples()[section]
    assert place == "\u2014" or (ROOT / "labelppl" / place).is_file()


def test_every_example_has_its_row() -> None:
    assert len(costs()) == len(examples()) == 9
