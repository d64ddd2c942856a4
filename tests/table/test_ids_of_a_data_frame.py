"""The index of a data frame names its rows: a table without ids takes them from there, in every format alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelppl import InputError, Label, Real
from labelppl.table import Cases, cases_from_frame
from labelppl.table.read import read_frame

FRAME = pd.DataFrame({"a": [1.5, 3.5, 2.5], "y": ["n", "d", "n"]})


def _csv(frame: pd.DataFrame) -> pd.DataFrame:
    frame.to_csv("t.csv")
    return read_frame(Path("t.csv"))


def _parquet(frame: pd.DataFrame) -> pd.DataFrame:
    frame.to_parquet("t.parquet")
    return read_frame(Path("t.parquet"))


def _cases(frame: pd.DataFrame) -> Cases:
    return cases_from_frame(frame, "y", Label("n", "d"), {"a": Real()})


STORED: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "frame": lambda frame: frame,
    "csv": _csv,
    "parquet": _parquet,
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("stored", STORED.values(), ids=list(STORED))
@pytest.mark.parametrize(
    "index",
    [["p", "q", "r"], [7, 3, 5], range(40, 43), range(6, 0, -2)],
    ids=["text", "numbers", "a slice of a frame", "downwards"],
)
def test_an_index_without_a_name_is_the_ids(
    index: list[object] | range, stored: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    frame = FRAME.set_axis(pd.Index(index), axis=0)
    assert _cases(stored(frame)).ids.tolist() == [str(name) for name in index]


@pytest.mark.parametrize("stored", STORED.values(), ids=list(STORED))
def test_a_column_of_ids_comes_first(stored: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    frame = FRAME.assign(id=["x", "y", "z"]).set_axis([7, 3, 5], axis=0)
    assert _cases(stored(frame)).ids.tolist() == ["x", "y", "z"]


@pytest.mark.parametrize("stored", STORED.values(), ids=list(STORED))
def test_an_index_does_not_hide_a_misspelt_column_of_ids(
    stored: Callable[[pd.DataFrame], pd.DataFrame],
) -> None:
    frame = FRAME.assign(ID=["x", "y", "z"]).set_axis([7, 3, 5], axis=0)
    with pytest.raises(InputError, match="column 'ID': nearly 'id'"):
        _cases(stored(frame))


def test_row_numbers_stay_row_numbers() -> None:
    for stored in STORED.values():
        assert _cases(stored(FRAME)).ids.tolist() == ["0", "1", "2"]


@pytest.mark.parametrize(
    "ids",
    [pa.array(["p", "q"], pa.string_view()), pa.array(["p", "q"], pa.large_string()),
     pa.array(["p", "q"]).dictionary_encode()],
    ids=["view", "large", "dictionary"],
)  # fmt: skip
def test_text_of_every_arrow_type_is_text(ids: pa.Array) -> None:
    try:
        pq.write_table(pa.table({"id": ids, "a": [1.5, 3.5], "y": ["n", "d"]}), "t.parquet")
    except pa.ArrowNotImplementedError:
        pytest.skip(f"pyarrow {pa.__version__} writes no {ids.type} into Parquet")
    assert _cases(read_frame(Path("t.parquet"))).ids.tolist() == ["p", "q"]


def test_a_floating_id_that_is_no_number_is_an_empty_cell() -> None:
    table = pa.table({"id": [1.0, float("nan")], "a": [1.5, 3.5], "y": ["n", "d"]})
    pq.write_table(table, "t.parquet")
    with pytest.raises(InputError, match="column 'id', row 2: got an empty cell"):
        _cases(read_frame(Path("t.parquet")))


@pytest.mark.parametrize(("cell", "number"), [("0e400", 0.0), ("-0", 0.0), ("1e-300", 1e-300)])
def test_a_small_number_is_read(cell: str, number: float) -> None:
    cases = _cases(FRAME.astype({"a": str}).assign(a=[cell, "1", "2"]))
    assert float(cases.columns["a"].values[0]) == number


@pytest.mark.parametrize("cell", ["1e-400", "-0.01e-330", "1e400"])
def test_a_number_that_floating_point_cannot_hold_is_refused(cell: str) -> None:
    with pytest.raises(InputError, match=f"column 'a', row 1 .*got '{cell}', expected a number"):
        _cases(FRAME.astype({"a": str}).assign(a=[cell, "1", "2"]))
