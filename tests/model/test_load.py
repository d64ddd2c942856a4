"""Model files and their tables are found by path, zoo name and stem; what is wrong with a file is one line."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from labelppl.errors import InputError
from labelppl.model import find_model, find_table, load_model, zoo
from labelppl.python_files import load_object

GOOD = """
from labelppl import Label, Real, label_model

@label_model(y=Label("a", "b"), x=Real())
def mine(cases):
    pass
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="mine.py"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_a_file_and_its_table(write, tmp_path):
    path = write(GOOD)
    assert load_model(path).name == "mine"
    assert load_model(str(path)).source == path
    with pytest.raises(InputError, match=r"mine\.csv: no table beside the model; give --data FILE"):
        find_table(path)
    (tmp_path / "mine.parquet").touch()
    assert find_table(path) == tmp_path / "mine.parquet"
    (tmp_path / "mine.csv").touch()
    assert find_table(path) == tmp_path / "mine.csv"


def test_a_ready_made_family_is_called_like_its_variable(write):
    declared = "from labelppl import Label, Real\nfrom labelppl.families import gaussian\n"
    path = write(
        declared + "mine = gaussian(y=Label('a', 'b'), x=Real(low=0, high=1))\nsame = mine\n"
    )
    model = load_model(path)
    assert model.name == "mine"
    assert model.with_options().name == "mine"


def test_the_zoo(monkeypatch, tmp_path):
    assert "hip" in zoo()
    assert find_model("hip") == zoo()["hip"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hip.csv").touch()
    assert find_table("hip").name == "hip.csv"


WRONG = {
    "two": (
        GOOD + GOOD.replace("mine", "yours").replace("Real()", "Real('mm')"),
        r"expected one label model, found mine, yours; keep one",
    ),
    "none": ("x = 1\n", r"expected one label model, found none; keep one @label_model per file"),
    "undecorated": ("def hip(cases):\n    pass\n", r"expected one label model, found none"),
    "syntax": ("def broken(:\n", r"mine\.py, line 1: SyntaxError: .*; mend the file"),
    "raises": (
        "x = 1\ny = x / 0\n",
        r"mine\.py, line 2: ZeroDivisionError: .*; mend the file",
    ),
    "imports": ("import no_such_module_here\n", r"mine\.py, line 1: ModuleNotFoundError"),
    "exits": (
        "raise SystemExit('bye')\n",
        r"mine\.py, line 1: it ends the program \(sys.exit\(bye\)\)",
    ),
    "binary": ("x = '\\ud800'\n\x00", r"mine\.py.*: (SyntaxError|ValueError)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files(case, write):
    text, message = WRONG[case]
    with pytest.raises(InputError, match=message) as caught:
        load_model(write(text))
    assert "\n" not in str(caught.value)


def test_the_same_model_under_two_names_is_one(write):
    assert load_model(write(GOOD + "again = mine\n")).name == "mine"


def test_missing_files_list_the_zoo(tmp_path):
    with pytest.raises(
        InputError, match=r"no such model file; give --model FILE\.py or one of .*hip"
    ):
        load_model(tmp_path / "nothing.py")
    with pytest.raises(
        InputError, match=r"model 'hips': not in the zoo; give --model FILE\.py or one of .*hip"
    ):
        load_model("hips")


def test_loading_leaves_no_bytecode(write, tmp_path):
    load_model(write(GOOD))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_a_family_in_a_file_knows_its_name_and_file(tmp_path):
    path = tmp_path / "spine.py"
    path.write_text(
        "from labelppl import Label, Real\nfrom labelppl.families import gaussian\n"
        "bones = gaussian(y=Label('a', 'b'), x=Real(low=0, high=1))\n"
    )
    model = load_model(str(path))
    assert (model.name, model.source) == ("bones", path)


def test_a_model_file_changes_the_working_folder_and_the_search_path_for_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    (tmp_path / "wander.py").write_text("import os, sys\nos.chdir('/')\nsys.path.pop()\nx = 1\n")
    assert load_object("wander.py:x") == 1
    assert Path.cwd() == tmp_path
    assert sys.path == before


def test_a_message_shows_the_line_as_the_file_is_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for bound in ("'0'", "'zero'"):
        Path("m.py").write_text(f"from labelppl import Real\nx = Real(low={bound})\n")
        with pytest.raises(InputError, match=rf"in: x = Real\(low={bound}\)"):
            load_object("m.py:x")
