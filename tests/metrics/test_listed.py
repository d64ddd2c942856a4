"""The list of metrics, and the page that is made from it."""

from pathlib import Path

import pytest

from labelppl.errors import InputError
from labelppl.metrics import METRICS
from labelppl.metrics._page import metrics_page
from labelppl.metrics.listed import choose_metrics, metric_named, metric_of

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_page_is_made_from_the_list() -> None:
    assert PAGE.read_text(encoding="utf-8") == metrics_page(), (
        "run python -m labelppl.metrics._page"
    )


def test_keys_are_unique_and_every_metric_says_what_it_is() -> None:
    keys = [metric.key for metric in METRICS]
    assert len(keys) == len(set(keys))
    for metric in METRICS:
        assert metric.name[0].isupper() or metric.name.startswith("KL"), metric.key
        assert len(metric.meaning) > 20, metric.key
        assert metric.better in ("up", "down", "none")


def test_no_p_value_and_no_degree_of_freedom_has_an_interval() -> None:
    for metric in METRICS:
        if metric.key.endswith("_p") or metric.key.endswith("_dof"):
            assert metric.interval is None


def test_a_key_is_found_in_subgroups_and_with_its_k() -> None:
    assert metric_of("by/sex/f/auc") is metric_of("auc")
    assert metric_of("by/site/a/b/auc") is metric_of("auc")
    assert metric_named("top7").key == "top7"
    assert metric_of("f1") is None
    with pytest.raises(InputError, match="got 'f1'"):
        metric_named("f1")


def test_what_is_computed_only_where_it_is_asked_for() -> None:
    usual = {metric.key for metric in choose_metrics(classes=2)}
    assert not {"kl_dcic", "mix_ece", "top2"} & usual
    assert "kl_dcic" in {metric.key for metric in choose_metrics(["kl_dcic"], classes=2)}
    assert "top2" in {metric.key for metric in choose_metrics(classes=4)}
    assert "top5" in {metric.key for metric in choose_metrics(classes=6)}


def test_top_k_stands_behind_both_accuracies() -> None:
    keys = [metric.key for metric in choose_metrics(classes=4)]
    assert keys[:3] == ["accuracy", "macro_accuracy", "top2"]


def test_two_classes_have_no_top_k() -> None:
    assert "top2" not in [metric.key for metric in choose_metrics(classes=2, top=2)]
