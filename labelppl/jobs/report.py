"""``report``: the run folder as one page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..case_images import paths_of
from ..errors import InputError
from ..report.run_files import MADE_BY, PAGE_SOURCES, missing_files
from ..report.write import write_report
from ..runs import read_json, step, verify
from ..table import Cases
from .embedding import write_embedding
from .inputs import cases_without_model
from .telling import Teller


def report_job(run: Path, *, say: Teller) -> Path:
    """Write ``report.html`` from the files of the run, with pictures of the cases; no model file is executed.

    Raises InputError where there is no run, and for a file that is not the one the run wrote.
    """
    missing_files(run)
    for name in (*MADE_BY, *PAGE_SOURCES):
        verify(run, name)
    with step(run, "report", {}, say.command_line):
        cases = _cases(run, say)
        if cases is not None and (run / "student.json").is_file():
            reason = write_embedding(run, cases, int(read_json(run / "run.json").get("seed", 0)))
            if reason is not None:
                say.detail(f"no map of the images: {reason}")
        page = write_report(run, None if cases is None else pictures_of(cases))
    say(f"report in {page}")
    return page


def pictures_of(cases: Cases) -> Mapping[str, Path]:
    """The image file of each case, the first where it has several."""
    if cases.images is None:
        return {}
    return {
        str(case): paths_of(images)[0] for case, images in zip(cases.ids, cases.images, strict=True)
    }


def _cases(run: Path, say: Teller) -> Cases | None:
    """The cases of the run's table, None where it is gone or has changed."""
    try:
        return cases_without_model(run)
    except InputError as error:
        say(f"no pictures of the cases: {error}")
        return None
