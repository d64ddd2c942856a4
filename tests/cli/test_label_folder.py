"""A folder of tables is labelled file by file, in worker processes or on Ray, with the same bytes, and goes on where it was."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from click.testing import Result

from labelppl.jobs import label_folder
from labelppl.workers import run_tasks

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def tables(hips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tables of new hips: two Parquet files and a CSV file."""
    folder = tmp_path_factory.mktemp("tables")
    frame = pd.read_csv(hips / "hip.csv").drop(columns=["diagnosis", "image"])
    frame.assign(id=range(len(frame))).to_parquet(folder / "b.parquet")
    frame.assign(id=frame["id"] + "new").to_parquet(folder / "a.parquet")
    frame.assign(id=frame["id"] + "newer").to_csv(folder / "c.csv", index=False)
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_of_tables(run: Path, tables: Path, labelppl: Run, tmp_path: Path) -> None:
    call = ("label", "--run", run, "--data", tables, "--draws", 50)
    first = labelppl(*call, "--out", tmp_path / "one", "--jobs", 1)
    assert first.exit_code == 0, first.output
    assert "3 of 3 files" in first.output
    made = content(tmp_path / "one")
    assert set(made) == {"a.parquet", "b.parquet", "c.parquet"}
    labels = pd.read_parquet(tmp_path / "one" / "b.parquet")
    assert labels["id"].dtype == "int64"
    assert labels.attrs["draws"] == 50
    alone = labelppl(
        "label", "--run", run, "--data", tables / "a.parquet", "--draws", 50,
        "--out", tmp_path / "alone.parquet",
    )  # fmt: skip
    assert alone.exit_code == 0, alone.output
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "alone.parquet"),
        pd.read_parquet(tmp_path / "one" / "a.parquet"),
        rtol=0,
        atol=1e-12,
    )

    # What is gone is made again, with the same bytes; what is there is kept.
    (tmp_path / "one" / "a.parquet").unlink()
    kept = (tmp_path / "one" / "b.parquet").stat().st_mtime_ns
    again = labelppl(*call, "--out", tmp_path / "one", "--jobs", 2)
    assert "2 of 3 files in" in again.output
    assert content(tmp_path / "one") == made
    assert (tmp_path / "one" / "b.parquet").stat().st_mtime_ns == kept
    whole = labelppl(*call, "--out", tmp_path / "one", "--jobs", 2)
    assert whole.exit_code == 0, whole.output
    assert "3 of 3 files in" in whole.output
    other = labelppl(*call[:-1], 20, "--out", tmp_path / "one", "--jobs", 1)
    assert "are done" not in other.output
    assert content(tmp_path / "one") != made


@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None,
    reason="Ray is not installed: pip install 'labelppl[scale]'",
)
def test_ray_gives_the_same_bytes(run: Path, tables: Path, labelppl: Run, tmp_path: Path) -> None:
    call = ("label", "--run", run, "--data", tables, "--draws", 50, "--out")
    here = labelppl(*call, tmp_path / "here", "--jobs", 1)
    there = labelppl(*call, tmp_path / "there", "--ray", "local", "--jobs", 1)
    assert here.exit_code == there.exit_code == 0, there.output
    assert content(tmp_path / "here") == content(tmp_path / "there")


def test_a_killed_worker_leaves_nothing_half_written(
    run: Path, tables: Path, labelppl: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def killed_once(*args: object, **options: object) -> Iterator[object]:
        (out / ".labelppl-0123456789abcdef.parquet").write_bytes(b"PAR1 and no more")
        yield from run_tasks(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(label_folder, "run_tasks", killed_once)
    done = labelppl("label", "--run", run, "--data", tables, "--draws", 50, "--out", out, "--jobs", 1)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert set(content(out)) == {"a.parquet", "b.parquet", "c.parquet"}


def test_a_bad_table_does_not_keep_the_others_back(
    run: Path, tables: Path, labelppl: Run, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.parquet").write_bytes((tables / "a.parquet").read_bytes())
    pd.DataFrame({"id": ["x"], "alpha": ["sixty"], "coverage": [0.5]}).to_csv(
        folder / "bad.csv", index=False
    )
    result = labelppl(
        "label", "--run", run, "--data", folder, "--out", tmp_path / "out", "--jobs", 1
    )
    assert result.exit_code == 2
    assert "sixty" in result.output.splitlines()[-1]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.parquet"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--prevalence", "auto"), "is a folder, whose tables"),
        (("--model", "hip"), "run labelppl fit first"),
    ],
)
def test_what_a_folder_cannot_have(
    run: Path, tables: Path, labelppl: Run, arguments: tuple[str, ...], message: str
) -> None:
    result = labelppl("label", "--run", run, "--data", tables, *arguments)
    assert result.exit_code == 2
    assert message in result.output


def test_jobs_want_a_folder(run: Path, tables: Path, labelppl: Run, tmp_path: Path) -> None:
    result = labelppl(
        "label", "--run", run, "--data", tables / "a.parquet", "--jobs", 2,
        "--out", tmp_path / "x.parquet",
    )  # fmt: skip
    assert result.exit_code == 2
    assert "--jobs: shares out the tables of a folder" in result.output


def test_two_tables_of_one_stem_are_refused(
    run: Path, tables: Path, labelppl: Run, tmp_path: Path
) -> None:
    for name in ("a.parquet", "a.csv"):
        (tmp_path / name).write_bytes(b"")
    result = labelppl("label", "--run", run, "--data", tmp_path, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "a.csv and a.parquet would both be labelled into a.parquet" in result.output
