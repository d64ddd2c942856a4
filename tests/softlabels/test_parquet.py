"""Labelling a table batch by batch equals labelling it at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from labelppl.errors import InputError
from labelppl.posterior import Posterior
from labelppl.softlabels import SoftLabels, label_parquet, soft_labels
from labelppl.table import read as table_room


@pytest.fixture
def frame(table: Any) -> pd.DataFrame:
    """New cases with some measurements missing, the fitted ones between them, no label in the last batch."""
    new = table(120, seed=5, prefix="new", missing=0.2).assign(note="not read", y=None)
    return pd.concat([new[:50], table(), new[50:]], ignore_index=True)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("batch_rows", [1, 37, 1000])
@pytest.mark.parametrize("prevalence", [None, {"ill": 0.1}])
def test_equals_labelling_at_once(
    fitted: Posterior,
    frame: pd.DataFrame,
    read: Any,
    tmp_path: Path,
    suffix: str,
    batch_rows: int,
    prevalence: dict[str, float] | None,
) -> None:
    if batch_rows == 1:
        frame = frame[48:53].reset_index(drop=True)
    if suffix == "csv":
        frame.to_csv(tmp_path / "in.csv", index=False)
    else:
        frame.to_parquet(tmp_path / "in.parquet", row_group_size=64)
    steps: list[tuple[int, int]] = []
    rows = label_parquet(
        fitted,
        tmp_path / f"in.{suffix}",
        tmp_path / "out.parquet",
        batch_rows=batch_rows,
        prevalence=prevalence,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert rows == len(frame)
    assert steps[-1] == (len(frame), len(frame))
    at_once = soft_labels(fitted, read(fitted.model, frame), draws=200, prevalence=prevalence)
    streamed = SoftLabels.load(tmp_path / "out.parquet")
    assert streamed.most_draws == at_once.most_draws == 200
    for name in ("ids", "labels", "source", "id_type"):
        np.testing.assert_array_equal(getattr(streamed, name), getattr(at_once, name))
    for name in ("probs", "sd", "lo", "hi", "entropy", "epistemic", "mean_log", "khat"):
        np.testing.assert_allclose(
            getattr(streamed, name), getattr(at_once, name), atol=1e-12, err_msg=name
        )
    if prevalence is not None:
        np.testing.assert_array_equal(streamed.prevalence, at_once.prevalence)
    at_once.save(tmp_path / "whole.parquet")
    assert pq.read_schema(tmp_path / "whole.parquet").equals(
        pq.read_schema(tmp_path / "out.parquet")
    )


def test_rows_are_numbered_through_the_file(
    fitted: Posterior, frame: pd.DataFrame, tmp_path: Path
) -> None:
    frame.drop(columns="id").to_parquet(tmp_path / "in.parquet")
    label_parquet(fitted, tmp_path / "in.parquet", tmp_path / "out.parquet", batch_rows=30)
    labels = SoftLabels.load(tmp_path / "out.parquet")
    assert list(labels.ids) == [str(i) for i in range(len(frame))]
    assert set(labels.source) == {"new"}


def test_no_split_is_made(
    fitted: Posterior, frame: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(table_room, "make_split", refuse)
    frame.to_parquet(tmp_path / "in.parquet")
    label_parquet(fitted, tmp_path / "in.parquet", tmp_path / "out.parquet")


BAD: dict[str, Any] = {
    r"column 'a', row 112 \(id 'new71'\): got 'wide'": lambda f: f.assign(
        a=[*f["a"].astype(object)[:111].astype(str), "wide", *f["a"][112:].astype(str)]
    ),
    r"column 'y', row 101 \(id 'new60'\): got 'sick'": lambda f: f.assign(
        y=["sick" if i == 100 else y for i, y in enumerate(f["y"])]
    ),
    r"column 'id', row 109: got an empty cell": lambda f: f.assign(
        id=[None if i == 108 else x for i, x in enumerate(f["id"])]
    ),
    r"column 'id', row 110: got 'new1', which row 2 has too": lambda f: f.assign(
        id=["new1" if i == 109 else x for i, x in enumerate(f["id"])]
    ),
    r"column 'b' is not in the table": lambda f: f.drop(columns="b"),
    r"no rows": lambda f: f[:0],
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named_by_its_row_in_the_file(
    fitted: Posterior, frame: pd.DataFrame, tmp_path: Path, message: str
) -> None:
    BAD[message](frame).to_parquet(tmp_path / "in.parquet")
    with pytest.raises(InputError, match=message):
        label_parquet(fitted, tmp_path / "in.parquet", tmp_path / "out.parquet", batch_rows=50)
    assert [p.name for p in tmp_path.iterdir()] == ["in.parquet"]


def test_files_that_cannot_be_read(fitted: Posterior, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such table"):
        label_parquet(fitted, tmp_path / "in.parquet", tmp_path / "out.parquet")
    (tmp_path / "in.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="its content is not Parquet"):
        label_parquet(fitted, tmp_path / "in.parquet", tmp_path / "out.parquet")
    with pytest.raises(InputError, match="expected 1 or more"):
        label_parquet(fitted, tmp_path / "in.parquet", tmp_path / "out.parquet", batch_rows=0)


MEMORY = """
import resource, sys
from pathlib import Path
import pandas as pd
from labelppl.model import load_model, read_cases
from labelppl.posterior import fit
from labelppl.softlabels import label_parquet
folder = Path(sys.argv[1])
hip = load_model("hip")
posterior = fit(hip, read_cases(folder / "hip.csv", hip), engine="laplace")
label_parquet(posterior, folder / "few.parquet", folder / "out.parquet", batch_rows=5000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
label_parquet(posterior, folder / "many.parquet", folder / "out.parquet", batch_rows=5000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 60_000
    new = pd.DataFrame(
        {"alpha": rng.normal(57, 6, n).clip(30, 80), "coverage": rng.beta(20, 20, n)}
    )
    new[:20_000].to_parquet(tmp_path / "few.parquet")
    new.to_parquet(tmp_path / "many.parquet")
    y = np.where(np.arange(60) % 2, "dysplastic", "normal")
    new[:60].assign(diagnosis=y).to_csv(tmp_path / "hip.csv", index=False)
    run = [sys.executable, "-W", "ignore", "-c", MEMORY, str(tmp_path)]
    grown = int(subprocess.run(run, capture_output=True, text=True, check=True).stdout)
    # 40,000 rows more; keeping their draws would take 128 MB and every array made of them as much again.
    assert grown < 100_000
