"""Damaged files give a picture or one line, in little memory (all of them: tests/torture)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mutated_images import mutants

TORTURE = Path(__file__).parents[1] / "torture"
MOST = 100 * 2**20
QUICK = f"""
import resource, sys
sys.path.insert(0, {str(TORTURE)!r})
from mutated_images import read_mutants
read_mutants(23, seed=1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = read_mutants(700, seed=0)
assert not count.faults, count.faults
assert count.tried == 700 and count.read > 100 and count.refused > 100, count
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
assert grown < {MOST}, grown
"""


def test_damaged_files_are_read_or_refused_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", QUICK], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")


def test_the_same_seed_makes_the_same_files() -> None:
    first, again, other = (list(mutants(60, seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other
