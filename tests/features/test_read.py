"""Reading every feature type: units, what is missing, what is censored, and what is refused and how."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labelppl.errors import InputError
from labelppl.features import (
    Angle,
    Category,
    Count,
    Label,
    Ordinal,
    Positive,
    Ratio,
    Real,
    Rows,
    Vector,
    VoteCounts,
)
from labelppl.table import cases_from_frame

CLASSES = ("a", "b")


def read(feature, **columns):
    frame = pd.DataFrame(columns)
    ids = np.array([f"case{i}" for i in range(len(frame))])
    return feature.read(Rows(frame, ids), next(iter(columns)).split("_")[0], CLASSES)


def read_one(feature, cells, name="x"):
    return read(feature, **{name: cells})


@pytest.mark.parametrize("kind", [float, str])
def test_numbers_arrive_in_the_models_unit(kind):
    def cells(*values):
        return [None if v is None else kind(v) for v in values]

    angle = read_one(Angle("deg", low=20, high=90), cells(30, None, 60))
    assert torch.allclose(angle.values[[0, 2]], torch.tensor([math.pi / 6, math.pi / 3]).double())
    assert angle.observed.tolist() == [True, False, True]
    per_cent = read_one(Ratio("%"), cells(25, 50, None))
    assert torch.allclose(per_cent.values[:2], torch.tensor([0.25, 0.5]).double())
    assert read_one(Real("mm"), cells(-1.5, 2)).values.tolist() == [-1.5, 2.0]
    assert read_one(Count(), cells(0, 3)).values.tolist() == [0.0, 3.0]


def test_what_is_missing_is_filled_inside_the_support():
    assert read_one(Ratio(), [0.2, None, 0.6]).values[1] == pytest.approx(0.4)
    assert 0 < read_one(Ratio(), [None, None]).values[0] < 1
    assert read_one(Positive(), [None]).values[0] > 0
    empty = read_one(Angle("deg", low=20, high=90), [None, None])
    assert math.radians(20) < empty.values[0] < math.radians(90)
    assert not empty.observed.any()


def test_axial_angles_are_doubled():
    angle = read_one(Angle("deg", kind="axial"), [10, 190, -170, 95])
    doubled = torch.tensor([20.0, 20.0, 20.0, -170.0]).double().deg2rad()
    assert torch.allclose(angle.values, doubled)


def test_censored_entries_become_intervals():
    column = read_one(Angle("deg", low=20, high=90), [">60", "50", "<= 30", None])
    assert column.censored.tolist() == [True, False, True, False]
    assert column.observed.tolist() == [False, True, False, False]
    low, high = column.low.rad2deg(), column.high.rad2deg()
    assert torch.allclose(low[[0, 2]], torch.tensor([60.0, 20.0]).double())
    assert torch.allclose(high[[0, 2]], torch.tensor([90.0, 30.0]).double())
    assert torch.isnan(column.low[[1, 3]]).all()
    positive = read_one(Positive("mm"), ["<2", ">5"])
    assert positive.low.tolist() == [0.0, 5.0]
    assert positive.high.tolist() == [2.0, math.inf]
    ratio = read_one(Ratio("%"), [">60"])
    assert (ratio.low.item(), ratio.high.item()) == (0.6, 1.0)
    assert read_one(Real(), ["<-3e2"]).low.item() == -math.inf


def test_ratio_squeeze():
    column = read_one(Ratio(squeeze=10), [0.0, 1.0, 0.5])
    assert torch.allclose(column.values, torch.tensor([0.05, 0.95, 0.5]).double())


def test_codes():
    column = read_one(Category("left", "right"), ["right", None, " left "])
    assert column.values.tolist() == [1, 0, 0]
    assert column.observed.tolist() == [True, False, True]
    numbered = read_one(Ordinal("0", "1", "2"), [2.0, np.nan, 1.0])
    assert numbered.values.tolist() == [2, 0, 1]


def test_vector():
    vector = Vector(angle=Angle("deg", low=0, high=90), ratio=Ratio())
    frame = pd.DataFrame({"angle": [30, None], "ratio": [0.5, 0.25]})
    column = vector.read(Rows(frame, np.array(["p", "q"])), "both", CLASSES)
    assert column.values.shape == (2, 2)
    assert column.values[0].tolist() == pytest.approx([math.pi / 6, 0.5])
    assert column.observed.tolist() == [[True, True], [False, True]]
    assert column.partial
    assert not column.complete
    assert vector.columns("both", CLASSES) == ("angle", "ratio")


def test_vote_counts():
    column = read(VoteCounts(), votes_a=[3, 0, None], votes_b=["1", "2", None])
    assert column.values.tolist() == [[3, 1], [0, 2], [0, 0]]
    assert column.observed.tolist() == [True, True, False]


BAD_CELLS = {
    "angle too large, as radians": (
        Angle("rad", low=0, high=1.6),
        [1.0, 61.0],
        r"row 2 \(id 'case1'\): got 61\.0, expected 0 to 1\.6 rad; it looks like degrees: declare Angle\('deg'",
    ),
    "angle too small, as degrees": (
        Angle("deg", low=20, high=90),
        [45.0, 1.05],
        r"row 2 \(id 'case1'\): got 1\.05, expected 20 to 90 deg; it looks like radians",
    ),
    "angle out of range": (
        Angle("deg", low=20, high=90),
        [95],
        r"row 1 \(id 'case0'\): got 95\.0, expected 20 to 90 deg; mend the cell or widen",
    ),
    "ratio in per cent": (
        Ratio(),
        [0.5, 61],
        r"row 2 .*got 61\.0, expected 0 to 1, bounds excluded; declare Ratio\('%'\)",
    ),
    "ratio of one": (Ratio(), [1.0], r"got 1\.0, .*declare Ratio\(squeeze=n\)"),
    "negative ratio": (Ratio(), [-0.2], r"got -0\.2, .*a ratio that may leave"),
    "zero": (Positive("mm"), [0], r"got 0\.0, expected a number mm above 0; write '<bound'"),
    "negative": (Positive(), [-1], r"got -1\.0, expected a number above 0"),
    "text": (
        Real(),
        ["1", "tall"],
        r"row 2 .*got 'tall', expected a number; write a number, '<bound', '>bound'",
    ),
    "infinite": (Real(), [math.inf], r"got inf, expected a number; leave the cell empty"),
    "infinite text": (Real(), ["inf"], r"got 'inf', expected a number; leave the cell empty"),
    "comma": (Real(), ["1,5"], r"got '1,5', expected a number"),
    "censored beyond the bounds": (Ratio(), [">2"], r"got '>2', expected 0 to 1"),
    "censored nonsense": (Real(), [">--3"], r"got '>--3'"),
    "half a lesion": (
        Count(),
        [1.5],
        r"got 1\.5, expected a whole number; declare Real or Positive",
    ),
    "negative count": (Count(), [-1], r"got -1\.0, expected a whole number of 0 or more"),
    "too many": (Count(high=3), [4], r"got 4\.0, expected a whole number from 0 to 3"),
    "censored count": (
        Count(),
        [">3"],
        r"got '>3', expected a whole number; censored counts are not supported",
    ),
    "unknown name": (
        Category("left", "right"),
        ["left", "rihgt"],
        r"row 2 .*got 'rihgt', expected one of left, right; mend the cell or add the name",
    ),
}


@pytest.mark.parametrize("case", BAD_CELLS)
def test_bad_cells_are_named_with_row_value_expectation_and_mend(case):
    feature, cells, message = BAD_CELLS[case]
    with pytest.raises(
        InputError, match=r"column 'x', " + message if message.startswith("row") else message
    ) as caught:
        read_one(feature, cells)
    assert "column 'x', row " in str(caught.value)
    assert "\n" not in str(caught.value)


BAD_VOTES = {
    "one class uncounted": (
        {"votes_a": [1, 1], "votes_b": [2, None]},
        r"column 'votes_b', row 2 .*got an empty cell, expected a count, since other classes have one; write 0",
    ),
    "negative": ({"votes_a": [-1], "votes_b": [2]}, r"column 'votes_a', row 1 .*got -1"),
    "half": ({"votes_a": [0.5], "votes_b": [2]}, r"got 0\.5, expected a whole number of votes"),
    "infinite": (
        {"votes_a": [math.inf], "votes_b": [2]},
        r"got inf, expected a whole number of votes",
    ),
    "text": (
        {"votes_a": ["two"], "votes_b": ["2"]},
        r"got 'two', expected a whole number of votes",
    ),
    "stranger": (
        {"votes_a": [1], "votes_b": [2], "votes_c": [0]},
        r"column 'votes_c': votes for a class the label does not have; expected a, b",
    ),
    "no column": (
        {"votes_a": [1]},
        r"column 'votes_b': not in the table; expected it for feature 'votes'",
    ),
}


@pytest.mark.parametrize("case", BAD_VOTES)
def test_bad_votes(case):
    columns, message = BAD_VOTES[case]
    with pytest.raises(InputError, match=message):
        read(VoteCounts(), **columns)


BAD_DECLARATIONS = {
    "unit": (
        lambda: Angle("degrees", low=0, high=9),
        r"got unit 'degrees', expected 'deg' or 'rad'",
    ),
    "kind": (lambda: Angle("deg", kind="round"), r"got kind 'round'"),
    "guess": (
        lambda: Angle("deg"),
        r"expected kind='circular', 'axial' or 'halfcircle', or both low and high",
    ),
    "swapped": (lambda: Angle("deg", low=90, high=20), r"low 90 must be below high 20; swap them"),
    "more than a turn": (
        lambda: Angle("deg", low=0, high=400),
        r"0 to 400 deg is more than a turn",
    ),
    "half circle": (
        lambda: Angle("deg", low=-10, high=90, kind="halfcircle"),
        r"lies in 0 to 180 deg, got -10 to 90",
    ),
    "ratio unit": (lambda: Ratio("percent"), r"got unit 'percent'"),
    "squeeze": (lambda: Ratio(squeeze=1), r"squeeze=1, expected a sample size of 2 or more"),
    "real": (lambda: Real(low=2, high=1), r"low 2 must be below high 1"),
    "positive": (lambda: Positive(high=-1), r"Positive: low 0 must be below high -1"),
    "one name": (lambda: Category("left"), r"at least 2 names"),
    "same names": (lambda: Label("a", "a"), r"expected different names"),
    "blank": (lambda: Label("a", " "), r"none of them empty"),
    "empty name": (lambda: Category("NA", "a"), r"the name 'NA' means an empty cell"),
    "vector of one": (lambda: Vector("x"), r"expected two or more columns"),
    "vector of counts": (lambda: Vector(a=Real(), b=Count()), r"component 'b' is a Count"),
    "vector of a class": (lambda: Vector(a=Real, b=Real()), r"component 'a' is a "),
}


@pytest.mark.parametrize("case", BAD_DECLARATIONS)
def test_bad_declarations(case):
    declare, message = BAD_DECLARATIONS[case]
    with pytest.raises(InputError, match=message):
        declare()


@settings(max_examples=60, deadline=None)
@given(
    degrees=st.lists(st.one_of(st.none(), st.floats(-720, 720)), min_size=1, max_size=5),
    low=st.floats(-180, 0),
    width=st.floats(1, 360),
)
def test_degrees_and_radians_are_read_alike_or_refused_alike(degrees, low, width):
    radians = [None if d is None else math.radians(d) for d in degrees]
    one = Angle("deg", low=low, high=low + width)
    other = Angle("rad", low=math.radians(low), high=math.radians(low + width))
    edges = [d for d in degrees if d is not None and min(abs(d - low), abs(d - low - width)) < 1e-9]
    if edges:
        return
    try:
        column = read_one(one, pd.array(degrees, dtype="Float64"))
    except InputError:
        with pytest.raises(InputError):
            read_one(other, pd.array(radians, dtype="Float64"))
        return
    again = read_one(other, pd.array(radians, dtype="Float64"))
    assert torch.equal(column.observed, again.observed)
    assert torch.allclose(column.values[column.observed], again.values[again.observed], atol=1e-12)


@pytest.mark.parametrize(
    ("first", "second", "words"), [("P1", "p1", "only in case"), ("7", "07", "the same number")]
)
def test_patients_whose_names_could_be_mistaken_are_refused(
    first: str, second: str, words: str
) -> None:
    frame = pd.DataFrame({"id": ["i", "j"], "y": ["a", "b"], "group": [first, second]})
    with pytest.raises(
        InputError, match=f"column 'group': the names '{first}' and '{second}' .*{words}"
    ):
        cases_from_frame(frame, "y", Label("a", "b"), {})


def test_a_message_does_not_repeat_a_whole_book() -> None:
    frame = pd.DataFrame({"id": ["i" * 5000, "j"], "y": ["a", "b"], "x": ["9" * 50_000 + "x", "1"]})
    with pytest.raises(InputError, match="column 'x', row 1") as refused:
        cases_from_frame(frame, "y", Label("a", "b"), {"x": Real()})
    assert len(str(refused.value)) < 500
