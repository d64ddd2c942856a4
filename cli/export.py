"""``labelppl export``: a run's student -> one ONNX file, its model card, a page for the browser."""

from __future__ import annotations

from pathlib import Path

import click

from . import options
from .shared import teller


@click.command(epilog="Example: labelppl export --run runs/hip --browser hip-page")
@options.run
@click.option(
    "--out", type=options.FILE, help="ONNX file [default: student.onnx in the run folder]."
)
@click.option(
    "--browser",
    type=options.FILE,
    metavar="DIR",
    help="Also write a folder of static files that classifies images in a browser.",
)
@options.prevalence
@options.raw
@options.own_student
@options.trust
def export(
    run: Path,
    out: Path | None,
    browser: Path | None,
    prevalence: tuple[str, ...],
    raw: bool,
    student: str | None,
    trust: bool,
) -> None:
    """Write the student as one ONNX file that any ONNX runtime can run.

    Resizing, normalisation, what recalibrate put in force, the prevalence and the uncertainty stand inside. The file is
    kept only where it gives the student's numbers to 1e-4. model-card.md is written beside it. labelppl predict --onnx
    runs the file without torch.
    """
    from labelppl.jobs.export import export_job

    export_job(
        run,
        out=out,
        browser=browser,
        prevalence=options.read_prevalence(prevalence),
        raw=raw,
        student=student,
        trust=trust,
        say=teller(),
    )
