"""The student of a run, as jobs measure it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..students.load import load_student
from ..students.options import StudentLike
from ..students.student import Student


def study_student(
    run: Path, *, raw: bool = False, network: StudentLike | None = None
) -> tuple[Student, bool]:
    """The run's student at the study prevalence, and whether it was set to another.

    raw: nothing in force but its own softmax. network: of a student of the user's own.
    """
    student = load_student(run, raw=raw, network=network)
    moved = student.spec.deployment_prevalence is not None
    student = replace(student, spec=replace(student.spec, deployment_prevalence=None))
    return student, moved
