"""The model card: what the student is for, what it must not be used for, and what was measured.

The limits are drawn from the run's own numbers, so that a card never promises what was not measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..metrics.metrics import Metrics

FEW_CASES = 200
"""Below so many labelled evaluation cases an interval says more than its number."""
ADVICE = 0.05
"""A calibration p below this is advised on."""
SCARCE = 0.1
MOST_NAMES = 10


class Card(NamedTuple):
    """Sentences under each heading of the card."""

    use: tuple[str, ...]
    limits: tuple[str, ...]


@dataclass(frozen=True)
class CardFacts:
    """What a card is made from.

    classes: names. student: the content of `student.json`, empty without a student. metrics: of the evaluation, or None.
    in_sample: whether soft labels had seen the label of their case. distrusted: cases whose leave-one-out failed.
    """

    classes: tuple[str, ...]
    student: Mapping[str, Any]
    metrics: Metrics | None
    in_sample: bool = False
    distrusted: int = 0


def card(facts: CardFacts) -> Card:
    """Return the card of a student.

    Examples:
        >>> card(CardFacts(("a", "b"), {}, None)).use[0]
        'Estimates the probabilities of a and b from one image, without the measurements that the label model needed.'
    """
    return Card(tuple(_use(facts)), tuple(_limits(facts)))


def is_miscalibrated(metrics: Metrics) -> bool:
    """Return whether labels drawn from the forecasts rarely show as large an error."""
    p = metrics.values.get("smece_p")
    return p is not None and p < ADVICE


def sentence_list(names: Sequence[str], last: str = "and") -> str:
    """Return `a, b and c`; of many names the first few and the count of the rest."""
    if len(names) > MOST_NAMES:
        return f"{', '.join(names[: MOST_NAMES - 1])} {last} {len(names) - MOST_NAMES + 1} more"
    return f" {last} ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def shares(classes: Sequence[str], probs: Any) -> str | None:
    """Return `72 % normal, 28 % dysplastic`, of many classes the most common ones.

    `probs` is a mapping from class to number or one number per class; otherwise None.
    """
    if isinstance(probs, Mapping):
        pairs = [(name, float(probs[name])) for name in classes if name in probs]
    elif isinstance(probs, Sequence) and len(probs) == len(classes) and not isinstance(probs, str):
        pairs = [(name, float(p)) for name, p in zip(classes, probs, strict=True)]
    else:
        return None
    if len(pairs) > MOST_NAMES:
        pairs.sort(key=lambda pair: -pair[1])
        rest = f"{len(pairs) - MOST_NAMES + 1} more"
        return ", ".join([*(f"{_percent(p)} {n}" for n, p in pairs[: MOST_NAMES - 1]), rest])
    return ", ".join(f"{_percent(p)} {name}" for name, p in pairs) or None


def _percent(share: float) -> str:
    digits = 1 if share < SCARCE else 0
    return f"{100 * share:.{digits}f} %"


def _use(facts: CardFacts) -> list[str]:
    said = []
    if facts.classes:
        several = (facts.student.get("training") or {}).get("images_per_case")
        said.append(
            f"Estimates the probabilities of {sentence_list(facts.classes)} from {'the images of a case' if several else 'one image'}, "
            "without the measurements that the label model needed."
        )
    if facts.student:
        channels = facts.student.get("channels")
        kind = {"1": "greyscale", "3": "colour"}.get(str(channels), f"{channels}-channel")
        said.append(
            f"Reads {kind} images of the same kind, acquisition and framing as those in the table "
            f"it was trained on; files are resized to {facts.student.get('width')}×"
            f"{facts.student.get('height')} pixels"
            + (" with their aspect kept." if facts.student.get("keep_aspect") else ".")
        )
    said.append("Made for research and for review by an expert. It is not a medical device.")
    return said


def _limits(facts: CardFacts) -> list[str]:
    said = [
        "Measured on cases of the same collection as the training cases. Other devices, sites and "
        "populations were not tested."
    ]
    study = shares(facts.classes, facts.student.get("study_prevalence"))
    if study:
        said.append(
            f"Its probabilities hold where the classes are as common as in the study ({study}); "
            "elsewhere give --prevalence when predicting."
        )
    said.append(
        "The soft labels are what the label model believes given the measurements. Where the label "
        "model is wrong, the student learned to be wrong in the same way."
    )
    metrics = facts.metrics
    if metrics is None:
        said.append("It was not evaluated: nothing is known about its accuracy or calibration.")
    else:
        if metrics.n_labelled < FEW_CASES:
            said.append(
                f"Only {metrics.n_labelled} labelled cases were available for evaluation; read the "
                "intervals, not the numbers."
            )
        if is_miscalibrated(metrics):
            said.append("Its probabilities are miscalibrated on the evaluation cases.")
        if metrics.n_groups == metrics.n:
            said.append(
                "Every case was taken as independent. If one patient has several images, give "
                "--group, or the intervals are too narrow."
            )
    if facts.in_sample:
        said.append(
            "Some soft labels are in-sample: the label model had seen the label of the case, so "
            "they are sharper than they should be."
        )
    if facts.distrusted:
        said.append(
            f"{facts.distrusted} training cases have a Pareto k̂ of .7 or more; see the list."
        )
    return said
