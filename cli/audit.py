"""``labelppl audit``: soft labels -> doubted labels and why, leaks, duplicates, cohort."""

from __future__ import annotations

from pathlib import Path

import click

from . import options
from .shared import teller


@click.command(epilog="Example: labelppl audit --run runs/hip")
@options.run
@click.option(
    "--out", type=options.FILE, help="Where to write [default: audit.csv in the run folder]."
)
@click.option(
    "--images/--no-images", default=True, show_default=True, help="Look for near-duplicate images."
)
@click.option("--case", metavar="ID", help="Only explain the soft label of this case.")
def audit(run: Path, out: Path | None, images: bool, case: str | None) -> None:
    """List given labels that the measurements contradict, with the reason for each.

    Writes audit.csv (labelled cases, the most doubtful first), cohort.csv and duplicates.csv (images that are the same or
    nearly so). Runs no model file: what it must know was written by ``labelppl label`` or ``distill``.
    """
    from labelppl.jobs.audit import audit_job, explain_job

    if case is not None:
        return explain_job(run, case, say=teller())
    audit_job(run, out=out, images=images, say=teller())
    return None
