"""``distill``: the whole job, from a table and a label model to a run folder that holds every file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..distillation.distill import distill
from ..distillation.lam import LAM_FOLDS, Refit
from ..errors import FailedWork, InputError
from ..images.augment import augmentation
from ..images.read import check_images
from ..posterior import Posterior, fit
from ..prevalence import read_prevalence
from ..report.write import write_report
from ..runs import check_folder, read_json, read_run_json, record, step
from ..runs.files import TEMPORARY
from ..runs.folder_lock import LOCK_FILE
from ..softlabels import SoftLabels, soft_labels
from ..softlabels.labels import LeaveOut
from ..students.network import check_student
from ..students.student import load_student
from ..table import Cases
from ..training.device import check_device
from ..training.schedule import default_schedule
from .engines import chosen_engine
from .evaluate import measure
from .inputs import Inputs, matches
from .telling import (
    Teller,
    fit_line,
    fit_record,
    in_force,
    in_words,
    refused_fit,
    said_warnings,
    timed,
)
from .told_fit import told_fit


@dataclass(frozen=True)
class DistillSettings:
    """The options of ``labelppl distill``; see there."""

    lam: float | Literal["auto"] = "auto"
    prevalence: Mapping[str, float] | None = None
    engine: str = "auto"
    leave_out: LeaveOut = "loo"
    student: str = "cnn"
    weights: Path | None = None
    image_size: int | None = None
    stream: bool | None = None
    workers: int | None = None
    augment: str = "shift"
    epochs: int | None = None
    folds: int = LAM_FOLDS
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    force: bool = False
    quiet: bool = False


def distill_job(inputs: Inputs, folder: Path, settings: DistillSettings, *, say: Teller) -> None:
    """The whole job: fit, label, train, evaluate, report; every file of the run folder."""
    cases = inputs.cases
    if cases.images is None:
        raise InputError(
            f"{cases.path}: no column 'image'; expected the path of each case's image, relative to the table"
        )
    check_folder(folder)
    _refuse_used(folder, settings.resume)
    _check_settings(settings, cases)
    check_device(settings.device)
    augmentation(settings.augment)
    check_student(settings.student, settings.weights)
    check_images(cases.images, size=settings.image_size)
    arguments = {k: v for k, v in asdict(settings).items() if k != "quiet"}
    with step(folder, "distill", {**arguments, "group": inputs.group}):
        _refuse_used(folder, settings.resume)
        if settings.resume:
            _refuse_other(folder, inputs)
        _distilled(inputs, folder, settings, say)


def _distilled(inputs: Inputs, folder: Path, settings: DistillSettings, say: Teller) -> None:
    """The work, in a folder that is this job's own."""
    # Where labelppl made the split itself it holds all the same: test cases never reach the label model.
    inputs = replace(inputs, cases=replace(inputs.cases, split_given=True))
    with said_warnings(say):
        labels = _labelled(inputs, folder, settings, say)
        _trained(inputs, labels, folder, settings, say)
    metrics = measure(folder, None, split="test", out=None, seed=settings.seed, say=say)
    write_report(folder)
    record(folder, status="done")
    say(f"done: {folder.resolve()} ({len(metrics.values)} metrics, report.html)")


def _labelled(inputs: Inputs, folder: Path, settings: DistillSettings, say: Teller) -> SoftLabels:
    """Posterior and soft labels of the run, made or, with ``resume``, read."""
    path = folder / "posterior.nc"
    if settings.resume and path.is_file():
        posterior = Posterior.load(path, inputs.model, inputs.cases)
    else:
        told = told_fit(
            inputs.model, inputs.training, engine=settings.engine, seed=settings.seed, say=say
        )
        posterior = told.posterior
        arguments = {
            k: v for k, v in asdict(settings).items() if k not in ("resume", "quiet", "seed")
        }
        inputs.record(folder, "distill", arguments)
        record(folder, fit=fit_record(posterior, told.findings))
        posterior.save(path)  # last, so that a resumed run finds its record whole
    say(fit_line(posterior))
    if posterior.problems:
        what = refused_fit(posterior)
        if not settings.force:
            raise FailedWork(f"{what}; --force trains all the same (recorded)")
        record(folder, forced=what)
        say(f"warning: {what}; forced")
    path = folder / "labels.parquet"
    labels = SoftLabels.load(path) if settings.resume and path.is_file() else None
    if labels is None or labels.prevalence is not None:  # training lives at the study prevalence
        with timed(folder, "label"):
            labels = soft_labels(posterior, inputs.cases, leave_out=settings.leave_out)
        record(folder, label={"leave_out": settings.leave_out, "prevalence": in_force(labels)})
        labels.save(path)
    say(f"{len(labels)} soft labels at {in_words(labels)}")
    return labels


def _trained(
    inputs: Inputs, labels: SoftLabels, folder: Path, settings: DistillSettings, say: Teller
) -> None:
    cases = inputs.cases
    schedule = default_schedule(len(cases.train))
    if settings.epochs is not None:
        schedule = replace(schedule, epochs=settings.epochs)
    finished = "distill" in read_json(folder / "run.json").get("seconds", {})
    if settings.resume and finished and (folder / "student.json").is_file():
        student = load_student(folder)
    else:
        with timed(folder, "distill"):
            student = distill(
                labels,
                cases,
                student=settings.student,
                weights=settings.weights,
                image_size=settings.image_size,
                stream=settings.stream,
                workers=settings.workers,
                augment=settings.augment,
                lam=settings.lam,
                folds=settings.folds,
                refit=_refit(inputs, settings),
                schedule=schedule,
                seed=settings.seed,
                device=settings.device,
                out=folder,
                resume=settings.resume,
                progress=not settings.quiet,
            ).student
    for note in student.spec.training["notes"]:
        say(f"note: {note}")
    if settings.prevalence is not None:
        student.at(read_prevalence(settings.prevalence, cases.classes)).save(folder)
        record(folder, deployment_prevalence=dict(settings.prevalence))


def _refit(inputs: Inputs, settings: DistillSettings) -> Refit:
    """Soft labels of some training rows by a label model fitted to those rows alone."""
    train = inputs.cases.train

    def refit(rows: Any) -> Any:
        posterior = fit(
            inputs.model,
            train.take(rows),
            engine=chosen_engine(settings.engine),
            seed=settings.seed,
        )
        return soft_labels(posterior, leave_out=settings.leave_out).probs

    return refit


def _check_settings(settings: DistillSettings, cases: Cases) -> None:
    if settings.prevalence is not None:
        read_prevalence(settings.prevalence, cases.classes)
    for split in ("train", "test"):
        if not (cases.split == split).any():
            raise InputError(
                f"{cases.path}: no case in the {split} split; expected at least one; mend the split column"
            )


def _refuse_used(folder: Path, resume: bool) -> None:
    if not resume and folder.is_dir() and any(not _hidden(path) for path in folder.iterdir()):
        raise InputError(
            f"{folder}: holds a run already; --resume continues it, --out DIR starts another"
        )
    if resume and not (folder / "run.json").is_file():
        raise InputError(f"{folder}: nothing to resume; leave --resume out")


def _hidden(path: Path) -> bool:
    """The lock, and what a killed command was still writing."""
    return path.name == LOCK_FILE or TEMPORARY.fullmatch(path.name) is not None


def _refuse_other(folder: Path, inputs: Inputs) -> None:
    """A run continues only with the model file and the table it was started with."""
    difference = matches(read_run_json(folder), inputs)
    if difference:
        raise InputError(f"{folder}: was started with {difference}; --run DIR starts another run")
