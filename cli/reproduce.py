"""``labelppl reproduce``: a run again, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from . import options
from .shared import teller


@click.command(epilog="Example: labelppl reproduce --run runs/hip")
@options.run
@click.option(
    "--out", type=options.FILE, help="New folder for the repeated run [default: a temporary one]."
)
@options.trust
def reproduce(run: Path, out: Path | None, trust: bool) -> None:
    """Run every step of RUN again from its run.json, and say of each file whether it is the same.

    The model file, the table and the images must be as they were. Ends with status 1 where a file differs.
    """
    from labelppl.jobs.reproduce import reproduce_job

    reproduce_job(run, out, trust=trust, call=_call, say=teller())


def _call(words: Sequence[str]) -> int:
    """Run one command line in this process; errors pass through."""
    from . import main

    status = main.main(list(words), standalone_mode=False)
    return status if isinstance(status, int) else 0
