"""What Python and a notebook show of large results: one short line, one small table, never an array."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from labelppl import Label, Real, evaluate_probs, fit, soft_labels
from labelppl.facts import Facts, few_names
from labelppl.families import gaussian
from labelppl.table import cases_from_frame

LONGEST = 400


@pytest.fixture(scope="module")
def results() -> dict[str, Facts]:
    frame = pd.DataFrame(
        {"y": ["<a>", "b"] * 20, "x": [0.1 * i + 5 * (i % 2) for i in range(40)], "split": "train"}
    )
    model = gaussian(y=Label("<a>", "b"), x=Real("mm"))
    cases = cases_from_frame(frame, "y", model.label, model.features)
    posterior = fit(model, cases, seed=0)
    labels = soft_labels(posterior)
    metrics = evaluate_probs(labels.probs, labels.labels, classes=["<a>", "b"], n_boot=20)
    return {"Cases": cases, "Posterior": posterior, "SoftLabels": labels, "Metrics": metrics}


@pytest.mark.parametrize("name", ["Cases", "Posterior", "SoftLabels", "Metrics"])
def test_a_result_is_one_short_line_and_a_small_escaped_table(
    results: dict[str, Facts], name: str
) -> None:
    line = repr(results[name])
    assert line.startswith(f"{name}(")
    assert "\n" not in line
    assert "array(" not in line
    assert "tensor(" not in line
    assert len(line) < LONGEST
    table = results[name]._repr_html_()
    assert table.count("<tr>") == len(results[name].facts())
    assert "<a>" not in table


def test_the_numbers_are_those_of_the_result(results: dict[str, Facts]) -> None:
    assert results["Cases"].facts()["labelled"] == "40"
    assert results["SoftLabels"].facts()["source"] == "40 loo"
    assert results["Posterior"].facts()["trusted"] == "yes"
    metrics = results["Metrics"]
    assert metrics.facts()["Accuracy"].startswith(f"{metrics.accuracy:.3f} [")  # type: ignore[attr-defined]
    assert np.isfinite(metrics.nll)  # type: ignore[attr-defined]


def test_few_names() -> None:
    assert few_names(()) == ""
    assert few_names(tuple("abcdefgh")) == "a, b, c, d, e, f and 2 more"
