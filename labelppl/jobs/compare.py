"""``compare``: the paper's Table 1 on the user's own data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..comparison import Comparison, compare
from ..comparison.compare import VALIDATION
from ..comparison.methods import MethodLike
from ..distillation.prior_options import PriorOptions
from ..errors import FailedWork, InputError
from ..features import vote_counts
from ..features.symmetries import common_symmetries
from ..records import describe
from ..runs import check_folder, record, step
from ..softlabels import SoftLabels, soft_labels
from ..split import Cut
from ..students.network import check_student
from ..students.options import StudentOptions
from ..table import Cases
from ..training.device import check_device
from ..training.group import is_distributed
from ..training.schedule import default_schedule
from ..workers import Workers
from .engines import describe_engine, read_engine
from .fit_and_tell import fit_and_tell
from .inputs import Inputs
from .telling import Teller, say_warnings, why_refused
from .track import check_tracking, track_run

#: Draws of p(Y|Z) kept for the Dirichlet student.
KEPT_DRAWS = 200


@dataclass(frozen=True, eq=False)
class CompareSettings:
    """The options of ``labelppl compare``; see there.

    schedule: fields of `Schedule` that differ from the default for the number of cases. validation, test_share: None leaves
    `compare`'s own.
    """

    methods: Sequence[MethodLike] | None = None
    repeats: int = 5
    student: StudentOptions = field(default_factory=StudentOptions)
    schedule: Mapping[str, Any] = field(default_factory=dict)
    prior: PriorOptions = field(default_factory=PriorOptions)
    validation: float | None = None
    test_share: float | None = None
    columns: Sequence[str] | None = None
    engine: str = "auto"
    device: str = "auto"
    resume: bool = False
    keep_students: bool = False
    force: bool = False
    quiet: bool = False
    jobs: int = 1
    ray: str | None = None
    track: str | None = None

    @property
    def workers(self) -> Workers | None:
        """Where the trainings run; None: one after the other in this process."""
        if self.jobs == 1 and self.ray is None:
            return None
        return Workers(self.jobs, self.ray)


def compare_job(
    inputs: Inputs, folder: Path, settings: CompareSettings, *, say: Teller
) -> Comparison:
    """Run the methods ``repeats`` times; writes ``compare.csv``, ``compare.md`` and ``compare.json``.

    The label model is fitted again for every repeat's training cases. Raises FailedWork where that fit fails its checks.
    """

    def label(cases: Cases) -> SoftLabels:
        told = fit_and_tell(
            inputs.model, cases.train, engine=settings.engine, seed=inputs.seed, say=say
        )
        posterior = told.posterior
        if posterior.problems and not settings.force:
            raise FailedWork(f"{why_refused(posterior)}; --force compares all the same")
        return soft_labels(posterior, cases, keep_draws=KEPT_DRAWS)

    if is_distributed():
        raise InputError(
            "compare: was started by torchrun, which shares out one training; leave torchrun out and share out the "
            "trainings with --jobs or --ray"
        )
    check_folder(folder)
    if settings.track is not None:
        check_tracking()
    check_device(settings.device)
    check_student(settings.student.student, settings.student.weights)
    student = settings.student.with_symmetries(common_symmetries(inputs.model.features.values()))
    read_engine(settings.engine)
    cut = inputs.asked_cut(settings.test_share, settings.validation, Cut(validation=VALIDATION))
    arguments = describe(
        {
            "methods": settings.methods,
            "repeats": settings.repeats,
            "engine": describe_engine(settings.engine),
            "student": student,
            "schedule": settings.schedule,
            "prior": settings.prior,
            **cut.record(),
            "device": settings.device,
        }
    )
    default = default_schedule(len(inputs.cases.train))
    with step(folder, "compare", arguments, say.command_line), say_warnings(say):
        done = compare(
            label if inputs.labels is None else inputs.labels.soft_labels(),
            inputs.cases,
            methods=settings.methods,
            repeats=settings.repeats,
            student=student,
            schedule=replace(default, **settings.schedule) if settings.schedule else None,
            prior=settings.prior,
            votes=vote_counts(
                inputs.model.features, inputs.cases.columns, len(inputs.cases.classes)
            ),
            validation=cut.validation,
            test_share=cut.test_share,
            columns=settings.columns,
            seed=inputs.seed,
            device=settings.device,
            out=folder,
            resume=settings.resume,
            workers=settings.workers,
            keep_students=settings.keep_students,
            identity={"model": inputs.model_record(), "engine": describe_engine(settings.engine)},
            progress=not settings.quiet,
            say=say,
        )
        inputs.record(folder, "compare", arguments)
        record(folder, status="done")
    if settings.track is not None:
        track_run(folder, settings.track, say=say)
    return done
