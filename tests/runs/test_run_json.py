"""The record of a run: signed, checked entry by entry, and with the digest of every file."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from labelppl import InputError
from labelppl.runs import is_own, read_json, read_run_json, record, refuse_stranger, step, verify

ENTRIES: dict[str, Any] = {
    "command": "fit",
    "arguments": {"engine": "auto", "group": "group", "seed": 3},
    "seed": 3,
    "model": {"path": "/x/hip.py", "sha256": "ab" * 32, "options": {}},
    "data": {"path": "/x/hip.csv", "sha256": "cd" * 32, "beside": {}},
    "classes": ["normal", "dysplastic"],
    "raters": {"votes": ["anna", "ben"]},
    "label_name": "diagnosis",
    "split": {"test_share": 0.3, "validation": 0.0},
}
DAMAGED: dict[str, tuple[Any, str]] = {
    "command": (3, "text"),
    "arguments": ([], "an object"),
    "arguments.group": (None, "text"),
    "seed": (-1, "a whole number"),
    "model.path": (5, "text"),
    "model.sha256": ("xyz", "64 hexadecimal digits"),
    "model.options": ("", "an object"),
    "data": ("x", "missing"),
    "data.sha256": ("AB" * 32, "64 hexadecimal digits"),
    "classes": (5, "two or more different class names"),
    "raters": ({"votes": "anna"}, "lists of rater names"),
    "label_name": ("", "text"),
    "split": ({"test_share": 1.5, "validation": 0}, "the shares"),
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    record(tmp_path, **ENTRIES)
    return tmp_path


def set_entry(run: Path, name: str, value: Any) -> None:
    content = json.loads((run / "run.json").read_text())
    *above, last = name.split(".")
    place = content
    for part in above:
        place = place[part]
    place[last] = value
    (run / "run.json").write_text(json.dumps(content))


def test_what_was_recorded_is_read(run: Path) -> None:
    made = read_run_json(run)
    assert (made.command, made.seed, made.group) == ("fit", 3, "group")
    assert (made.model, made.data) == (Path("/x/hip.py"), Path("/x/hip.csv"))
    assert made.classes == ("normal", "dysplastic")
    assert made.raters == {"votes": ("anna", "ben")}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_entry_is_refused_by_name(run: Path, name: str) -> None:
    value, expected = DAMAGED[name]
    set_entry(run, name, value)
    with pytest.raises(InputError, match=r"run\.json: damaged, entry") as refused:
        read_run_json(run)
    assert name in str(refused.value)
    assert expected in str(refused.value)


@pytest.mark.parametrize("name", ["command", "seed", "data", "classes", "model"])
def test_a_missing_entry_is_refused_by_name(run: Path, name: str) -> None:
    content = json.loads((run / "run.json").read_text())
    del content[name]
    (run / "run.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"entry '{name}.*' is missing"):
        read_run_json(run)


def test_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no run\.json; expected the folder of a run"):
        read_run_json(tmp_path)


def test_mappings_are_merged_and_all_else_is_replaced(run: Path) -> None:
    record(run, seconds={"fit": 1.0})
    record(run, seconds={"label": 2.0}, classes=["a", "b"])
    content = read_json(run / "run.json")
    assert content["seconds"] == {"fit": 1.0, "label": 2.0}
    assert content["classes"] == ["a", "b"]


def test_a_run_of_ones_own_is_known_and_a_changed_or_foreign_one_is_not(
    run: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_own(read_json(run / "run.json"))
    moved = tmp_path_factory.mktemp("moved")
    (moved / "run.json").write_bytes((run / "run.json").read_bytes())
    assert is_own(read_json(moved / "run.json"))
    refuse_stranger(run, read_json(run / "run.json"), Path("/x/hip.py"))
    set_entry(run, "model.path", "/tmp/other.py")
    with pytest.raises(
        InputError, match=r"would execute /x/hip.py; read that file, then add --trust"
    ):
        refuse_stranger(run, read_json(run / "run.json"), Path("/x/hip.py"))
    record(run, **ENTRIES)
    assert is_own(read_json(run / "run.json"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("another user")))
    assert not is_own(read_json(run / "run.json"))


def test_without_its_signature_a_run_is_a_strangers(run: Path) -> None:
    content = read_json(run / "run.json")
    del content["signature"]
    assert not is_own(content)
    assert not is_own({**content, "signature": None})
    assert not is_own({**content, "signature": "0" * 64})


def test_the_key_is_the_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    record(tmp_path, **ENTRIES)
    key = tmp_path / "config" / "labelppl" / "key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(key.read_bytes()) == 32
    assert is_own(read_json(tmp_path / "run.json"))
    key.chmod(0o644)  # anyone may have read it
    assert not is_own(read_json(tmp_path / "run.json"))


def test_every_step_is_listed_with_the_digests_of_its_files(run: Path) -> None:
    with step(run, "fit", {"engine": "auto"}) as work:
        (run / "posterior.nc").write_bytes(b"one")
        work.keep(fit={"engine": "laplace"})
        (run / "note.txt").write_bytes(b"two")
    with step(run, "label", {"leave_out": "loo"}) as work:
        (run / "labels.parquet").write_bytes(b"three")
    steps = read_json(run / "run.json")["steps"]
    assert [(s["command"], s["status"]) for s in steps] == [("fit", "done"), ("label", "done")]
    assert [sorted(s["files"]) for s in steps] == [["note.txt", "posterior.nc"], ["labels.parquet"]]
    assert steps[0]["arguments"] == {"engine": "auto"}
    assert verify(run, "labels.parquet").read_bytes() == b"three"


def test_a_file_that_no_step_wrote_is_refused_by_name(run: Path) -> None:
    with step(run, "label", {}):
        (run / "labels.parquet").write_bytes(b"three")
    (run / "labels.parquet").write_bytes(b"four")
    with pytest.raises(
        InputError, match=r"labels.parquet: damaged, or not the file that the run wrote"
    ):
        verify(run, "labels.parquet")
    with step(run, "label", {}):
        (run / "labels.parquet").write_bytes(b"five")
    verify(run, "labels.parquet")


def test_a_link_out_of_the_folder_is_refused(
    run: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "labels.parquet"
    elsewhere.write_bytes(b"x")
    (run / "labels.parquet").symlink_to(elsewhere)
    with pytest.raises(InputError, match="leads out of the run folder"):
        verify(run, "labels.parquet")


def test_a_step_that_is_refused_leaves_no_trace(tmp_path: Path) -> None:
    def refused() -> None:
        with step(tmp_path / "r", "fit", {}):
            raise InputError("no")

    with pytest.raises(InputError):
        refused()
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "failed"), (KeyboardInterrupt, "interrupted")]
)
def test_a_step_that_fails_after_writing_says_so(
    run: Path, error: type[BaseException], status: str
) -> None:
    def fail() -> None:
        with step(run, "fit", {}):
            (run / "posterior.nc").write_bytes(b"one")
            raise error

    with pytest.raises(error):
        fail()
    (entry,) = read_json(run / "run.json")["steps"]
    assert (entry["status"], list(entry["files"])) == (status, ["posterior.nc"])


def test_what_a_step_holds_is_what_was_recorded_whole(run: Path) -> None:
    with step(run, "fit", {}) as work:
        assert not work.holds("posterior.nc")
        (run / "posterior.nc").write_bytes(b"one")
        assert not work.holds("posterior.nc")
        work.keep()
        assert work.holds("posterior.nc")
        (run / "posterior.nc").write_bytes(b"other")
        assert not work.holds("posterior.nc")
