"""The model card: what the student is for, and what it must not be used for.

The limits are drawn from the run's own numbers, so that a card never promises what was not measured.
"""

from __future__ import annotations

from typing import NamedTuple

from .headline import sentence_list, shares
from .label_section import LabelSection
from .run_files import RunFiles
from .student_section import miscalibrated

FEW_CASES = 200


class Card(NamedTuple):
    """Sentences under each heading of the card."""

    use: tuple[str, ...]
    limits: tuple[str, ...]


def card(files: RunFiles, labels: LabelSection | None) -> Card:
    """Return the card of the student in this run."""
    return Card(tuple(_use(files)), tuple(_limits(files, labels)))


def _use(files: RunFiles) -> list[str]:
    said = []
    if files.classes:
        said.append(
            f"Estimates the probabilities of {sentence_list(files.classes)} from one image, without the "
            "measurements that the label model needed."
        )
    if files.student:
        channels = files.student.get("channels")
        kind = {"1": "greyscale", "3": "colour"}.get(str(channels), f"{channels}-channel")
        said.append(
            f"Reads {kind} images of the same kind, acquisition and framing as those in the table "
            f"it was trained on; files are resized to {files.student.get('width')}×"
            f"{files.student.get('height')} pixels"
            + (" with their aspect kept." if files.student.get("keep_aspect") else ".")
        )
    said.append("Made for research and for review by an expert. It is not a medical device.")
    return said


def _limits(files: RunFiles, labels: LabelSection | None) -> list[str]:
    said = [
        "Measured on cases of the same collection as the training cases. Other devices, sites and "
        "populations were not tested."
    ]
    study = shares(files.classes, files.student.get("study_prevalence"))
    if study:
        said.append(
            f"Its probabilities hold where the classes are as common as in the study ({study}); "
            "elsewhere give --prevalence when predicting."
        )
    said.append(
        "The soft labels are what the label model believes given the measurements. Where the label "
        "model is wrong, the student learned to be wrong in the same way."
    )
    metrics = files.metrics
    if metrics is None:
        said.append("It was not evaluated: nothing is known about its accuracy or calibration.")
    else:
        if metrics.n_labelled < FEW_CASES:
            said.append(
                f"Only {metrics.n_labelled} labelled cases were available for evaluation; read the "
                "intervals, not the numbers."
            )
        if miscalibrated(metrics):
            said.append("Its probabilities are miscalibrated on the evaluation cases.")
        if metrics.n_groups == metrics.n:
            said.append(
                "Every case was taken as independent. If one patient has several images, give "
                "--group, or the intervals are too narrow."
            )
    if labels is not None and labels.in_sample:
        said.append(
            "Some soft labels are in-sample: the label model had seen the label of the case, so "
            "they are sharper than they should be."
        )
    if labels is not None and labels.distrusted:
        said.append(
            f"{labels.distrusted} training cases have a Pareto k̂ of .7 or more; see the list."
        )
    return said
