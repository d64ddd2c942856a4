"""``evaluate``: a student and held-out cases -> metrics."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..metrics.evaluate import evaluate
from ..metrics.metrics import Metrics
from ..runs import check_file, read_run_json, step, verified, write_json
from ..softlabels import SoftLabels
from ..students.options import StudentLike
from ..students.student import Student, load_student
from .inputs import cases_without_model
from .own_student import own_network
from .telling import Teller


def evaluate_job(
    run: Path,
    data: Path | None,
    *,
    split: str,
    out: Path | None,
    seed: int,
    say: Teller,
    student: str | None = None,
    trust: bool = False,
) -> Metrics:
    """Metrics of the run's student at the study prevalence, written into the run or to ``out``.

    student: FILE.py:NAME of a network of the user's own. trust: whether a stranger's run may have its file executed.
    """
    network = own_network(run, student, trust=trust)
    made = read_run_json(run)
    if out is not None:
        check_file(out, suffixes=(".json",), inputs=(made.data, made.model, data))
    arguments = {"data": None if data is None else str(data), "split": split, "seed": seed}
    with step(run, "evaluate", {**arguments, "out": None if out is None else str(out)}):
        return measure(run, data, split=split, out=out, seed=seed, say=say, network=network)


def measure(
    run: Path,
    data: Path | None,
    *,
    split: str,
    out: Path | None,
    seed: int,
    say: Teller,
    network: StudentLike | None = None,
) -> Metrics:
    """What `evaluate_job` does, in a folder that the caller keeps to itself. No model file is executed.

    network: of a student of the user's own, whose file holds weights alone.
    """
    cases = cases_without_model(run, data)
    cases = cases if split == "all" else cases.take(cases.split == split)
    for name in ("student.json", "student.safetensors"):
        verified(run, name)
    student = load_student(run, network=network)
    if student.spec.deployment_prevalence is not None:
        student = Student(student.network, replace(student.spec, deployment_prevalence=None))
        say("evaluated at the study prevalence, where these cases were collected")
    soft = verified(run, "labels.parquet")
    labels = SoftLabels.load(soft) if data is None and soft.is_file() else None
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
