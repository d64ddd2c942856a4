"""Scores of each test case by method and repeat, their means and paired differences, with intervals over repeats and cases.

A bootstrap draw takes repeats and cases with replacement, the same ones for both sides of a difference, and pairs what each
says of the same case. With five repeats such an interval is a little too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labelppl import evaluate_probs
from labelppl.metrics.kl import kl_per_case
from labelppl.seeds import stream
from labelppl.table import Cases

Array = np.ndarray[Any, Any]
DRAWS = 2000
Scores = dict[str, Array]


def read_predictions(folder: Path, method: str, ids: Array) -> Array:
    """What the only repeat of a comparison in `folder` kept of a method: probabilities (cases, classes), in the order of `ids`."""
    frame = pd.read_parquet(folder / "parts" / f"{method}-0.parquet").set_index("id")
    return frame.loc[list(ids)].to_numpy()


def score(predictions: list[Array], test: Cases) -> Scores:
    """Per case: `accuracy`, `nll`, and where the truth is known `expected` accuracy and `kl_true`; (repeats, cases) each.

    `expected` is the true probability of the predicted class: the accuracy without the luck of the label.
    """
    rows = np.arange(len(test))
    scores = {
        "accuracy": np.stack([(p.argmax(1) == test.labels).astype(float) for p in predictions]),
        "nll": np.stack([-np.log(np.maximum(p[rows, test.labels], 1e-12)) for p in predictions]),
    }
    if test.p_true is not None:
        truth = test.p_true
        scores["expected"] = np.stack([truth[rows, p.argmax(1)] for p in predictions])
        scores["kl_true"] = np.stack([kl_per_case(truth, p) for p in predictions])
    return scores


@lru_cache(maxsize=4)
def _weights(repeats: int, cases: int) -> tuple[Array, Array]:
    """How often each bootstrap draw takes every repeat (draws, repeats) and every case (draws, cases), as shares."""
    rng = stream(0, "paired", repeats, cases).numpy()
    return tuple(rng.multinomial(n, np.full(n, 1 / n), DRAWS) / n for n in (repeats, cases))


def interval(values: Array) -> tuple[float, float, float]:
    """The mean of (repeats, cases) and the ends of its 95 % interval."""
    of_repeats, of_cases = _weights(*values.shape)
    drawn = (of_repeats * (of_cases @ values.T)).sum(1)
    lo, hi = np.quantile(drawn, (0.025, 0.975))
    return float(values.mean()), float(lo), float(hi)


def difference(scores: Mapping[str, Scores], one: str, other: str, key: str) -> tuple[float, ...]:
    """How much larger the score of `one` is than that of `other` on the same cases, with its interval."""
    return interval(scores[one][key] - scores[other][key])


def of_paper(probs: Array, test: Cases) -> dict[str, float | None]:
    """The columns of the first paper's Table 1: accuracy, AUC, Hosmer-Lemeshow and its ECE, with the proper one beside it."""
    keys = ("accuracy", "auc", "hl_statistic", "hl_p", "mix_ece", "ece")
    values = evaluate_probs(
        probs, test.labels, classes=test.classes, metrics=["mix_ece"], n_boot=0
    ).values
    return {key: values[key] for key in keys}
