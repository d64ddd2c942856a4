"""benchmarks/label_errors.py runs on a few small hips and prints a row per ranking."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cleanlab", reason="cleanlab is not installed: make test installs it")

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "label_errors.py"


def test_the_audit_and_cleanlab_rank_the_same_cases() -> None:
    spec = importlib.util.spec_from_file_location("label_errors", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    row = module.measure(seed=0, cases=60, share=0.1, student="logistic", epochs=1, folds=2)
    assert list(row) == [module.OURS, *(f"cleanlab {method}" for method in module.METHODS)]
    assert all(0 <= value <= 1 for value in row.values())
    planted = np.array([True, False, True, False])
    assert module.precision(np.array([0, 1, 2, 3]), planted) == 0.5
