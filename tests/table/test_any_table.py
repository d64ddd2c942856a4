"""Whatever stands in a table: it is read the same from every kind of file, or refused in one line; nothing else happens."""

from __future__ import annotations

import csv
import math
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelppl import (
    Angle,
    Category,
    Count,
    InputError,
    Label,
    Ordinal,
    Positive,
    Ranking,
    Ratio,
    Real,
    Stated,
    Vector,
    VoteCounts,
    Votes,
    label_model,
    read_cases,
)
from labelppl.features import Feature, Rows
from labelppl.features.cells import as_text, clean_text, numbers_of
from labelppl.model import LabelModel
from labelppl.table import CaseBatches, Cases, cases_from_frame, open_table

QUICK = settings(max_examples=60, deadline=None)
#: What people and programs put into cells, and what should never be there.
CELLS = st.one_of(
    st.sampled_from(
        ["", " ", "NA", "n", "d", "N", "1", "1.0", "01", "-2.5", "1e3", "<3", ">4", "≤ 2", "1,5", "inf", "nan", "−1", "n > d",
         "0.2-0.4", "True", "2020-01-01", "#N/A", "a\u00a0", "\ufeffn", "e\u0301", "\u00e9", '"', "a\nb", "train", "test"]
    ),
    st.floats().map(repr),
    st.text(max_size=4),
)  # fmt: skip
MODEL = label_model(y=Label("n", "d"), a=Real(), c=Category("left", "right"))(lambda cases: None)


def outcome(read):
    """What is read, or the one line that refuses them."""
    try:
        return read()
    except InputError as error:
        refused = str(error)
    assert len(refused.splitlines()) == 1
    return refused


def same(one: Cases, other: Cases) -> None:
    assert one.ids.tolist() == other.ids.tolist()
    assert one.labels.tolist() == other.labels.tolist()
    for name, column in one.columns.items():
        assert torch.equal(column.observed, other.columns[name].observed)
        assert torch.equal(
            column.values[column.observed], other.columns[name].values[column.observed]
        )
    assert (one.groups is None) == (other.groups is None)
    assert one.groups is None or one.groups.tolist() == other.groups.tolist()


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """A few rows of any text; mostly as the model expects it."""
    rows = draw(st.integers(1, 4))
    sound = {
        "id": st.integers(0, 50).map(lambda i: f"p{i}"),
        "y": st.sampled_from(["n", "d ", "", "NA"]),
        "a": st.floats(-1e6, 1e6).map(repr),
        "c": st.sampled_from(["left", " right", ""]),
        "group": st.sampled_from(["g1", "g2 ", "\u00a0g2"]),
    }
    odd = draw(st.sampled_from([*sound, None]))
    columns = {
        name: draw(st.lists(CELLS if name == odd else cells, min_size=rows, max_size=rows))
        for name, cells in sound.items()
    }
    return pd.DataFrame(columns, dtype=object)


@QUICK
@given(tables())
def test_csv_parquet_and_frames_are_read_alike(table: pd.DataFrame) -> None:
    def of_frame() -> Cases:
        return cases_from_frame(table, MODEL.label_name, MODEL.label, MODEL.features)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        try:
            table.to_parquet(path)
        except (pa.ArrowException, UnicodeEncodeError):  # a lone surrogate: no file can hold it
            assert isinstance(outcome(of_frame), str)
            return
        whole = outcome(of_frame)
        stored = outcome(lambda: read_cases(path, MODEL))
        text = Path(folder) / "t.csv"
        table.to_csv(text, index=False, quoting=csv.QUOTE_ALL)
        written = outcome(lambda: read_cases(text, MODEL))
    if isinstance(whole, str):
        assert stored == whole
        # A text file with a NUL or a lone line end is refused before its cells are looked at.
        assert isinstance(written, str)
        return
    assert isinstance(stored, Cases)
    same(whole, stored)
    assert isinstance(written, Cases), written
    same(whole, written)


@QUICK
@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_one_line(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("t.csv", "t.parquet", "t.tsv"):
            path = Path(folder) / name
            for start in (b"", b"id,y,a,c\n", b"PAR1", b"\xff\xfe", b"sep=;\n"):
                path.write_bytes(start + content)
                outcome(lambda path=path: read_cases(path, MODEL))


@QUICK
@given(
    st.lists(st.tuples(st.integers(0, 80), st.sampled_from(',;\t"\n\r \0\u00e9x1-<')), max_size=4),
    st.integers(0, 80),
)
def test_a_changed_letter_is_read_or_refused(changes: list[tuple[int, str]], cut: int) -> None:
    whole = "id,y,a,c\n" + "".join(f"p{i},{'nd'[i % 2]},{i}.5,left\n" for i in range(5))
    letters = list(whole[: len(whole) - cut % 20])
    for at, letter in changes:
        letters[at % len(letters)] = letter
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes("".join(letters).encode())
        cases = outcome(lambda: read_cases(path, MODEL))
    assert isinstance(cases, str) or 1 <= len(cases) <= 7


FEATURES: dict[str, Feature] = {
    "real": Real(),
    "bounded": Real(low=-3, high=1e3),
    "positive": Positive("mm"),
    "ratio": Ratio(),
    "percent": Ratio("%", squeeze=10),
    "angle": Angle("deg", low=20, high=90),
    "axial": Angle("rad", kind="axial"),
    "count": Count(),
    "category": Category("n", "d"),
    "ordinal": Ordinal("1", "2", "3"),
    "vector": Vector("x", "z"),
    "counts": VoteCounts(),
    "ranking": Ranking(),
    "stated": Stated(),
}


def in_support(feature: Feature, values: torch.Tensor) -> bool:
    """Whether measured values of the model are where they should be."""
    if isinstance(feature, Ratio | Stated):
        return bool(((values >= 0) & (values <= 1)).all())
    if isinstance(feature, Positive | Count | VoteCounts | Ranking):
        return bool((values >= 0).all())
    if isinstance(feature, Angle):
        return bool((values.abs() <= 2 * math.pi).all())
    return bool(torch.isfinite(values.double()).all())


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(FEATURES)), st.lists(CELLS, min_size=1, max_size=4))
def test_each_feature_reads_any_cell_or_refuses_it(name: str, cells: list[str]) -> None:
    feature = FEATURES[name]
    columns = {
        "vector": ["x", "z"], "counts": ["f_n", "f_d"], "stated": ["f_n", "f_d"]
    }.get(name, ["f"])  # fmt: skip
    frame = pd.DataFrame({column: pd.Series(cells, dtype=object) for column in columns})
    rows = Rows(frame, np.array([f"p{i}" for i in range(len(cells))]))
    column = outcome(lambda: feature.read(rows, "f", ("n", "d")))
    if isinstance(column, str):
        assert "row " in column
        return
    assert len(column.values) == len(cells)
    assert in_support(feature, column.values[column.observed])
    assert not torch.isnan(column.values.double()).any()
    if column.low is not None and column.high is not None:
        assert (column.low[column.censored] <= column.high[column.censored]).all()


@QUICK
@given(st.lists(st.tuples(st.sampled_from("pqr"), CELLS, CELLS), min_size=1, max_size=5))
def test_votes_of_any_kind_are_counted_or_refused(rows: list[tuple[str, str, str]]) -> None:
    crowd: LabelModel = label_model(y=Label("n", "d"), votes=Votes())(lambda cases: None)
    table = pd.DataFrame(rows, columns=["task", "worker", "label"], dtype=object)
    cases = outcome(lambda: cases_from_frame(table, "y", crowd.label, crowd.features))
    if isinstance(cases, Cases):
        ballots = cases.columns["votes"].ballots
        assert ballots is not None
        assert int(ballots.counts.sum()) == len(rows)


@QUICK
@given(st.text(max_size=8))
def test_cleaning_a_name_twice_changes_nothing(text: str) -> None:
    assert clean_text(clean_text(text)) == clean_text(text)
    assert as_text(as_text(text)) == as_text(text)
    assert as_text(f" \u00a0{text}\u200b\t") == as_text(text)


@QUICK
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_read_to_the_last_bit(number: float) -> None:
    values, unread = numbers_of(pa.array([repr(number)], pa.large_string()))
    assert values[0] == number
    assert not unread[0]
    comma, unread = numbers_of(pa.array([repr(number).replace(".", ",")], pa.large_string()), ",")
    assert comma[0] == number
    assert not unread[0]


def test_a_row_for_each_image_is_a_case_and_batches_say_what_to_write_instead(
    tmp_path: Path,
) -> None:
    """In the order of the first rows, in a table of any kind; a long table asks for one row a case."""
    frame = pd.DataFrame(
        {"id": ["b", "a", "b", "c"], "y": ["x", "z", "x", "x"], "size": [1.5, 2.5, 1.5, 2.0],
         "image": ["b1.png", "a.png", "b2.png", "c1.png | c2.png"]}
    )  # fmt: skip
    features = {"size": Positive()}
    for name in ("t.csv", "t.parquet"):
        path = tmp_path / name
        frame.to_csv(path, index=False) if name == "t.csv" else frame.to_parquet(path, index=False)
        cases = cases_from_frame(
            open_table(path).frame(), "y", Label("x", "z"), features, path=path
        )
        assert cases.ids.tolist() == ["b", "a", "c"]
        assert cases.labels.tolist() == [0, 1, 0]
        b, a, c = (tmp_path / f"{stem}.png" for stem in ("b1", "a", "c1"))
        assert cases.images == ((b, tmp_path / "b2.png"), a, (c, tmp_path / "c2.png"))
        assert "5 images of 3 cases (1 to 2 each)" in repr(cases)
        assert "4 images of 2 cases (2 each)" in repr(cases.take([0, 2]))
        assert cases.take([2]).images == ((c, tmp_path / "c2.png"),)
        with pytest.raises(InputError, match=r"write one row for each case, with '\|'"):
            list(CaseBatches(path, "y", Label("x", "z"), features))
