import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labelppl.errors import InputError
from labelppl.metrics.curves import curves
from labelppl.metrics.evaluate import predictions_frame
from labelppl.metrics.evaluate_probs import evaluate_probs
from labelppl.metrics.metrics import Metrics
from labelppl.metrics.scored import Scored


@pytest.fixture
def metrics(calibrated) -> Metrics:
    probs, labels = calibrated(60)
    found = evaluate_probs(probs, labels, classes=["well", "ill"])
    table = predictions_frame(range(60), probs, labels, ("well", "ill"))
    return found.with_tables(table, None)


def test_a_folder_gets_both_files_and_gives_them_back(metrics: Metrics, tmp_path: Path) -> None:
    assert metrics.save(tmp_path) == tmp_path / "metrics.json"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["metrics.json", "predictions.parquet"]
    again = Metrics.load(tmp_path)
    assert again == metrics
    assert again.predictions is not None
    assert metrics.predictions is not None
    pd.testing.assert_frame_equal(again.predictions, metrics.predictions)


def test_a_file_holds_flat_keys(metrics: Metrics, tmp_path: Path) -> None:
    path = metrics.save(tmp_path / "other.json")
    flat = json.loads(path.read_text())
    assert flat["accuracy"] == metrics.accuracy
    assert flat["accuracy_ci"] == list(metrics.intervals["accuracy"])
    assert Metrics.load(path) == metrics


def test_frame_has_a_row_and_a_meaning_per_metric(metrics: Metrics) -> None:
    frame = metrics.to_frame()
    assert frame["metric"].tolist() == list(metrics.values)
    assert (frame["meaning"].str.len() > 10).all()
    row = frame.set_index("metric").loc["nll"]
    assert (row["value"], row["lo"], row["hi"]) == (metrics.nll, *metrics.intervals["nll"])


def test_null_survives_the_round_trip(tmp_path: Path) -> None:
    found = evaluate_probs([[0.3, 0.7], [0.6, 0.4]], [1, 1], classes=["a", "b"])
    assert found.auc is None
    again = Metrics.load(found.save(tmp_path / "m.json"))
    assert again.auc is None
    assert np.isnan(again.to_frame().set_index("metric").loc["auc", "value"])


def test_unreadable_metrics_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run evaluate first"):
        Metrics.load(tmp_path)
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        Metrics.load(tmp_path)
    (tmp_path / "metrics.json").write_text("{}")
    with pytest.raises(InputError, match="key classes is missing"):
        Metrics.load(tmp_path)


def test_unknown_attributes_are_refused(metrics: Metrics) -> None:
    with pytest.raises(AttributeError, match="no 'f1'"):
        _ = metrics.f1


def test_facts_show_the_interval_where_there_is_one() -> None:
    probs, labels = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]], [0, 1, 1, 0]
    with_ends = evaluate_probs(probs, labels, classes=["a", "b"], n_boot=50)
    lo, hi = with_ends.intervals["accuracy"]
    assert with_ends.facts()["Accuracy"] == f"0.500 [{lo:.3f}, {hi:.3f}]"
    alone = evaluate_probs(probs, labels, classes=["a", "b"], n_boot=0)
    assert "accuracy" not in alone.intervals
    assert alone.facts()["Accuracy"] == "0.500"


def test_a_repr_is_short_and_shows_no_tables(metrics: Metrics) -> None:
    full = metrics.with_tables(pd.DataFrame({"id": ["a"]}), pd.DataFrame({"x": [0.5]}))
    for text in (repr(metrics), repr(full)):
        assert text.startswith("Metrics(cases")
        assert "curves" not in text
        assert "predictions" not in text


@pytest.mark.parametrize("names", [("0", "1"), ("no", "NA"), ("well", "ill")])
def test_curves_come_back_whatever_the_classes_are_called(
    calibrated, tmp_path: Path, names: tuple[str, str]
) -> None:
    probs, labels = calibrated(30)
    drawn = curves(Scored(probs, labels, np.arange(30), names))
    assert set(drawn["class"]) == {"", names[1]}
    found = evaluate_probs(probs, labels, classes=names, n_boot=0)
    found.with_tables(predictions_frame(range(30), probs, labels, names), drawn).save(tmp_path)
    again = Metrics.load(tmp_path)
    assert again.curves is not None
    assert again.predictions is not None
    pd.testing.assert_frame_equal(again.curves, drawn, check_dtype=False)
    assert list(again.predictions.columns) == ["id", *(f"p_{name}" for name in names), "label"]
