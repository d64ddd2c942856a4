"""What was trained on what, in a few sentences, and the four numbers to look at first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..export.card import sentence_list, shares
from .run_files import RunFiles

CARDS = (
    ("accuracy", "Accuracy", "accuracy_bayes", "the true p(Y|X) reaches"),
    ("auc", "AUC", None, ""),
    ("nll", "Log loss, nats", None, ""),
    ("smece", "Calibration error", "smece_null_upper", "noise alone reaches"),
    ("kl_true", "KL from the truth, nats", None, ""),
    ("kl", "KL from soft labels, nats", None, ""),
)
MOST_CARDS = 4


@dataclass(frozen=True, eq=False)
class Headline:
    """Title, sentences, cards (name, value, interval, remark) and warnings of a report."""

    title: str
    sentences: tuple[str, ...]
    cards: tuple[tuple[str, float, tuple[float, float] | None, str], ...]
    warnings: tuple[str, ...]


def headline(files: RunFiles) -> Headline:
    """Return the head of the report; every sentence is left out where its facts are missing."""
    return Headline(
        title=_title(files),
        sentences=tuple(
            s
            for s in (_trained(files), _label_model(files), _prevalence(files), _tested(files))
            if s
        ),
        cards=tuple(_cards(files)),
        warnings=tuple(_warnings(files)),
    )


def model_name(files: RunFiles) -> str:
    """Return the name of the label model's file, or of the run folder."""
    path = str((files.run.get("model") or {}).get("path", ""))
    return path.replace("\\", "/").rsplit("/", 1)[-1] if path else files.folder.resolve().name


def _title(files: RunFiles) -> str:
    stem = model_name(files).removesuffix(".py")
    return f"{stem}: {sentence_list(files.classes, 'or')}" if files.classes else stem


def _trained(files: RunFiles) -> str | None:
    training = files.student.get("training") or {}
    if not files.student:
        return None
    size = f"{files.student.get('width')}×{files.student.get('height')}"
    said = f"An image classifier ({files.student.get('architecture')}, images of {size} pixels)"
    if "cases" not in training:
        return f"{said} was trained."
    images = (training.get("images_per_case") or {}).get("images")
    shown = "" if images is None else f" ({images} images)"
    said += f" was trained on {training['cases']} cases{shown}, {training.get('labelled', 0)} of them with a hard label"
    lam = (training.get("lam") or {}).get("lam")
    if training.get("step2") is None:
        return f"{said}: on the target “{training.get('target')}” alone, without a second step."
    ensemble = training.get("ensemble")
    beside = f" and the mean of {ensemble['members']} students with other seeds" if ensemble else ""
    return (
        f"{said}: first on the target “{training.get('target')}”{beside}, then on the hard labels with the "
        f"weights held near the first step's (λ = {_number(lam)})."
    )


def _label_model(files: RunFiles) -> str | None:
    fit = files.run.get("fit") or {}
    if not fit:
        return None
    return (
        f"The label model {model_name(files)} was fitted to the measurements of {fit.get('cases')} "
        f"cases ({fit.get('labelled')} labelled) by {fit.get('engine')}."
    )


def _prevalence(files: RunFiles) -> str | None:
    study = shares(files.classes, files.student.get("study_prevalence"))
    deployed = shares(files.classes, files.student.get("deployment_prevalence"))
    if study is None:
        return None
    if deployed is None:
        return f"Prevalence in force: the study's own ({study}), in training and in prediction."
    return (
        f"Prevalence in force: the study's own ({study}) in training and evaluation, the "
        f"deployment's ({deployed}) in prediction."
    )


def _tested(files: RunFiles) -> str | None:
    metrics = files.metrics
    if metrics is None:
        return None
    said = f"It was evaluated on {metrics.n} cases"
    if metrics.n_labelled != metrics.n:
        said += f" ({metrics.n_labelled} labelled)"
    if metrics.n_groups != metrics.n:
        said += f" of {metrics.n_groups} groups"
    return f"{said}. Brackets are 95 % intervals."


def _cards(files: RunFiles) -> list[tuple[str, float, tuple[float, float] | None, str]]:
    if files.metrics is None:
        return []
    values = files.metrics.values
    cards: list[tuple[str, float, tuple[float, float] | None, str]] = []
    for key, name, beside, words in CARDS:
        value = values.get(key)
        if value is None or len(cards) == MOST_CARDS:
            continue
        reference = values.get(beside) if beside else None
        remark = f"{words} {reference:.3f}" if reference is not None else ""
        cards.append((name, value, files.metrics.intervals.get(key), remark))
    return cards


def _warnings(files: RunFiles) -> list[str]:
    """What must be known before any number is used."""
    said = []
    fit = files.run.get("fit") or {}
    problems = fit.get("problems") or []
    if files.run.get("forced"):
        said.append(f"The student was trained although the gate refused: {files.run['forced']}")
    elif problems:
        said.append(f"The fit of the label model must not be trusted: {'; '.join(problems)}")
    if (
        files.run
        and files.run.get("command") == "distill"
        and files.run.get("status") not in ("done", None)
    ):
        said.append(f"The run is not finished: its status is {files.run['status']}")
    said += [str(finding) for finding in fit.get("findings") or []]
    return said + [str(n) for n in (files.student.get("training") or {}).get("notes") or []]


def _number(value: Any) -> str:
    if isinstance(value, int | float):
        return f"{value:.4g}"
    return "not recorded" if value is None else str(value)
