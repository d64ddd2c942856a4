"""The densities in explain.parquet are densities, of the table's unit, and those of the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labelppl import Angle, Label, Real, fit, soft_labels
from labelppl.families import gaussian
from labelppl.softlabels.densities import class_densities
from labelppl.softlabels.explain import explain_labels
from labelppl.softlabels.explanations import Explanations
from labelppl.table import cases_from_frame


def _frame(cases: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    y = np.arange(cases) % 2
    return pd.DataFrame(
        {
            "y": np.array(["a", "b"])[y],
            "x": rng.normal(3 * y, 1),
            "angle": rng.normal(60 - 8 * y, 4),
        }
    )


def test_a_density_has_area_one_in_the_tables_unit_and_the_moments_of_the_data() -> None:
    frame = _frame()
    model = gaussian(y=Label("a", "b"), x=Real("mm"), angle=Angle("deg", low=20, high=90))
    cases = cases_from_frame(frame, "y", model.label, model.features)
    measurements = class_densities(fit(model, cases, seed=0), cases)
    assert [(one["feature"], one["unit"]) for one in measurements] == [
        ("x", "mm"),
        ("angle", "deg"),
    ]
    for one in measurements:
        grid = np.array(one["grid"])
        for name in ("a", "b"):
            density = np.array(one["density"][name])
            mine = frame.loc[frame["y"] == name, one["feature"]]
            area = np.trapezoid(density, grid)
            assert area == pytest.approx(1, abs=0.03)
            assert np.trapezoid(density * grid, grid) / area == pytest.approx(
                mine.mean(), abs=4 * mine.std() / 10
            )
            assert sum(one["counts"][name]) == len(mine)


def test_the_file_keeps_them(tmp_path: Path) -> None:
    model = gaussian(y=Label("a", "b"), x=Real("mm"))
    cases = cases_from_frame(_frame(40), "y", model.label, model.features)
    posterior = fit(model, cases, seed=0)
    terms = explain_labels(posterior, soft_labels(posterior))
    measurements = class_densities(posterior, cases)
    Explanations(terms.frame, None, measurements).save(tmp_path / "explain.parquet")
    assert Explanations.load(tmp_path / "explain.parquet").densities == measurements


def test_inputs_and_constant_columns_have_none() -> None:
    from labelppl.families import logistic

    frame = _frame(40).assign(flat=1.0)
    model = logistic(y=Label("a", "b"), x=Real("mm"))
    cases = cases_from_frame(frame, "y", model.label, model.features)
    assert class_densities(fit(model, cases, seed=0), cases) == ()
