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


def test_a_cell_is_written_once(coverage: ModuleType, tmp_path: Path) -> None:
    out = tmp_path / "coverage.csv"
    for _ in range(2):
        coverage.main(["--cells", "one-number-20", "--data-sets", "2", "--out", str(out)])
    with out.open() as file:
        (row,) = csv.DictReader(file)
    assert row["cell"] == "one-number-20"
    assert 0 <= float(row["cover_new"]) <= 1
    assert float(row["width"]) > 0
