"""``evaluate``: a student and held-out cases -> metrics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..metrics.evaluate import evaluate
from ..metrics.metrics import Metrics
from ..runs import write_json
from ..softlabels import SoftLabels
from ..students.student import Student, load_student
from .inputs import Inputs
from .telling import Say


def evaluate_job(
    run: Path, data: Path | None, *, split: str, out: Path | None, seed: int, say: Say
) -> Metrics:
    """Metrics of the run's student at the study prevalence; ``metrics.json`` and ``predictions.parquet``."""
    inputs = Inputs.of_run(run, data)
    cases = inputs.cases if split == "all" else inputs.cases.take(inputs.cases.split == split)
    student = load_student(run)
    if student.spec.deployment_prevalence is not None:
        student = Student(student.network, replace(student.spec, deployment_prevalence=None))
        say("evaluated at the study prevalence, where these cases were collected")
    labels = SoftLabels.load(run / "labels.parquet") if data is None else None
    if labels is not None and labels.prevalence is not None:
        say(
            "the soft labels are at another prevalence, so kl is left out; run labelppl label to restore them"
        )
        labels = None
    metrics = evaluate(student, cases, labels=labels, seed=seed)
    if out is None:
        metrics.save(run)
    else:
        write_json(out, metrics.to_dict())
    for name in ("accuracy", "auc", "nll", "ece", "kl", "kl_true", "accuracy_bayes"):
        if metrics.values.get(name) is not None:
            low, high = metrics.intervals.get(name, (None, None))
            interval = "" if low is None else f"  [{low:.3f}, {high:.3f}]"
            say(f"{name:>15} {metrics.values[name]:.3f}{interval}")
    return metrics
