"""``report``: the run folder as one page."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from ..report.run_files import MADE_BY
from ..report.write import write_report
from ..runs import step, verify
from .telling import Teller


def report_job(run: Path, *, say: Teller) -> Path:
    """Write ``report.html`` from the files of the run, none of which is executed.

    Raises InputError where there is no run, and for a file that is not the one the run wrote.
    """
    if not run.is_dir():
        raise InputError(f"{run}: no such folder, expected a run folder; give --run DIR")
    for name in MADE_BY:
        verify(run, name)
    with step(run, "report", {}, say.command_line):
        page = write_report(run)
    say(f"report in {page}")
    return page
