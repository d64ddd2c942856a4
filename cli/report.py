"""``labelppl report``: run folder -> one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

import click

from . import options
from .shared import teller


@click.command(epilog="Example: labelppl report --run runs/hip")
@options.run
def report(run: Path) -> None:
    """Write report.html: label posteriors, doubtful cases, calibration, learning curves, provenance."""
    from labelppl.jobs.report import report_job

    report_job(run, say=teller())
