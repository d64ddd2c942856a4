"""The measurements about phantoms and large pictures run in their quick form."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize(
    ("script", "words"),
    [("misspecified.py", "| hip | 60 |"), ("large_image.py", "1 million pixels, grey: ")],
)
def test_quick(script: str, words: str) -> None:
    command = [sys.executable, str(BENCHMARKS / script), "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert words in done.stdout


def test_the_page_of_phantoms_shows_what_the_script_draws(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "phantom_sheets.py"), str(tmp_path)]
    subprocess.run(command, check=True)
    for path in tmp_path.glob("*.png"):
        with (
            Image.open(path) as made,
            Image.open(BENCHMARKS.parent / "docs" / "pictures" / path.name) as shown,
        ):
            assert made.size == shown.size
            away = np.asarray(made).astype(float) - np.asarray(shown)
            assert np.abs(away).mean() < 1
