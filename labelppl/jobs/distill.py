"""``distill``: the whole job, from a table and a label model to a run folder that holds every file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..arrays import Array
from ..distillation.distill import RefitByIds, distill
from ..distillation.few import with_few_validation
from ..errors import FailedWork, InputError
from ..features import vote_counts
from ..features.symmetries import common_symmetries
from ..images.by_case import OpenedCases, open_case_images
from ..posterior import Posterior, fit
from ..prevalence import read_prevalence
from ..records import refuse_other
from ..report.write import write_report
from ..runs import Step, check_folder, read_json, read_run_json, record, step
from ..softlabels import SoftLabels, soft_labels
from ..students.network import check_student
from ..students.student import Student
from ..table import Cases, match_ids
from ..targets import make_target
from ..training.device import check_device
from ..training.group import Group, join_group
from ..training.optimum import optimum_in_words
from ..training.schedule import default_schedule
from ..training.stream import memory_limit
from .distill_settings import DistillSettings, check_settings, run_identity
from .engines import read_engine
from .evaluate import EvaluateSettings, measure
from .explain import write_explanations
from .fit_and_tell import fit_and_tell
from .inputs import Inputs
from .report import pictures_of
from .table_labels import TableLabels
from .telling import (
    Teller,
    fit_line,
    fit_record,
    in_force,
    in_words,
    record_time,
    say_warnings,
    why_refused,
)
from .track import check_tracking, track_run
from .used_folder import refuse_other_inputs, refuse_used


def distill_job(inputs: Inputs, folder: Path, settings: DistillSettings, *, say: Teller) -> None:
    """The whole job: fit, label, train, evaluate, report; every file of the run folder.

    Of several processes that torchrun started, the first does all of it, and the others train.
    """
    group = join_group()
    settings = replace(
        settings,
        student=settings.student.with_symmetries(common_symmetries(inputs.model.features.values())),
    )
    if not group.leads:
        _follow(inputs, folder, settings, group)
        return
    cases = inputs.cases
    if cases.images is None:
        raise InputError(
            f"{cases.path}: no column 'image'; expected the path of each case's image, relative to the table"
        )
    check_folder(folder)
    if settings.track is not None:
        check_tracking()
    refuse_used(inputs, folder, settings)
    check_settings(settings, cases)
    check_device(settings.device)
    check_student(settings.student.student, settings.student.weights)
    images = _opened(cases, settings)
    identity = run_identity(inputs, cases.images, settings)
    arguments = {
        **settings.record(),
        "prevalence": settings.prevalence,
        "force": settings.force,
        "resume": settings.resume,
    }
    with step(folder, "distill", {**arguments, "group": inputs.group}, say.command_line) as work:
        refuse_used(inputs, folder, settings)
        if settings.resume:
            refuse_other_inputs(folder, inputs)
            refuse_other(folder, read_run_json(folder).content.get("identity", {}), identity)

        def begin() -> None:
            """Say in run.json what the run is made from, if it is not said yet."""
            if "identity" not in read_json(folder / "run.json"):
                inputs.record(folder, "distill", arguments)
                record(folder, identity=identity)

        _distilled(_whole(inputs), images, folder, settings, begin, work, group, say)


def _whole(inputs: Inputs) -> Inputs:
    """The inputs with their split in force, also where labelppl made it: test cases never reach the label model."""
    return replace(inputs, cases=replace(inputs.cases, split_given=True))


def _follow(inputs: Inputs, folder: Path, settings: DistillSettings, group: Group) -> None:
    """What a process that does not lead does: it trains on the leader's labels, and says nothing."""
    inputs = _whole(inputs)
    labels: SoftLabels | None = group.receive()
    with say_warnings(lambda _: None):
        images = _opened(inputs.cases, settings)
        _students(inputs, labels, images, folder, settings, group)


def _distilled(
    inputs: Inputs,
    images: OpenedCases,
    folder: Path,
    settings: DistillSettings,
    begin: Callable[[], None],
    work: Step,
    group: Group,
    say: Teller,
) -> None:
    """The work, in a folder that is this job's own."""

    def label() -> SoftLabels | None:
        if inputs.labels is None:
            return _labelled(inputs, folder, settings, begin, work, say)
        begin()
        return _of_table(inputs.labels, inputs.cases, folder, say)

    with say_warnings(say):
        labels = group.share(label)
        _trained(inputs, labels, images, folder, settings, group, say)
        work.keep()
    own = settings.student.student
    network = None if isinstance(own, str) else own
    metrics = measure(
        folder, EvaluateSettings(seed=settings.seed), say=say, network=network, images=images.images
    )
    write_report(folder, pictures_of(inputs.cases))
    record(folder, status="done")
    if settings.track is not None:
        track_run(folder, settings.track, say=say)
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
        told = fit_and_tell(
            inputs.model, inputs.training, engine=settings.engine, seed=settings.seed, say=say
        )
        posterior = told.posterior
        begin()
        record(folder, fit=fit_record(posterior, told.findings))
        posterior.save(path)  # last, so that a resumed run finds its record whole
        work.keep()
    say(fit_line(posterior))
    if posterior.problems:
        what = why_refused(posterior)
        if not settings.force:
            raise FailedWork(f"{what}; --force trains all the same (recorded)")
        record(folder, forced=what)
        say(f"warning: {what}; forced")
    path = folder / "labels.parquet"
    whole = settings.resume and work.holds("labels.parquet")
    labels = SoftLabels.load(path) if whole else None
    if labels is None or labels.prevalence is not None:  # training lives at the study prevalence
        with record_time(folder, "label"):
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
    images: OpenedCases,
    folder: Path,
    settings: DistillSettings,
    group: Group,
    say: Teller,
) -> None:
    finished = "distill" in read_json(folder / "run.json").get("seconds", {})
    with nullcontext() if finished else record_time(folder, "distill"):
        student = _students(inputs, labels, images, folder, settings, group)
    for note in student.spec.training["notes"]:
        say(f"note: {note}")
    optimum = student.spec.training["optimum"]
    if optimum is not None:
        say(optimum_in_words(optimum))
    if settings.prevalence is not None:
        student.at(read_prevalence(settings.prevalence, inputs.cases.classes)).save(folder)
        record(folder, deployment_prevalence=dict(settings.prevalence))


def _students(
    inputs: Inputs,
    labels: SoftLabels | None,
    images: OpenedCases,
    folder: Path,
    settings: DistillSettings,
    group: Group,
) -> Student:
    """The training, which all processes do together."""
    cases = inputs.cases
    first = replace(default_schedule(len(cases.train)), **settings.schedule)
    refit = _refit(inputs, settings)
    return distill(
        labels,
        cases,
        student=settings.student,
        target=settings.target,
        schedule=first,
        map_schedule=replace(first.for_map(), **settings.map_schedule),
        prior=settings.prior,
        images=images,
        votes=vote_counts(inputs.model.features, cases.columns, len(cases.classes)),
        refit=None if inputs.labels else lambda ids: group.share(lambda: refit(ids)),
        seed=settings.seed,
        device=settings.device,
        out=folder,
        resume=settings.resume,
        progress=not settings.quiet,
    ).student


def _refit(inputs: Inputs, settings: DistillSettings) -> RefitByIds:
    """Soft labels of some cases by a label model fitted to those cases alone."""
    cases = inputs.cases

    def refit(ids: Array) -> SoftLabels:
        posterior = fit(
            inputs.model,
            cases.take(match_ids(ids, cases.ids)),
            engine=read_engine(settings.engine),
            seed=settings.seed,
        )
        return soft_labels(posterior, leave_out=settings.leave_out)

    return refit


def _opened(cases: Cases, settings: DistillSettings) -> OpenedCases:
    """The images of all cases, each decoded once and checked, before any other work."""
    assert cases.images is not None
    options = settings.student
    kind, number = check_device(settings.device)
    device = torch.device(f"{kind}:{number}" if number else kind)
    return open_case_images(
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
