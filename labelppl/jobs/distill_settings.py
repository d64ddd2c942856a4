"""The options of ``distill``, and what a resumed run must share with the one that it continues."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..case_images import CaseImages
from ..distillation.distill import check_goal
from ..distillation.prior_options import PriorOptions
from ..errors import InputError
from ..images.by_case import digest_of_images
from ..prevalence import read_prevalence
from ..records import describe
from ..runs import sha256
from ..softlabels.labels import LeaveOut
from ..students.options import StudentOptions
from ..table import Cases
from ..targets import make_target
from ..targets.base import Target
from .engines import describe_engine
from .inputs import Inputs


@dataclass(frozen=True, eq=False)
class DistillSettings:
    """The options of ``labelppl distill``; see there.

    schedule, map_schedule: fields of `Schedule` that differ from the default for the number of cases. track: the store that
    is told of the finished run, None: none.
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
    track: str | None = None

    def record(self) -> dict[str, Any]:
        """All that decides the run."""
        record: dict[str, Any] = describe(
            {
                "student": self.student,
                "target": None if self.target is None else make_target(self.target),
                "schedule": self.schedule,
                "map_schedule": self.map_schedule,
                "prior": self.prior,
                "engine": describe_engine(self.engine),
                "leave_out": self.leave_out,
                "device": self.device,
            }
        )
        return record


def check_settings(settings: DistillSettings, cases: Cases) -> None:
    if settings.prevalence is not None:
        read_prevalence(settings.prevalence, cases.classes)
    check_goal(make_target(settings.target or "prob"), settings.student, settings.prior, cases)
    for split in ("train", "test"):
        if not (cases.split == split).any():
            raise InputError(
                f"{cases.path}: no case in the {split} split; expected at least one; mend the split column"
            )


def run_identity(
    inputs: Inputs, images: Sequence[CaseImages], settings: DistillSettings
) -> dict[str, Any]:
    """What a resumed run must share with the one that it continues: records, and digests of data and images."""
    assert inputs.cases.path is not None
    identity: dict[str, Any] = describe(
        {
            "model": inputs.model_record(),
            "data": {"path": inputs.cases.path.resolve(), "sha256": sha256(inputs.cases.path)},
            "images": digest_of_images(images),
            "group": inputs.group,
            "split": inputs.cut.record(),
            "seed": settings.seed,
            **settings.record(),
        }
    )
    return identity
