"""The model card as Markdown with YAML front matter, as model hubs and registries read it.

The front matter holds what a machine looks for: task, classes, licence to be filled in, measured numbers by name. Below
it stand the sentences of `card`. Source of the headings: Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import visible
from ..metrics.listed import metric_of
from .card import CardFacts, card, shares
from .onnx_student import Notes

SHOWN = ("accuracy", "macro_accuracy", "auc", "nll", "brier", "smece", "kl_true", "kl")
"""The metrics of the front matter; all are in `metrics.json`."""
AUTHORS = "for the authors to say"


def model_card(facts: CardFacts, notes: Notes, made: Mapping[str, Any]) -> str:
    """Return the text of the card.

    Args:
        facts: What is known of the student.
        notes: What its ONNX file says.
        made: The content of `run.json`.

    Returns:
        Markdown with YAML front matter. Every text is quoted, so that a class name is never read as YAML or HTML.
    """
    use, limits = card(facts)
    lines = ["---", *_front(facts, notes, made), "---", "", f"# {_title(facts, made)}", ""]
    lines += ["## Intended use", "", *_items(use), ""]
    lines += ["## Limits", "", *_items(limits), ""]
    lines += ["## Measured", "", *_measured(facts), ""]
    lines += ["## How it was made", "", *_items(_made(facts, notes, made)), ""]
    lines += ["## How to run it", "", *_run(notes), ""]
    lines += ["## For the authors", "", *_items(_open()), ""]
    return "\n".join(lines)


def _front(facts: CardFacts, notes: Notes, made: Mapping[str, Any]) -> list[str]:
    # JSON text is YAML text: one way to quote whatever stands in a name.
    front = {
        "license": AUTHORS,
        "library_name": "labelppl",
        "pipeline_tag": "image-classification",
        "tags": ["medical-imaging", "calibrated-probabilities", "onnx"],
        "classes": list(facts.classes),
        "study_prevalence": notes.study_prevalence,
        "deployment_prevalence": notes.deployment_prevalence,
        "recalibrated_by": notes.calibration,
        "student_sha256": notes.student,
        "metrics": _numbers(facts),
    }
    return [f"{name}: {json.dumps(value, ensure_ascii=True)}" for name, value in front.items()]


def _numbers(facts: CardFacts) -> list[dict[str, Any]]:
    metrics = facts.metrics
    if metrics is None:
        return []
    return [
        {
            "name": name,
            "value": round(value, 6),
            "interval_95": [round(end, 6) for end in metrics.intervals.get(name, ())] or None,
        }
        for name in SHOWN
        if (value := metrics.values.get(name)) is not None
    ]


def _title(facts: CardFacts, made: Mapping[str, Any]) -> str:
    path = str((made.get("model") or {}).get("path", "student")).replace("\\", "/")
    stem = path.rsplit("/", 1)[-1].removesuffix(".py")
    return _text(f"{stem}: {' or '.join(facts.classes)}")


def _measured(facts: CardFacts) -> list[str]:
    metrics = facts.metrics
    if metrics is None:
        return ["Not evaluated."]
    lines = [f"On {metrics.n} cases of {metrics.n_groups} groups.", ""]
    lines += ["| metric | value | 95 % interval | meaning |", "|---|---|---|---|"]
    for number in _numbers(facts):
        ends = number["interval_95"]
        interval = "" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}"
        known = metric_of(number["name"])
        name = number["name"] if known is None else known.name
        cells = (name, f"{number['value']:.3f}", interval, metrics.meaning(number["name"]))
        lines.append(f"| {' | '.join(_text(cell) for cell in cells)} |")
    if metrics.verdict:
        lines += ["", _text(metrics.verdict)]
    return lines


def _made(facts: CardFacts, notes: Notes, made: Mapping[str, Any]) -> list[str]:
    training = facts.student.get("training") or {}
    said = []
    if "cases" in training:
        said.append(
            f"Trained on {training['cases']} cases, {training.get('labelled', 0)} of them with a hard label; network "
            f"{facts.student.get('architecture')}, target {training.get('target')}."
        )
    ensemble = training.get("ensemble")
    if isinstance(ensemble, Mapping):
        said.append(
            f"Step 1 also learned the mean of {ensemble.get('members')} students with other seeds."
        )
    said += _several(training, facts.student.get("pool"))
    for what in ("model", "data"):
        source = made.get(what)
        if isinstance(source, Mapping) and source.get("sha256"):
            name = str(source.get("path", "")).replace("\\", "/").rsplit("/", 1)[-1]
            said.append(f"{what.capitalize()} file {name}, SHA-256 {source['sha256']}.")
    said.append(
        f"Recalibrated by {notes.calibration}, fitted on validation cases."
        if notes.calibration
        else "Not recalibrated."
    )
    said.append(
        "Software: " + ", ".join(f"{name} {value}" for name, value in notes.versions.items()) + "."
    )
    return said


def _several(training: Mapping[str, Any], pool: Any) -> list[str]:
    """What the card says where cases had several images: the file sees one."""
    each = training.get("images_per_case")
    if not isinstance(each, Mapping):
        return []
    how = "weighted by learned attention" if pool == "attention" else "all with the same weight"
    mend = (
        "The weights are not in this file: use the run folder for cases with several images."
        if pool == "attention"
        else "For a case with several images, average the logarithms of their probabilities and normalise (without a "
        "recalibration this is what the run folder's student says)."
    )
    return [
        f"Trained on {each.get('least')} to {each.get('most')} images for each case; the logits of a case are the mean of its "
        f"images', {how}. What is measured above is about cases. This file classifies one image. {mend}"
    ]


def _run(notes: Notes) -> list[str]:
    at = shares(notes.classes, notes.deployment_prevalence or notes.study_prevalence)
    return [
        "```text",
        "labelppl predict --onnx student.onnx images/*.png",
        "```",
        "",
        f"Resizing, normalisation, calibration and the prevalence stand in the file. Input `pixels`: stored values "
        f"({notes.depth}), batch × {notes.channels} × any height × any width."
        + (
            ""
            if at is None
            else f" Its probabilities hold where the classes are as common as here: {_text(at)}."
        ),
    ]


def _open() -> list[str]:
    return [
        "Who made it, whom to ask, under which licence it may be used.",
        "Where, when and on which devices the images were acquired; who labelled them, and how.",
        "Which patients it must not be used for; what harm a wrong answer does, and who checks.",
    ]


def _items(sentences: tuple[str, ...] | list[str]) -> list[str]:
    return [f"- {_text(sentence)}" for sentence in sentences]


def _text(text: str) -> str:
    """Text that Markdown shows as it is: no HTML, no table cell of its own, one line."""
    shown = visible(text)
    for mark in ("\\", "`", "*", "_", "[", "]", "<", ">", "|", "#"):
        shown = shown.replace(mark, f"\\{mark}")
    return shown
