"""benchmarks/folder.py runs in its quick form; no way changes a byte, a killed worker neither."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "folder.py"


@pytest.mark.skipif(sys.platform != "linux", reason="workers are found in /proc")
def test_every_way_gives_the_same_bytes() -> None:
    call = [sys.executable, str(SCRIPT), "--quick"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line for line in done.stdout.splitlines() if line.endswith(" yes |")]
    assert len(rows) == 3
    assert "NO" not in done.stdout
