"""What is compared with what when calibration is measured.

    positive    p of the second class     against  1{y = second class}       two classes only
    top         p of the predicted class  against  1{prediction is right}
    classwise   p of each class in turn   against  1{y = that class}         mean over classes

Top-label and positive-class calibration are different properties, so every calibration measure
names its quantity. `None` stands for the default: `positive` with two classes, `top` with more.
Soft labels p* replace the indicator by p* of the same class.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats
from ..errors import InputError
from ..probabilities import checked_probs, hard_pair

Quantity = Literal["positive", "top", "classwise"]


class ForecastPairs(NamedTuple):
    """Forecasts and outcomes, both (cases, columns); one column unless classwise."""

    forecast: Floats
    outcome: Floats
    quantity: Quantity


def default_quantity(classes: int) -> Quantity:
    """Return `positive` for two classes and `top` for more."""
    return "positive" if classes == 2 else "top"


def one_against_rest(classes: int) -> range:
    """Return the classes that are scored against the rest: the second of two, each of more."""
    return range(1 if classes == 2 else 0, classes)


def calibration_pairs(
    probs: ArrayLike, reference: ArrayLike, quantity: Quantity | None = None
) -> ForecastPairs:
    """Return the forecasts of `probs` (cases, classes) and what they are compared with.

    `reference` is hard labels (cases,) or soft labels (cases, classes). Raises InputError for an
    invalid row, an unlabelled case, or `positive` with more than two classes.
    """
    if np.ndim(reference) == 2:
        p, target = checked_probs(probs), checked_probs(reference, "reference")
        if p.shape != target.shape:
            raise InputError(f"reference: got shape {target.shape}, expected {p.shape} like probs")
    else:
        p, labels = hard_pair(probs, reference)
        target = np.eye(p.shape[1])[labels]
    return select(p, target, quantity or default_quantity(p.shape[1]))


def select(probs: Floats, target: Floats, quantity: Quantity) -> ForecastPairs:
    """Return the pairs of `quantity` from checked arrays (cases, classes)."""
    if quantity == "classwise":
        return ForecastPairs(probs, target, quantity)
    if quantity == "top":
        predicted = probs.argmax(axis=1)[:, None]
        return ForecastPairs(
            np.take_along_axis(probs, predicted, axis=1),
            np.take_along_axis(target, predicted, axis=1),
            quantity,
        )
    if quantity != "positive":
        raise InputError(f"quantity: got {quantity!r}, expected positive, top or classwise")
    if probs.shape[1] != 2:
        raise InputError(
            f"quantity: got positive with {probs.shape[1]} classes, expected 2 classes; "
            "use top or classwise"
        )
    return ForecastPairs(probs[:, 1:], target[:, 1:], quantity)
