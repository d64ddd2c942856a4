"""A cell of an explanation is written as a reader of the table would write it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from labelppl import Label, label_model
from labelppl.features import (
    Angle,
    Category,
    Feature,
    Ordinal,
    Positive,
    Ratio,
    Real,
    Vector,
    VoteCounts,
    Votes,
)
from labelppl.softlabels.cell_text import cell_text
from labelppl.table import cases_from_frame

CLASSES = ("normal", "ill")


def cells(
    feature: Feature, table: Mapping[str, list[object]], rater: int | None = None
) -> list[str]:
    """The feature `x` of a table, written again row by row."""
    cases = cases_from_frame(
        pd.DataFrame(table), "y", Label(*CLASSES), {"x": feature}, classes=CLASSES
    )
    column = cases.columns["x"]
    return [cell_text(feature, column, row, CLASSES, rater) for row in range(len(cases))]


@pytest.mark.parametrize(
    ("feature", "written", "read"),
    [
        (Angle("deg", low=-90, high=90), [49, -12.34567, None], ["49°", "-12.35°", ""]),
        (Angle("rad", low=-3, high=3), [0.5, None], ["0.5 rad", ""]),
        (Real("mm"), [3.25, None], ["3.25 mm", ""]),
        (Real(), [3.25, None], ["3.25", ""]),
        (Ratio("%"), [42, None], ["42 %", ""]),
        (Positive("mm"), [">60", "<2.5", 7], ["above 60 mm", "below 2.5 mm", "7 mm"]),
        (Real(), [">60", 1.0, "<-2"], ["above 60", "1", "below -2"]),
        (Category("red", "blue"), ["blue", "red", None], ["blue", "red", ""]),
        (Ordinal("low", "high"), ["high", None, "low"], ["high", "", "low"]),
    ],
)
def test_one_cell(feature: Feature, written: list[object], read: list[str]) -> None:
    assert cells(feature, {"x": written}) == read


def test_an_interval_with_two_ends() -> None:
    """Some tables state both; the column then holds a low and a high bound."""
    column = cases_from_frame(
        pd.DataFrame({"x": ["<5", ">2"]}), "y", Label(*CLASSES), {"x": Real("mm")}, classes=CLASSES
    ).columns["x"]
    assert column.low is not None
    assert column.high is not None
    column.low[0] = 2.0
    column.high[1] = np.inf
    assert cell_text(Real("mm"), column, 0, CLASSES) == "above 2 mm and below 5 mm"
    assert cell_text(Real("mm"), column, 1, CLASSES) == "above 2 mm"


def test_a_vector_shows_what_was_measured() -> None:
    feature = Vector(a=Angle("deg", low=-90, high=90), b=Real("mm"))
    assert cells(feature, {"a": [49, None, 12, None], "b": [1.5, 2.5, None, None]}) == [
        "a 49°, b 1.5 mm",
        "b 2.5 mm",
        "a 12°",
        "",
    ]


def test_votes_of_all_or_of_one_rater() -> None:
    table = {
        "id": ["i", "i", "k", "m", "m"],
        "rater": ["ann", "bob", "bob", "ann", "cid"],
        "label": ["ill", "normal", "normal", "normal", "ill"],
    }
    feature = Votes("ann", "bob", "cid")
    assert cells(feature, table) == ["ill, normal", "normal", "normal, ill"]
    assert cells(feature, table, rater=0) == ["ill", "", "normal"]
    assert cells(feature, table, rater=1) == ["normal", "normal", ""]
    assert cells(feature, table, rater=2) == ["", "", "ill"]


def test_what_has_no_short_form_was_measured() -> None:
    counts = {"x_normal": [1, 0], "x_ill": [2, 0]}
    assert cells(VoteCounts(), counts)[0] == "measured"


def test_a_model_may_be_asked_for_its_features() -> None:
    """The features of a declared model are the ones that cells are written with."""

    @label_model(y=Label(*CLASSES), x=Angle("deg", low=-90, high=90))
    def model(cases): ...  # type: ignore[no-untyped-def]

    assert cells(model.features["x"], {"x": [63.6]}) == ["63.6°"]
