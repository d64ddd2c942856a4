"""benchmarks/mutants.py on a project of one room."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CODE = '''"""A room."""
from functools import cache
FLOOR = 3


def area(a: int | None, b: int) -> int | None:
    """Area."""
    return a * b


def untested(a):
    """Nobody calls it."""
    return a + 1


def loop(a):
    """Counts down."""
    while a > 0:
        a -= 1
    return a


@cache
def square():
    """Kept after the first call."""
    return 3 * 5


def half(a):
    """Called by a fixture of the module."""
    return a / 2
'''
TESTS = """import pytest
from labelppl.room.maths import FLOOR, area, half, loop, square

@pytest.fixture(scope="module")
def three():
    return half(7)

def test_area():
    assert area(2, 3) == 6

def test_loop():
    assert loop(3) == 0

def test_takes_under_a_second():
    assert FLOOR == 3

def test_first():
    assert square()

def test_again():
    assert square() == 15

def test_shared(three):
    assert three

def test_shared_again(three):
    assert three == 3.5
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name, text in {
        "labelppl/__init__.py": "",
        "labelppl/room/__init__.py": "",
        "labelppl/room/maths.py": CODE,
        "tests/room/test_maths.py": TESTS,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\naddopts = '--import-mode=importlib'\n"
    )
    return root


def test_killed_and_surviving_mutants(project: Path) -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "mutants.py"
    record = project / "mutants.jsonl"
    call = [sys.executable, str(script), "labelppl/room", "--root", str(project)]
    call += ["--sample", "80", "--grace", "2", "--record", str(record)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    outcomes: dict[int, set[str]] = {}
    for mutant in map(json.loads, record.read_text().splitlines()):
        outcomes.setdefault(mutant["line"], set()).add(mutant["outcome"])
    # Every place, but neither the annotations of line 6 nor the docstrings.
    assert set(outcomes) == {3, 8, 13, 18, 19, 23, 26, 31}
    assert outcomes[8] <= {"killed", "hung"}
    assert outcomes[13] == {"unreached"}
    # The only test of the constant is one of speed, which is left out.
    assert outcomes[3] == {"survived"}
    assert "hung" in outcomes[18] | outcomes[19]
    # Their first tests notice little: the second ones count though a cache and a fixture spare them the lines.
    assert outcomes[26] == {"killed"}
    assert outcomes[31] == {"killed"}
    assert "of 65 mutants killed" in done.stdout
    assert "labelppl/room/maths.py:13 " in done.stdout
    assert "labelppl/room/maths.py:8 " not in done.stdout
