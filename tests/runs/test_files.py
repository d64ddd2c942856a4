"""Files of a run: whole or absent, with the user's mode, and nothing left of what a kill interrupted."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from labelppl import InputError
from labelppl.runs import (
    new_folder,
    read_json,
    sha256,
    sweep,
    write_atomically,
    write_csv,
    write_json,
    write_text,
)
from labelppl.runs.files import TEMPORARY

WRITER = """
import sys, time
from pathlib import Path
from labelppl.runs import write_atomically

def write(path):
    path.write_text("half")
    print("writing", flush=True)
    time.sleep(60)

write_atomically(Path(sys.argv[1]) / "a.txt", write)
"""


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
def test_a_file_has_the_mode_that_the_umask_asks_for(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "a", lambda part: os.chmod(part, 0o600))
        write_text(tmp_path / "b", "text")
    finally:
        os.umask(before)
    for name in "ab":
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~mask


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "old")

    def fail(part: Path) -> None:
        part.write_text("new")
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        write_atomically(tmp_path / "a", fail)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "old"


def test_a_temporary_name_cannot_be_guessed_and_is_nobody_elses(tmp_path: Path) -> None:
    names: list[str] = []
    for _ in range(3):
        write_atomically(tmp_path / "a.csv", lambda part: names.append(part.name))
    assert len(set(names)) == 3
    assert all(TEMPORARY.fullmatch(name) and name.endswith(".csv") for name in names)


def test_sweep_removes_what_the_dead_left_and_spares_the_living(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        (left,) = tmp_path.iterdir()
        sweep(tmp_path)
        assert left.exists()
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    (tmp_path / ".labelppl-mine").write_text("kept: not a name of ours")
    sweep(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [".labelppl-mine"]


def test_a_new_folder_is_whole_or_absent(tmp_path: Path) -> None:
    def fail() -> None:
        with new_folder(tmp_path / "a") as part:
            (part / "x").write_text("half")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert not list(tmp_path.iterdir())
    with new_folder(tmp_path / "a") as part:
        (part / "x").write_text("whole")
        sweep(tmp_path)  # another command's
        assert part.is_dir()
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["x"]
    with pytest.raises(InputError, match="not an empty folder"):
        new_folder(tmp_path / "a").__enter__()
    (tmp_path / "empty").mkdir()
    before = (tmp_path / "empty").stat().st_ino
    with new_folder(tmp_path / "empty") as part:
        (part / "y").touch()
    assert (tmp_path / "empty").stat().st_ino == before


def test_sweep_removes_the_folder_of_a_killed_simulation(tmp_path: Path) -> None:
    left = tmp_path / ".labelppl-0123456789abcdef"
    left.mkdir()
    (left / ".lock").touch()
    (left / "images").mkdir()
    sweep(tmp_path)
    assert not left.exists()


def test_sweep_of_no_folder_is_nothing(tmp_path: Path) -> None:
    sweep(tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"a": ', "damaged, not JSON"),
        (b"[1]", "got list, expected an object"),
        (b"\xff\xfe{}", "damaged, not JSON"),
        (b"null", "got NoneType"),
        (b"[" * 100_000, "damaged, not JSON"),
    ],
)
def test_json_that_is_no_object_is_refused_by_name(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as refused:
        read_json(path)
    assert str(path) in str(refused.value)


def test_json_round_trip_and_numbers_that_json_lacks(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": float("inf"), "y": [1, float("nan")], "z": Path("p")})
    assert read_json(tmp_path / "a.json") == {"x": "inf", "y": [1, "nan"], "z": "p"}
    assert read_json(tmp_path / "none.json") == {}


def test_sha256_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a").startswith("ba7816bf8f01cfea")


def test_a_cell_that_would_be_a_formula_is_text_in_a_csv(tmp_path: Path) -> None:
    cells = ["=1+1", "@x", "+a", "-b", "-5", "+3.2", "plain", None, "\tx"]
    write_csv(tmp_path / "a.csv", pd.DataFrame({"id": cells, "p": range(len(cells))}))
    read = pd.read_csv(tmp_path / "a.csv", dtype=str, keep_default_na=False)
    expected = ["'=1+1", "'@x", "'+a", "'-b", "-5", "+3.2", "plain", "", "'\tx"]
    assert list(read["id"]) == expected
