"""The makers of files beside these tests, and those of tests/torture, can be imported here."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "torture")]
