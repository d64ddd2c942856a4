"""``distill``: the whole job, from a table and a label model to a run folder that holds every file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..arrays import Array
from ..distillation.distill import RefitByIds, distill
from ..distillation.few import with_few_validation
from ..distillation.prior_options import PriorOptions
from ..errors import FailedWork, InputError
from ..features import vote_counts
from ..images.read import Opened, open_images
from ..posterior import Posterior, fit
from ..prevalence import read_prevalence
from ..records import describe, digest_of_files, refuse_other
from ..report.write import write_report
from ..runs import Step, check_folder, read_json, read_run_json, record, sha256, step
from ..runs.files import TEMPORARY
from ..runs.folder_lock import LOCK_FILE
from ..softlabels import SoftLabels, soft_labels
from ..softlabels.labels import LeaveOut
from ..students.network import check_student
from ..students.options import StudentOptions
from ..table import Cases, match_ids
from ..targets import make_target
from ..targets.base import Target
from ..training.device import check_device
from ..training.schedule import default_schedule
from ..training.stream import memory_limit
from .engines import chosen_engine, described_engine
from .evaluate import EvaluateSettings, measure
from .explain import write_explanations
from .fit import fit_in
from .inputs import Inputs, matches
from .table_labels import TableLabels
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

#: What a folder may hold beside a fit, for ``distill`` to go on from it.
OF_A_FIT = ("labels.parquet", "explain.parquet", "report.html", "audit.csv", "sbc.json", "sbc.png")


@dataclass(frozen=True, eq=False)
class DistillSettings:
    """The options of ``labelppl distill``; see there.

    schedule, map_schedule: fields of `Schedule` that differ from the default for the number of cases.
    """

    student: StudentOptions = field(default_factory=StudentOptions)
    target: Target | Callable[..., Target] | str | None = None
    schedule: Mapping[str, Any] = field(default_factory=dict)
    map_schedule: Mapping[str, Any] = field(default_factory=dict)
    prior: PriorOptions = field(default_factory=PriorOptions)
    prevalence: Mapping[str, float] | None = None
    engine: str = "auto"
    leave_out: LeaveOut = "loo"
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    force: bool = False
    quiet: bool = False

    def record(self) -> dict[str, Any]:
        """All that decides the run."""
        record: dict[str, Any] = describe(
            {
                "student": self.student,
                "target": None if self.target is None else make_target(self.target),
                "schedule": self.schedule,
                "map_schedule": self.map_schedule,
                "prior": self.prior,
                "engine": described_engine(self.engine),
                "leave_out": self.leave_out,
                "device": self.device,
            }
        )
        return record


def distill_job(inputs: Inputs, folder: Path, settings: DistillSettings, *, say: Teller) -> None:
    """The whole job: fit, label, train, evaluate, report; every file of the run folder."""
    cases = inputs.cases
    if cases.images is None:
        raise InputError(
            f"{cases.path}: no column 'image'; expected the path of each case's image, relative to the table"
        )
    check_folder(folder)
    _refuse_used(inputs, folder, settings)
    _check_settings(settings, cases)
    check_device(settings.device)
    check_student(settings.student.student, settings.student.weights)
    images = _opened(cases, settings)
    identity = _identity(inputs, cases.images, settings)
    arguments = {
        **settings.record(),
        "prevalence": settings.prevalence,
        "force": settings.force,
        "resume": settings.resume,
    }
    with step(folder, "distill", {**arguments, "group": inputs.group}, say.command_line) as work:
        _refuse_used(inputs, folder, settings)
        if settings.resume:
            _refuse_other(folder, inputs)
            refuse_other(folder, read_run_json(folder).content.get("identity", {}), identity)

        def begin() -> None:
            """Say in run.json what the run is made from, if it is not said yet."""
            if "identity" not in read_json(folder / "run.json"):
                inputs.record(folder, "distill", arguments)
                record(folder, identity=identity)

        _distilled(inputs, images, folder, settings, begin, work, say)


def _distilled(
    inputs: Inputs,
    images: Opened,
    folder: Path,
    settings: DistillSettings,
    begin: Callable[[], None],
    work: Step,
    say: Teller,
) -> None:
    """The work, in a folder that is this job's own."""
    # Where labelppl made the split itself it holds all the same: test cases never reach the label model.
    inputs = replace(inputs, cases=replace(inputs.cases, split_given=True))
    with said_warnings(say):
        if inputs.labels is None:
            labels: SoftLabels | None = _labelled(inputs, folder, settings, begin, work, say)
        else:
            begin()
            labels = _of_table(inputs.labels, inputs.cases, folder, say)
        _trained(inputs, labels, images, folder, settings, say)
        work.keep()
    own = settings.student.student
    network = None if isinstance(own, str) else own
    metrics = measure(
        folder, EvaluateSettings(seed=settings.seed), say=say, network=network, images=images.images
    )
    write_report(folder)
    record(folder, status="done")
    say(f"done: {folder.resolve()} ({len(metrics.values)} metrics, report.html)")


def _labelled(
    inputs: Inputs,
    folder: Path,
    settings: DistillSettings,
    begin: Callable[[], None],
    work: Step,
    say: Teller,
) -> SoftLabels:
    """Posterior and soft labels of the run: those that are there whole, or made."""
    path = folder / "posterior.nc"
    if work.holds("posterior.nc"):  # of this run, or of the matching fit that it began with
        begin()
        posterior = Posterior.load(path, inputs.model, inputs.cases)
    else:
        told = told_fit(
            inputs.model, inputs.training, engine=settings.engine, seed=settings.seed, say=say
        )
        posterior = told.posterior
        begin()
        record(folder, fit=fit_record(posterior, told.findings))
        posterior.save(path)  # last, so that a resumed run finds its record whole
        work.keep()
    say(fit_line(posterior))
    if posterior.problems:
        what = refused_fit(posterior)
        if not settings.force:
            raise FailedWork(f"{what}; --force trains all the same (recorded)")
        record(folder, forced=what)
        say(f"warning: {what}; forced")
    path = folder / "labels.parquet"
    whole = settings.resume and work.holds("labels.parquet")
    labels = SoftLabels.load(path) if whole else None
    if labels is None or labels.prevalence is not None:  # training lives at the study prevalence
        with timed(folder, "label"):
            labels = soft_labels(posterior, inputs.cases, leave_out=settings.leave_out)
        record(folder, label={"leave_out": settings.leave_out, "prevalence": in_force(labels)})
        labels.save(path)
        write_explanations(folder, posterior, labels, inputs.cases)
        work.keep()
    say(f"{len(labels)} soft labels at {in_words(labels)}")
    return labels


def _of_table(labels: TableLabels, cases: Cases, folder: Path, say: Teller) -> SoftLabels | None:
    """The soft labels of a run without a label model, if it has some; kept as ``labels.parquet``."""
    soft = labels.soft_labels()
    if soft is None:
        what = "raters' votes" if labels.votes is not None else "the hard labels"
        say(f"no label model: the student learns from {what} of {len(cases.train)} training cases")
        return None
    soft.save(folder / "labels.parquet")
    say(f"{len(soft)} soft labels of {labels.soft}")
    return soft


def _trained(
    inputs: Inputs,
    labels: SoftLabels | None,
    images: Opened,
    folder: Path,
    settings: DistillSettings,
    say: Teller,
) -> None:
    cases = inputs.cases
    first = replace(default_schedule(len(cases.train)), **settings.schedule)
    finished = "distill" in read_json(folder / "run.json").get("seconds", {})
    with nullcontext() if finished else timed(folder, "distill"):
        student = distill(
            labels,
            cases,
            student=settings.student,
            target=settings.target,
            schedule=first,
            map_schedule=replace(first.for_map(), **settings.map_schedule),
            prior=settings.prior,
            images=images,
            votes=vote_counts(inputs.model.features, cases.columns, len(cases.classes)),
            refit=None if inputs.labels is not None else _refit(inputs, settings),
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


def _refit(inputs: Inputs, settings: DistillSettings) -> RefitByIds:
    """Soft labels of some cases by a label model fitted to those cases alone."""
    cases = inputs.cases

    def refit(ids: Array) -> SoftLabels:
        posterior = fit(
            inputs.model,
            cases.take(match_ids(ids, cases.ids)),
            engine=chosen_engine(settings.engine),
            seed=settings.seed,
        )
        return soft_labels(posterior, leave_out=settings.leave_out)

    return refit


def _opened(cases: Cases, settings: DistillSettings) -> Opened:
    """The images of all cases, each decoded once and checked, before any other work."""
    assert cases.images is not None
    options = settings.student
    kind, number = check_device(settings.device)
    device = torch.device(f"{kind}:{number}" if number else kind)
    return open_images(
        cases.images,
        size=options.image_size,
        channels=options.channels,
        keep_aspect=options.keep_aspect,
        limit=memory_limit(device, options.stream),
        measured=_trained_images(cases, settings),
    )


def _trained_images(cases: Cases, settings: DistillSettings) -> Array:
    """(cases,) the images that are trained on, few validation cases included where they join."""
    joins = settings.target is None or not make_target(settings.target).needs_validation
    return np.asarray((with_few_validation(cases) if joins else cases).split == "train")


def _check_settings(settings: DistillSettings, cases: Cases) -> None:
    if settings.prevalence is not None:
        read_prevalence(settings.prevalence, cases.classes)
    for split in ("train", "test"):
        if not (cases.split == split).any():
            raise InputError(
                f"{cases.path}: no case in the {split} split; expected at least one; mend the split column"
            )


def _refuse_used(inputs: Inputs, folder: Path, settings: DistillSettings) -> None:
    """A folder is new, holds the matching fit, or is to be resumed."""
    resume, begun = settings.resume, {"run.json", "posterior.nc", *OF_A_FIT}
    files = (
        {path.name for path in folder.iterdir() if not _hidden(path)} if folder.is_dir() else set()
    )
    if files and not resume:
        if inputs.labels is None and files <= begun and fit_in(folder, inputs, settings.engine):
            return
        raise InputError(
            f"{folder}: holds a run already; --resume continues it, --run DIR starts another"
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


def _identity(inputs: Inputs, images: Sequence[Path], settings: DistillSettings) -> dict[str, Any]:
    """What a resumed run must share with the one that it continues: records, and digests of data and images."""
    assert inputs.cases.path is not None
    identity: dict[str, Any] = describe(
        {
            "model": inputs.model_record(),
            "data": {"path": inputs.cases.path.resolve(), "sha256": sha256(inputs.cases.path)},
            "images": digest_of_files(images),
            "group": inputs.group,
            "seed": settings.seed,
            **settings.record(),
        }
    )
    return identity
