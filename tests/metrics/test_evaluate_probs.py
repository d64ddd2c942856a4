import json
import time

import numpy as np
import pytest

from labelppl.errors import InputError
from labelppl.metrics import OperatingPoint
from labelppl.metrics.accuracy import accuracy
from labelppl.metrics.auc import auc
from labelppl.metrics.brier import brier
from labelppl.metrics.debiased_ece import debiased_ece
from labelppl.metrics.ece import ece
from labelppl.metrics.evaluate_probs import evaluate_probs
from labelppl.metrics.hosmer_lemeshow import hosmer_lemeshow
from labelppl.metrics.kl import kl_divergence
from labelppl.metrics.listed import METRICS
from labelppl.metrics.macro_accuracy import macro_accuracy
from labelppl.metrics.nll import nll
from labelppl.metrics.smece import smece

CONTRACT = [
    "accuracy",
    "macro_accuracy",
    "auc",
    "nll",
    "brier",
    "ece",
    "smece",
    "hl_statistic",
    "hl_dof",
    "hl_p",
    "kl",
    "kl_true",
    "accuracy_bayes",
]


@pytest.mark.parametrize("classes", [2, 4])
def test_every_key_of_the_contract_with_its_interval(calibrated, classes: int) -> None:
    probs, labels = calibrated(200, classes)
    soft, _ = calibrated(200, classes, seed=1)
    truth, _ = calibrated(200, classes, seed=2)
    names = [f"c{k}" for k in range(classes)]
    found = evaluate_probs(probs, labels, classes=names, soft=soft, p_true=truth)
    flat = json.loads(found.to_json())
    for key in CONTRACT:
        if key in ("hl_p", "hl_dof"):
            assert f"{key}_ci" not in flat, "a p-value has no interval"
            continue
        lo, hi = flat[f"{key}_ci"]
        assert lo <= flat[key] <= hi
    assert flat["n"] == 200
    test = hosmer_lemeshow(probs, labels)
    expected = {
        "accuracy": accuracy(probs, labels),
        "macro_accuracy": macro_accuracy(probs, labels),
        "auc": auc(probs, labels),
        "nll": nll(probs, labels),
        "brier": brier(probs, labels),
        "ece": ece(probs, labels),
        "ece_debiased": debiased_ece(probs, labels),
        "smece": smece(probs, labels),
        "hl_statistic": test.statistic,
        "hl_dof": test.dof,
        "hl_p": test.p_value,
        "kl": kl_divergence(soft, probs),
        "kl_true": kl_divergence(truth, probs),
        "accuracy_bayes": accuracy(truth, labels),
        "accuracy_bayes_expected": truth.max(axis=1).mean(),
    }
    for key, value in expected.items():
        assert flat[key] == pytest.approx(value, abs=1e-12), key
    listed = {metric.key: metric for metric in METRICS}
    assert set(found.values) - {"top2"} <= set(listed)
    parts = flat["brier_mcb"] - flat["brier_dsc"] + flat["brier_unc"]
    assert parts == pytest.approx(flat["brier"], abs=1e-12)


def test_without_hard_labels_their_metrics_are_absent_and_it_is_said(calibrated) -> None:
    probs, _ = calibrated(50)
    found = evaluate_probs(probs, np.full(50, -1), classes=["a", "b"], soft=probs)
    assert list(found.values) == ["kl", "soft_accuracy", "soft_auc", "soft_ap"]
    assert any("no case has a hard label" in note for note in found.notes)
    with pytest.raises(AttributeError, match=r"absent: see \.notes"):
        _ = found.accuracy


def test_unlabelled_cases_change_no_hard_label_metric(calibrated) -> None:
    probs, labels = calibrated(120)
    more = np.concatenate([probs, probs[:30]])
    padded = np.concatenate([labels, np.full(30, -1)])
    one = evaluate_probs(probs, labels, classes=["a", "b"], n_boot=0)
    two = evaluate_probs(more, padded, classes=["a", "b"], n_boot=0)
    assert one.values == two.values
    assert (two.n, two.n_labelled) == (150, 120)
    assert any("30 of 150 cases are unlabelled" in note for note in two.notes)


def test_single_class_makes_auc_null_with_the_reason(calibrated) -> None:
    probs, _ = calibrated(40)
    found = evaluate_probs(probs, np.zeros(40, dtype=int), classes=["well", "ill"])
    flat = json.loads(found.to_json())
    assert flat["auc"] is None
    assert "auc_ci" not in flat
    assert any("auc is null" in note for note in found.notes)
    assert any("class ill" in note for note in found.notes)
    assert "NaN" not in found.to_json()


def test_a_perfect_score_does_not_claim_certainty(binary) -> None:
    p = np.tile([0.1, 0.9], 10)
    found = evaluate_probs(binary(p), (p > 0.5).astype(int), classes=["a", "b"])
    assert found.accuracy == 1.0
    assert found.intervals["accuracy"] == pytest.approx((0.025 ** (1 / 20), 1.0))
    assert any("exact binomial" in note for note in found.notes)


def test_an_interval_without_width_is_named(binary) -> None:
    found = evaluate_probs(binary([0.6] * 20), np.arange(20) % 2, classes=["a", "b"])
    assert found.intervals["macro_accuracy"] == (0.5, 0.5)
    assert any(note.startswith("macro_accuracy: every bootstrap") for note in found.notes)


def test_one_group_has_no_interval(calibrated) -> None:
    probs, labels = calibrated(30)
    found = evaluate_probs(probs, labels, classes=["a", "b"], groups=["p"] * 30)
    assert found.intervals == {}
    assert any("one group" in note for note in found.notes)


def test_replicates_that_lose_a_class_are_counted(calibrated) -> None:
    probs, _ = calibrated(12)
    labels = np.r_[1, np.zeros(11, dtype=int)]
    found = evaluate_probs(probs, labels, classes=["a", "b"])
    assert any(note.startswith("auc:") and "do not define it" in note for note in found.notes)


def test_soft_labels_of_some_cases_only(calibrated) -> None:
    probs, labels = calibrated(40)
    soft, _ = calibrated(40, seed=1)
    soft[10:] = np.nan
    found = evaluate_probs(probs, labels, classes=["a", "b"], soft=soft)
    assert found.kl == pytest.approx(kl_divergence(soft[:10], probs[:10]), abs=1e-12)
    assert any("10 of 40 cases" in note for note in found.notes)
    nothing = evaluate_probs(probs, labels, classes=["a", "b"], soft=np.full((40, 2), np.nan))
    assert "kl" not in nothing.values
    assert any("kl is absent" in note for note in nothing.notes)


def test_order_of_cases_and_names_of_groups_do_not_matter(calibrated) -> None:
    probs, labels = calibrated(80, classes=3)
    order = np.random.default_rng(0).permutation(80)
    one = evaluate_probs(probs, labels, classes=["a", "b", "c"], n_boot=0)
    two = evaluate_probs(probs[order], labels[order], classes=["a", "b", "c"], n_boot=0)
    for key, value in one.values.items():
        if "null" not in key and key not in ("smece_p", "hl_p"):
            assert two.values[key] == pytest.approx(value, abs=1e-12), key


def test_one_seed_gives_one_result(calibrated) -> None:
    probs, labels = calibrated(60)
    one, two, other = (evaluate_probs(probs, labels, classes=["a", "b"], seed=s) for s in (3, 3, 4))
    assert one == two
    assert one.intervals != other.intervals
    assert one.accuracy == other.accuracy


def test_a_single_labelled_case_is_measured() -> None:
    found = evaluate_probs([[0.3, 0.7]], [1], classes=["a", "b"])
    assert found.accuracy == 1.0
    assert found.auc is None
    json.loads(found.to_json())


def test_a_thousand_replicates_of_200_cases_take_under_a_second(calibrated) -> None:
    probs, labels = calibrated(200)
    evaluate_probs(probs, labels, classes=["a", "b"], soft=probs)
    took = []
    for _ in range(3):
        start = time.process_time()
        evaluate_probs(probs, labels, classes=["a", "b"], soft=probs)
        took.append(time.process_time() - start)
    assert min(took) < 1.0


@pytest.mark.parametrize("classes", [2, 3])
def test_what_was_calibrated_is_recorded(calibrated, classes: int) -> None:
    """With two classes the second one's probability, else that of the class on top."""
    probs, labels = calibrated(40, classes)
    settings = evaluate_probs(probs, labels, classes=list("abc")[:classes], n_boot=3).settings
    assert settings["calibration_of"] == {2: "positive", 3: "top"}[classes]
    assert settings["brier_of"].startswith({2: "positive class", 3: "sum"}[classes])
    assert (settings["n_boot"], settings["seed"]) == (3, 0)


@pytest.mark.parametrize(
    "wrong", [{"n_boot": -1}, {"bins": 0}, {"eps": 0.0}, {"eps": 1.0}], ids=str
)
def test_each_number_has_its_range(calibrated, wrong: dict) -> None:
    probs, labels = calibrated(20)
    with pytest.raises(InputError, match="n_boot, bins, eps"):
        evaluate_probs(probs, labels, classes=["a", "b"], **wrong)


def test_the_k_of_top_k_is_the_one_asked_for(calibrated) -> None:
    probs, labels = calibrated(50, classes=4)
    found = evaluate_probs(probs, labels, classes=list("abcd"), top=3, n_boot=0)
    rank = (probs > probs[np.arange(50), labels][:, None]).sum(1)
    assert found.values["top3"] == pytest.approx((rank < 3).mean())


def test_an_operating_point_that_promises_nothing_is_said(calibrated) -> None:
    probs, labels = calibrated(20)
    for promised in (True, False):
        point = OperatingPoint(1, 0.0, "sensitivity=0.9", None, promised)
        notes = evaluate_probs(probs, labels, classes=["a", "b"], point=point, n_boot=0).notes
        assert any("too few positive validation cases" in note for note in notes) is not promised


@pytest.mark.parametrize("shape", [(20, 2), (0, 20, 2), (3, 19, 2), (1, 3, 20, 2)])
def test_draws_have_three_axes(calibrated, shape: tuple[int, ...]) -> None:
    probs, labels = calibrated(20)
    with pytest.raises(InputError, match="draws: got shape"):
        evaluate_probs(
            probs, labels, classes=["a", "b"], soft=probs, draws=np.full(shape, 0.5), n_boot=0
        )


def test_one_bin_and_no_bootstrap_are_enough(calibrated) -> None:
    probs, labels = calibrated(20)
    found = evaluate_probs(probs, labels, classes=["a", "b"], bins=1, n_boot=0)
    assert found.ece == pytest.approx(abs(probs[:, 1].mean() - labels.mean()))


@pytest.mark.parametrize(
    ("labels", "said"), [([0, 1, 1, 0], "accuracy is 1"), ([1, 0, 0, 1], "accuracy is 0"), ([0, 1, 0, 0], None)]
)  # fmt: skip
def test_all_right_and_all_wrong_are_said(labels: list[int], said: str | None) -> None:
    probs = [[0.8, 0.2], [0.3, 0.7], [0.4, 0.6], [0.9, 0.1]]
    notes = evaluate_probs(probs, labels, classes=["a", "b"], n_boot=20).notes
    about = [note for note in notes if note.startswith("accuracy is")]
    assert [note[: len(said)] for note in about] == [said] if said else about == []
