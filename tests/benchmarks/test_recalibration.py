"""benchmarks/recalibration.py on a few images of CIFAR-10H: a row for each reference and map."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from labelppl.calibration.maps import applicable

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "recalibration.py"
CIFAR10H = Path(__file__).parents[3] / "shared" / "data" / "cifar10h" / "cifar10h.csv"


def test_maps_of_votes_are_measured_against_votes_and_truth() -> None:
    if not CIFAR10H.is_file():
        pytest.skip("shared/data/cifar10h is not here")
    spec = importlib.util.spec_from_file_location("recalibration", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["recalibration"] = module
    spec.loader.exec_module(module)
    predicted = module.people(CIFAR10H, 1, 80)
    assert predicted.student.shape == predicted.soft.shape == (80, 10)
    assert np.abs(predicted.references["true class"].sum(axis=1) - 1).max() == 0
    # People agree with the true class far more often than not, so rows were not mixed up.
    assert (predicted.references["true class"].argmax(axis=1) == predicted.hard).mean() > 0.9
    lines = module.rows(predicted, 40, 2)
    assert [line.split(" | ")[1] for line in lines] == applicable(10) * 2
