"""The set-ups of papers 2 and 3 are written as commands that name tables and weights that are there."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT / ".." / "shared" / "data"


@pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is absent: real images are not shipped")
@pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="needs labelppl[timm]")
def test_tables_and_weights(tmp_path: Path) -> None:
    script = ROOT / "benchmarks" / "paper_setups.py"
    command = [sys.executable, str(script), "--data", str(DATA), "--out", str(tmp_path)]
    subprocess.run(command, check=True, timeout=300)
    lungs = pd.read_csv(tmp_path / "pneumonia.csv")
    assert lungs["split"].value_counts().to_dict() == {"test": 524, "train": 400}
    assert len(pd.read_csv(tmp_path / "cifar10h.csv")) == 720
    assert all(Path(image).is_file() for image in lungs["image"])
    assert (tmp_path / "densenet121.safetensors").stat().st_size > 10**7
    for word in ("paper2.toml", "pneumonia.csv", "timm:$net"):
        assert word in (tmp_path / "run.sh").read_text()
