"""Reading a cases table: what is kept, how it is split, and every bad table as one line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labelppl import InputError, Label, Ratio, Real, VoteCounts, label_model
from labelppl.model import read_cases
from labelppl.split import SPLITS, make_split
from labelppl.table import cases_from_frame

MODEL = label_model(y=Label("no", "yes"), x=Real(low=0, high=9))(lambda cases: None)
GOOD = {"id": ["p", "q", "r"], "y": ["yes", None, "no"], "x": [1.0, None, 3.0]}


def read(columns, model=MODEL, **options):
    frame = pd.DataFrame(columns)
    return cases_from_frame(frame, model.label_name, model.label, model.features, **options)


def test_what_is_read():
    cases = read(GOOD)
    assert len(cases) == 3
    assert cases.ids.tolist() == ["p", "q", "r"]
    assert cases.labels.tolist() == [1, -1, 0]
    assert cases.labelled.tolist() == [True, False, True]
    assert cases.columns["x"].observed.tolist() == [True, False, True]
    assert cases.images is None
    assert cases.groups is None
    assert cases.p_true is None


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_files_agree_with_frames(tmp_path, suffix):
    path = tmp_path / f"cases{suffix}"
    extra = {
        "image": ["a.png", "b.png", "c.png"],
        "group": [1, 1, 2],
        "p_true_no": [0.1, 0.2, 0.3],
        "p_true_yes": [0.9, 0.8, 0.7],
    }
    frame = pd.DataFrame({**GOOD, **extra})
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    cases = read_cases(path, MODEL)
    assert cases.path == path
    assert cases.images == tuple(tmp_path / f"{k}.png" for k in "abc")
    assert cases.groups.tolist() == ["1", "1", "2"]
    np.testing.assert_allclose(cases.p_true[:, 1], [0.9, 0.8, 0.7])
    again = read({**GOOD, **extra})
    np.testing.assert_array_equal(cases.labels, again.labels)
    np.testing.assert_array_equal(cases.columns["x"].values, again.columns["x"].values)


def test_rows_without_a_label_column_are_unlabelled():
    assert read({"x": [1.0, 2.0]}).labels.tolist() == [-1, -1]
    assert read({"x": [1.0, 2.0]}).ids.tolist() == ["0", "1"]


def test_take_keeps_everything_in_step():
    columns = {
        **GOOD,
        "group": ["a", "b", "c"],
        "image": ["1", "2", "3"],
        "p_true_no": [0.1, 0.2, 0.3],
        "p_true_yes": [0.9, 0.8, 0.7],
    }
    cases = read(columns)
    for index in ([2, 0], np.array([2, 0])):
        some = cases.take(index)
        assert some.ids.tolist() == ["r", "p"]
        assert some.labels.tolist() == [0, 1]
        assert some.columns["x"].values.tolist() == [3.0, 1.0]
        assert [image.name for image in some.images] == ["3", "1"]
        assert some.groups.tolist() == ["c", "a"]
        assert some.p_true[:, 0].tolist() == [0.3, 0.1]
    assert cases.take(np.array([True, False, True])).ids.tolist() == ["p", "r"]
    assert len(cases.take(cases.labels > 5)) == 0


def test_open_classes():
    model = label_model(y=Label(), x=Real())(lambda cases: None)
    assert read({"y": ["b", None, "a"], "x": [1, 2, 3]}, model).classes == ("a", "b")
    # Whole numbers that another tool wrote as floats keep their names.
    numbered = read({"y": [1.0, None, 0.0], "x": [1, 2, 3]}, model)
    assert numbered.classes == ("0", "1")
    assert numbered.labels.tolist() == [1, -1, 0]
    assert read({"x": [1]}, model, classes=("u", "v")).classes == ("u", "v")
    with pytest.raises(
        InputError, match=r"column 'y': got the classes \('a',\), expected two or more"
    ):
        read({"y": ["a", None], "x": [1, 2]}, model)
    votes = label_model(y=Label(), votes=VoteCounts())(lambda cases: None)
    assert read({"votes_u": [1], "votes_v": [2]}, votes).classes == ("u", "v")
    with pytest.raises(
        InputError, match=r"columns 'votes_<class>': found 1, expected a vote column"
    ):
        read({"votes_u": [1]}, votes)


BAD = {
    "missing column": (
        {"y": ["yes"], "z": [1]},
        r"column 'x': not in the table; expected it for feature 'x'; the table has y, z; add it",
    ),
    "unknown class": (
        {**GOOD, "y": ["yes", "maybe", "no"]},
        r"column 'y', row 2 \(id 'q'\): got 'maybe', expected one of no, yes; mend",
    ),
    "out of bounds": (
        {**GOOD, "x": [1, 2, 10]},
        r"column 'x', row 3 \(id 'r'\): got 10\.0, expected 0 to 9;",
    ),
    "same ids": (
        {**GOOD, "id": ["p", "q", "p"]},
        r"column 'id', row 3: got 'p', which row 1 has too, expected ids that differ",
    ),
    "no id": (
        {**GOOD, "id": ["p", None, "r"]},
        r"column 'id', row 2: got an empty cell, expected a name",
    ),
    "no rows": ({"y": [], "x": []}, r"no rows; expected at least one case"),
    "no group": (
        {**GOOD, "group": ["a", None, "b"]},
        r"column 'group', row 2 \(id 'q'\): got an empty cell, expected a patient or group",
    ),
    "no image": (
        {**GOOD, "image": ["a", "b", None]},
        r"column 'image', row 3 \(id 'r'\): got an empty cell, expected a path",
    ),
    "unknown split": (
        {**GOOD, "split": ["train", "test", "dev"]},
        r"column 'split', row 3 \(id 'r'\): got 'dev', expected train, val or test",
    ),
    "no split": (
        {**GOOD, "split": ["train", "test", None]},
        r"column 'split', row 3 .*expected train, val or test",
    ),
    "leak": (
        {**GOOD, "group": ["a", "b", "a"], "split": ["train", "val", "test"]},
        r"column 'split': group 'a' is in test, train; expected one split per group",
    ),
    "probability": (
        {**GOOD, "p_true_no": [0.5, "x", 0.5], "p_true_yes": [0.5, 0.5, 0.5]},
        r"column 'p_true_no', row 2 \(id 'q'\): got 'x', expected a probability",
    ),
    "too likely": (
        {**GOOD, "p_true_no": [0.5, 1.5, 0.5], "p_true_yes": [0.5, 0.5, 0.5]},
        r"column 'p_true_no', row 2 \(id 'q'\): got 1\.5, expected a probability",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_tables(case):
    columns, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        read(columns)
    assert "\n" not in str(caught.value)


def test_bad_files(tmp_path):
    with pytest.raises(
        InputError, match=r"nowhere\.csv: no such table; expected a CSV or Parquet file"
    ):
        read_cases(tmp_path / "nowhere.csv", MODEL)
    for name in ("empty.csv", "noise.parquet"):
        (tmp_path / name).write_bytes(b"")
        with pytest.raises(InputError, match=rf"{name}: not a readable table"):
            read_cases(tmp_path / name, MODEL)
    (tmp_path / "ragged.csv").write_text("y,x\nyes,1\nno,2,3\n")
    with pytest.raises(
        InputError, match=r"ragged\.csv: row 2 has 3 cells, expected 2 as in the header \(y, x\)"
    ) as caught:
        read_cases(tmp_path / "ragged.csv", MODEL)
    assert "\n" not in str(caught.value)


def test_a_class_may_be_called_none(tmp_path):
    model = label_model(y=Label("None", "mild"), x=Real())(lambda cases: None)
    path = tmp_path / "grades.csv"
    path.write_text("y,x\nNone,1\nmild,NA\n,2\n")
    cases = read_cases(path, model)
    assert cases.labels.tolist() == [0, 1, -1]
    assert cases.columns["x"].observed.tolist() == [True, False, True]
    path.write_text("y,x\nNone,None\n")
    with pytest.raises(InputError, match=r"column 'x', row 1 .*got 'None', expected a number"):
        read_cases(path, model)


def test_a_column_twice_is_refused(tmp_path):
    path = tmp_path / "twice.csv"
    path.write_text("y,x,x\nyes,1,2\n")
    with pytest.raises(InputError, match=r"column 'x': appears twice"):
        read_cases(path, MODEL)


def test_split_is_stratified_grouped_and_repeats():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 120, 400).astype(str)
    labels = (rng.random(400) < 0.3).astype(int)
    split = make_split(labels, groups, seed=1)
    assert set(split) == {"train", "test"}
    np.testing.assert_array_equal(split, make_split(labels, groups, seed=1))
    assert (split != make_split(labels, groups, seed=2)).any()
    for group in np.unique(groups):
        assert len(set(split[groups == group])) == 1
    assert (split == "test").mean() == pytest.approx(0.3, abs=0.05)
    assert labels[split == "test"].mean() == pytest.approx(labels.mean(), abs=0.06)


@pytest.mark.parametrize(
    "labels", [[0, 1, -1, 1], [0] * 5 + [-1], [-1] * 6, list(range(8)), [0, 1, 1]]
)
def test_small_tables_can_be_split(labels):
    split = make_split(np.array(labels), None, seed=0)
    assert set(split) <= set(SPLITS)
    assert (split == "train").any()
    assert (split == "test").any() == (len(labels) > 3)


def test_given_splits_are_kept():
    cases = read({**GOOD, "split": ["test", "val", "train"]})
    assert cases.split.tolist() == ["test", "val", "train"]
    assert (cases.train.ids[0], cases.val.ids[0], cases.test.ids[0]) == ("r", "q", "p")


def test_ratio_bounds_in_a_table():
    model = label_model(y=Label("no", "yes"), c=Ratio("%"))(lambda cases: None)
    with pytest.raises(
        InputError,
        match=r"column 'c', row 1 \(id '0'\): got 100\.0, expected 0 to 100 %, bounds excluded",
    ):
        read({"y": ["no"], "c": [100]}, model)
