"""benchmarks/peers.py on a table of 60 cases: rows are written once, and the table says what they say."""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

PATH = Path(__file__).parents[2] / "benchmarks" / "peers.py"


@pytest.fixture(scope="module")
def peers() -> ModuleType:
    spec = importlib.util.spec_from_file_location("peers_benchmark", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.filterwarnings("ignore")
def test_rows_are_written_once_and_the_table_compares_them(
    peers: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    z = rng.normal(size=(60, 1)) + 1.5 * y[:, None]
    monkeypatch.setitem(peers.TABLES, "small", lambda: (z, y))
    out = tmp_path / "peers.csv"
    for _ in range(2):
        peers.main(["--data", "small", "--sizes", "30", "--splits", "2", "--out", str(out)])
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2
    for row in rows:
        assert row["ours"] == row[row["chosen"]]
        # Any of these knows more than a coin.
        assert all(0.05 < float(row[name]) < 0.69 for name in ("gaussian", "logistic", "lda"))
    line = peers.table(out).splitlines()[-1].split("|")
    best = min(np.mean([float(row[name]) for row in rows]) for name in peers.PEERS)
    ours = np.mean([float(row["ours"]) for row in rows])
    assert float(line[-3]) == pytest.approx(ours / best, abs=0.006)


@pytest.mark.filterwarnings("ignore")
def test_a_peer_that_cannot_be_fitted_predicts_the_shares(peers: ModuleType) -> None:
    rng = np.random.default_rng(0)
    y = np.array([0, 0, 0, 1])
    p = peers.peer(QuadraticDiscriminantAnalysis, rng.normal(size=(4, 3)), y, np.zeros((2, 3)))
    np.testing.assert_allclose(p, [[0.75, 0.25]] * 2)
