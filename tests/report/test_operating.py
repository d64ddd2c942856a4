"""The operating point, its curves and the subgroups in the report."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from labelppl.metrics import OperatingPoint, evaluate_probs
from labelppl.metrics.evaluate_probs import curves_of
from labelppl.report.operating_section import operating_section
from labelppl.report.student_section import NAME_OF, student_section
from labelppl.report.subgroup_section import subgroup_section
from labelppl.report.write import render_report


@pytest.fixture
def measured(calibrated):
    probs, labels = calibrated(150)
    point = OperatingPoint(1, 0.3, "costs=3:7", prevalence=0.05)
    metrics = evaluate_probs(
        probs, labels, classes=["well", "ill"], point=point, n_boot=50,
        by={"sex": np.array(["f", "m"] * 75)},
    )  # fmt: skip
    return metrics, curves_of(probs, labels, None, ("well", "ill"), point=point)


def test_operating_point_and_curves(measured) -> None:
    section = operating_section(*measured)
    assert "called ill from a probability of 0.300" in section.sentence
    assert "5 % are ill" in section.sentence
    assert len(section.pictures) == 4
    assert all(picture.startswith("<svg") for picture in section.pictures)
    assert "ill against the rest" in section.caption
    assert operating_section(measured[0], None).pictures == ()
    assert operating_section(None, None) is None


def test_subgroups(measured) -> None:
    section = subgroup_section(measured[0])
    ((column, rows),) = section.tables
    assert (column, [row[:2] for row in rows]) == ("sex", [("f", 75), ("m", 75)])
    assert rows[0][2][0]["value"] == measured[0].values["by/sex/f/accuracy"]
    assert subgroup_section(None) is None


def test_no_key_of_a_file_reaches_the_reader(make_run) -> None:
    page = render_report(make_run())
    text = re.sub(r"<style.*?</style>|<svg.*?</svg>|<[^>]+>", " ", page, flags=re.DOTALL)
    for key in NAME_OF:
        if "_" in key:
            assert not re.search(rf"\b{key}\b", text), key


def test_notes_use_the_names_of_the_tables(calibrated) -> None:
    probs, _ = calibrated(40)
    metrics = evaluate_probs(probs, np.zeros(40, int), classes=["well", "ill"], n_boot=0)
    notes = student_section(metrics, None, ("well", "ill"), 0).notes
    assert any(note.startswith("AUC is null") for note in notes)
    assert any("Macro accuracy and AUC" in note for note in notes)


def test_curves_of_a_run_are_drawn(make_run, measured) -> None:
    folder = make_run()
    assert "Where it calls a case" in render_report(folder)
    before = render_report(folder).count("<svg")
    pd.DataFrame(measured[1]).to_csv(folder / "curves.csv", index=False)
    assert render_report(folder).count("<svg") == before + 4
