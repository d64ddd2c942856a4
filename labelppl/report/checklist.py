"""The items of TRIPOD+AI that a run can answer by itself; the others are marked for the authors.

Source: Collins et al. 2024, "TRIPOD+AI statement", BMJ 385:e078378. The numbers are the statement's; the words are ours.
"""

from __future__ import annotations

from typing import NamedTuple

from .run_files import RunFiles

LEFT_OPEN = "For the authors"


class Item(NamedTuple):
    """One item: its number, what it asks, and the answer; `open` marks those for the authors."""

    number: str
    asks: str
    answer: str
    open: bool


def checklist(files: RunFiles) -> tuple[Item, ...]:
    """Return the items in the statement's order."""
    metrics = files.metrics
    evaluated = metrics is not None
    answers: list[tuple[str, str, str | None]] = [
        ("1–4", "Title, abstract, background, objectives", None),
        ("5", "Source of the data, dates", None),
        ("6", "Setting, eligibility, treatments", None),
        ("7", "Preparation of the data", _preparation(files)),
        ("8", "Outcome: what the label is and how it was assessed", None),
        ("9", "Predictors: what is measured", _predictors(files)),
        ("10", "Sample size", _size(files)),
        ("11", "Missing data", _missing(files)),
        ("12a", "How the data were split", _split(files)),
        ("12b–c", "Type of model, how it was built and tuned", _model(files)),
        ("12d–f", "How performance and calibration are measured", "See “The student on the evaluation cases”: every metric with its meaning and 95 % interval." if evaluated else None),
        ("13", "Class imbalance", _imbalance(files)),
        ("14", "Fairness", "See the tables by subgroup." if evaluated and metrics is not None and any(key.startswith("by/") for key in metrics.values) else None),
        ("15", "Output of the model and thresholds", _output(files)),
        ("17–19", "Ethics, funding, registration, availability", None),
        ("20", "Participants: numbers with and without the outcome", "See “Cohort”." if files.cohort is not None else None),
        ("22", "The model as it can be used", "student.safetensors; labelppl export writes one ONNX file and its card." if files.student else None),
        ("23", "Performance with intervals", f"On {metrics.n} cases of {metrics.n_groups} groups." if metrics is not None else None),
        ("25–27", "Interpretation, limitations, usability", None),
    ]  # fmt: skip
    return tuple(
        Item(number, asks, LEFT_OPEN if answer is None else answer, answer is None)
        for number, asks, answer in answers
    )


def _preparation(files: RunFiles) -> str | None:
    if not files.student:
        return None
    spec = files.student
    return (
        f"Images resized to {spec.get('width')}×{spec.get('height')} pixels, {spec.get('channels')} "
        f"{'channel' if spec.get('channels') == 1 else 'channels'}, normalised by the mean and SD of the training images."
    )


def _predictors(files: RunFiles) -> str | None:
    if files.explanations is None:
        return None
    terms = files.explanations.frame
    names = list(dict.fromkeys(terms.loc[terms["kind"].isin(["measurement", "input"]), "term"]))
    if not names:
        return None
    return f"The student reads the image alone. Its soft labels were made from {', '.join(names[:12])}."


def _size(files: RunFiles) -> str | None:
    training = files.student.get("training") or {}
    if "cases" not in training:
        return None
    said = f"{training['cases']} training cases, {training.get('labelled', 0)} with a hard label"
    return f"{said}; {files.metrics.n} evaluation cases." if files.metrics else f"{said}."


def _missing(files: RunFiles) -> str | None:
    if files.cohort is None:
        return None
    rows = files.cohort[files.cohort["item"].astype(str).str.endswith(": missing")]
    count = int(rows["all"].sum())
    if not count:
        return "No measured cell is missing."
    return f"{count} cells are missing; the label model leaves them out of the likelihood. See “Cohort”."


def _split(files: RunFiles) -> str | None:
    if files.cohort is None or "test" not in files.cohort:
        return None
    first = files.cohort.iloc[0]
    seed = files.run.get("seed")
    sides = ", ".join(
        f"{int(first[side])} {name}"
        for side, name in (("train", "training"), ("val", "validation"), ("test", "test"))
        if int(first[side])
    )
    return f"{sides} cases; patients stay on one side; seed {seed}."


def _model(files: RunFiles) -> str | None:
    training = files.student.get("training") or {}
    if not training:
        return None
    lam = (training.get("lam") or {}).get("lam")
    said = (
        f"{files.student.get('architecture')} network; first on the target {training.get('target')}"
    )
    return (
        f"{said}, then on hard labels with λ = {lam}."
        if training.get("step2")
        else f"{said} alone."
    )


def _imbalance(files: RunFiles) -> str | None:
    if not files.student.get("study_prevalence"):
        return None
    return "Nothing was resampled; probabilities hold at the prevalence stated above and can be moved to another."


def _output(files: RunFiles) -> str | None:
    if not files.student:
        return None
    point = (files.metrics.settings.get("operating_point") if files.metrics else None) or {}
    said = f"A probability for each of {len(files.classes)} classes"
    if "threshold" in point and "positive" in point:
        return f"{said}; called {point['positive']} from {float(point['threshold']):.3f} on."
    return f"{said}; no threshold is part of the model."
