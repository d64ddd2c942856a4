"""``--track``: the numbers of the files, in a local store, and nothing where it is not asked for."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import Result

from labelppl.jobs import track

Run = Callable[..., Result]


@pytest.fixture
def store(tmp_path: Path) -> str:
    pytest.importorskip("mlflow", reason="pip install 'labelppl[track]'")
    return f"sqlite:///{tmp_path / 'runs.db'}"


def test_the_numbers_are_those_of_the_files(hips: Path, labelppl: Run, store: str) -> None:
    """Every number of curve.csv and metrics.json, and no other; once, however often the run is resumed."""
    from mlflow import MlflowClient

    run = ("distill", "--model", "hip.py", "--epochs", 2, "--lam", 1, "--quiet", "--run", "tracked")
    for more in ((), ("--resume",)):
        result = labelppl(*run, "--track", store, *more, folder=hips)
        assert result.exit_code == 0, result.output
        assert f"tracked in {store}" in result.output
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name("labelppl")
    (kept,) = client.search_runs([experiment.experiment_id])
    assert kept.info.run_name == "tracked"
    assert kept.data.params["seed"] == "0"
    assert kept.data.params["lam"] == "1.0"
    expected = {}
    for _, row in pd.read_csv(hips / "tracked" / "curve.csv").iterrows():
        for key in row.index[2:]:
            if not math.isnan(row[key]):
                expected[f"{row['step']}/{key}", int(row["epoch"])] = float(row[key])
    for key, value in json.loads((hips / "tracked" / "metrics.json").read_text()).items():
        if isinstance(value, int | float):
            expected[key, 0] = float(value)
        elif key.endswith("_ci"):
            expected |= {(f"{key}/lo", 0): value[0], (f"{key}/hi", 0): value[1]}
    got = {
        (metric.key, metric.step): metric.value
        for key in kept.data.metrics
        for metric in client.get_metric_history(kept.info.run_id, key)
    }
    assert got == expected
    assert len(expected) > 40
    assert not (hips / "mlruns").exists()
    assert not (hips / "mlflow-artifacts").exists()


def test_a_comparison_is_a_run_for_each_method_and_repeat(
    hips: Path, labelppl: Run, store: str
) -> None:
    from mlflow import MlflowClient

    result = labelppl(
        "compare", "--model", "hip.py", "--methods", "hard,prob", "--repeats", 1, "--epochs", 1,
        "--student", "logistic", "--quiet", "--run", "tracked-table", "--track", store, folder=hips,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    client = MlflowClient(store)
    runs = client.search_runs([client.get_experiment_by_name("labelppl").experiment_id])
    table = pd.read_csv(hips / "tracked-table" / "compare.csv").set_index("method")
    assert {run.data.params["method"] for run in runs} == {"hard", "prob"}
    for run in runs:
        row = table.loc[run.data.params["method"]].drop("repeat").dropna().astype(float)
        assert run.data.metrics == row.to_dict()


def test_without_the_extra_one_line_names_it_before_any_work(
    hips: Path, labelppl: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track.importlib.util, "find_spec", lambda name: None)
    result = labelppl("distill", "--model", "hip.py", "--run", "untracked", "--track", folder=hips)
    assert result.exit_code == 2
    assert "pip install 'labelppl[track]'" in result.output
    assert not (hips / "untracked").exists()


def test_a_store_that_refuses_leaves_the_run_whole(run: Path, store: str) -> None:
    from labelppl.errors import FailedWork

    with pytest.raises(FailedWork, match="is whole"):
        track.track_run(run, "nosuch://runs.db", say=print)  # type: ignore[arg-type]


def test_it_is_not_imported_where_it_is_not_asked_for(hips: Path) -> None:
    code = (
        "import sys; from labelppl.cli import main\n"
        "main(['distill', '--label', 'diagnosis', '--data', 'hip.csv', '--student', 'logistic', '--epochs', '1',"
        " '--quiet', '--run', 'plain'], standalone_mode=False)\n"
        "assert not any(name.split('.')[0] in ('mlflow', 'sqlalchemy', 'alembic') for name in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=hips, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
