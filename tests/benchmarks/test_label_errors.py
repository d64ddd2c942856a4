"""benchmarks/label_errors.py runs on a few small hips and prints a row per ranking."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from labelppl import Schedule

pytest.importorskip("cleanlab", reason="cleanlab is not installed: make test installs it")

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "label_errors.py"


CIFAR10H = Path(__file__).parents[3] / "shared" / "data" / "cifar10h" / "cifar10h.csv"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("label_errors", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_audit_and_cleanlab_rank_the_same_cases(benchmark: ModuleType, tmp_path: Path) -> None:
    study = benchmark.hips(0, 60, tmp_path, share=0.1)
    assert study.wrong.sum() == 6
    row = benchmark.measure(study, 0, "logistic", Schedule(epochs=1), 2)
    assert list(row) == [benchmark.OURS, *(f"cleanlab {method}" for method in benchmark.METHODS)]
    assert all(0 <= value <= 1 for value in row.values())


def test_votes_of_people_are_ranked_too(benchmark: ModuleType, tmp_path: Path) -> None:
    if not CIFAR10H.is_file():
        pytest.skip("shared/data/cifar10h is not here")
    study = benchmark.people(0, 60, tmp_path, data=CIFAR10H)
    votes = study.cases.columns["votes"].values.numpy()
    assert (votes.sum(axis=1) == benchmark.OTHER_VOTES).all()
    assert 0 < study.wrong.sum() < 15
    row = benchmark.measure(study, 0, "logistic", Schedule(epochs=1), 2)
    # Two other answers tell a wrong one from a right one nearly always; a student of 30 images does not.
    assert row[benchmark.OURS] >= 0.5


def test_precision_counts_the_first_as_many_as_are_wrong(benchmark: ModuleType) -> None:
    wrong = np.array([True, False, True, False])
    assert benchmark.precision(np.array([0, 1, 2, 3]), wrong) == 0.5
