"""Models side by side by their leave-one-out score: the paired difference and its error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labelppl import InputError, Label, Real, fit
from labelppl.checks.against import Against, against, conditional_scores
from labelppl.families import gaussian
from labelppl.table import cases_from_frame


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    y = rng.random(60) < 0.5
    return pd.DataFrame(
        {
            "a": y * 2.0 + rng.normal(size=60),
            "b": rng.normal(size=60),
            "y": np.where(y, "yes", "no"),
        }
    )


def posterior(column: str, rows: int = 60):  # type: ignore[no-untyped-def]
    model = gaussian(y=Label("no", "yes"), **{column: Real()})
    cases = cases_from_frame(table()[:rows], model.label_name, model.label, model.features)
    return fit(model, cases, seed=0)


def test_the_measurement_that_tells_the_classes_apart_wins() -> None:
    one, other = posterior("a"), posterior("b")
    scores = against({"a": one, "b": other})
    assert scores.best == "a"
    frame = scores.to_frame().set_index("model")
    away = conditional_scores(one) - conditional_scores(other)
    assert frame.loc["b", "difference"] == pytest.approx(away.mean())
    assert frame.loc["b", "se"] == pytest.approx(away.std(ddof=1) / 60**0.5)
    assert frame.loc["a", "difference"] == 0
    assert scores.lines()[1].endswith("worse")


def test_two_standard_errors_decide_what_is_said() -> None:
    noise = np.tile([1.0, -1.0], 50)
    error = noise.std(ddof=1) / 10
    for factor, verdict in (
        (1.99, "no difference to speak of"),
        (2.01, "worse"),
        (-2.01, "better"),
    ):
        scores = Against(("one", "two"), np.stack([noise + factor * error, np.zeros(100)]))
        assert scores.lines()[1].endswith(verdict)


def test_other_cases_are_refused() -> None:
    with pytest.raises(InputError, match="one table"):
        against({"a": posterior("a"), "b": posterior("b", rows=50)})
