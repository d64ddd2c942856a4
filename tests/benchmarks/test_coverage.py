"""benchmarks/coverage.py on a few data sets: its truth is the truth, its rows are written and not run again."""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "coverage.py"


@pytest.fixture(scope="module")
def coverage() -> ModuleType:
    spec = importlib.util.spec_from_file_location("coverage_benchmark", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_truth_is_bayes_rule(coverage: ModuleType) -> None:
    world = coverage.normal((1.0, 2.0), 1.0, 1, share=(0.7, 0.3))
    p = coverage.true_p(world, np.array([[0.4], [-1.0]]))
    density = [
        np.exp(-0.5 * ((z - m) / s) ** 2) / s for z in (0.4, -1.0) for m, s in ((0, 1), (1, 2))
    ]
    expected = [0.3 * b / (0.7 * a + 0.3 * b) for a, b in (density[:2], density[2:])]
    np.testing.assert_allclose(p, expected)


@pytest.mark.parametrize("cell", ["one-number-20", "spreads-20"])
def test_a_data_set_is_run_once(coverage: ModuleType, tmp_path: Path, cell: str) -> None:
    out = tmp_path / "coverage.csv"
    for _ in range(2):
        coverage.main(["--cells", cell, "--data-sets", "2", "--out", str(out)])
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["seed"] for row in rows] == ["0", "1"]
    for row in rows:
        assert 0 <= float(row["cover_new"]) <= 1
        assert float(row["width"]) > 0
    line = coverage.table(out).splitlines()[-1].split("|")
    assert line[1].strip() == cell
    width = sum(float(row["width"]) for row in rows) / sum(
        float(row["width_known"]) for row in rows
    )
    assert float(line[7]) == pytest.approx(width, abs=0.006)
