import numpy as np
import pytest

from labelppl.errors import InputError
from labelppl.metrics.accuracy import accuracy
from labelppl.metrics.brier import brier
from labelppl.metrics.ece import ece
from labelppl.metrics.evaluate_probs import evaluate_probs
from labelppl.probabilities import checked_labels, checked_probs

GOOD = [[0.2, 0.8], [0.5, 0.5]]

BAD_PROBS = {
    "one column": ([[0.2], [0.8]], "column_stack"),
    "no cases": (np.zeros((0, 2)), "0 cases"),
    "logits": ([[0.2, 0.8], [-3.0, 3.0]], "row 1, class 0: got -3"),
    "nan": ([[0.2, 0.8], [np.nan, 0.5]], "row 1, class 0: got nan"),
    "sum": ([[0.2, 0.8], [0.5, 0.6]], "row 1: got probabilities that sum to 1.1"),
}


@pytest.mark.parametrize("name", BAD_PROBS)
def test_bad_probabilities_are_refused_by_row(name: str) -> None:
    probs, message = BAD_PROBS[name]
    with pytest.raises(InputError, match=message) as error:
        checked_probs(probs)
    assert "\n" not in str(error.value)


BAD_LABELS = {
    "shape": ([0], "got shape"),
    "float": ([0.0, 1.0], "expected integers"),
    "range": ([0, 2], "row 1: got 2, expected 0 to 1"),
    "negative": ([0, -2], "row 1: got -2"),
}


@pytest.mark.parametrize("name", BAD_LABELS)
def test_bad_labels_are_refused_by_row(name: str) -> None:
    labels, message = BAD_LABELS[name]
    with pytest.raises(InputError, match=message):
        checked_labels(labels, 2, 2)


def test_float32_softmax_rows_pass_unchanged() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(50, 1000)).astype(np.float32)
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    assert np.array_equal(checked_probs(p), p.astype(np.float64))


def test_an_unlabelled_case_is_refused_where_every_case_needs_a_label() -> None:
    with pytest.raises(InputError, match="row 1: got -1"):
        accuracy(GOOD, [0, -1])


BAD_CALLS = {
    "soft shape": (lambda: brier(GOOD, [[0.5, 0.5]]), "reference: got shape"),
    "quantity": (lambda: ece([[0.2, 0.3, 0.5]], [0], quantity="positive"), "3 classes"),
    "unknown quantity": (lambda: ece(GOOD, [0, 1], quantity="best"), "got 'best'"),  # type: ignore[arg-type]
    "norm": (lambda: ece(GOOD, [0, 1], norm="l3"), "got 'l3'"),  # type: ignore[arg-type]
    "binning": (lambda: ece(GOOD, [0, 1], binning="x"), "got 'x'"),  # type: ignore[arg-type]
    "bins": (lambda: ece(GOOD, [0, 1], bins=0), "bins: got 0"),
    "classes": (lambda: evaluate_probs(GOOD, [0, 1], classes=["a", "a"]), "distinct"),
    "groups": (lambda: evaluate_probs(GOOD, [0, 1], classes=["a", "b"], groups=[1]), "groups"),
    "group gap": (
        lambda: evaluate_probs(GOOD, [0, 1], classes=["a", "b"], groups=["x", None]),
        "groups, row 1",
    ),
    "p_true": (
        lambda: evaluate_probs(GOOD, [0, 1], classes=["a", "b"], p_true=[[0.1, 0.9]]),
        "p_true: got shape",
    ),
    "half a soft row": (
        lambda: evaluate_probs(GOOD, [0, 1], classes=["a", "b"], soft=[[0.1, 0.9], [np.nan, 0.5]]),
        "soft, row 1",
    ),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_bad_arguments_are_refused(name: str) -> None:
    call, message = BAD_CALLS[name]
    with pytest.raises(InputError, match=message):
        call()


def test_the_first_bad_row_is_named_and_a_negative_entry_is_bad() -> None:
    with pytest.raises(InputError, match=r"row 1, class 0: got -0\.5"):
        checked_probs([[0.5, 0.5, 0.0], [-0.5, 0.7, 0.8], [-0.5, 0.7, 0.8]])
    with pytest.raises(InputError, match=r"row 1: got probabilities that sum to 0\.9"):
        checked_probs([[0.5, 0.5], [0.5, 0.4], [0.1, 0.1]])
    assert checked_labels([-1, 0, 1], 3, 2).tolist() == [-1, 0, 1]
    with pytest.raises(InputError, match="row 1: got -2"):
        checked_labels([0, -2, 5], 3, 2)
    with pytest.raises(InputError, match="row 2: got 2"):
        checked_labels([0, 1, 2], 3, 2)
