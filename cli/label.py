"""``labelppl label``: posterior + cases -> soft labels."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command(epilog="Example: labelppl label --run runs/hip --prevalence dysplastic=0.03")
@options.run
@click.option(
    "--data", type=options.FILE, help="Another cases table [default: the one that was fitted]."
)
@click.option(
    "--out", type=options.FILE, help="Where to write [default: labels.parquet in the run folder]."
)
@options.leave_out
@options.prevalence
def label(
    run: Path, data: Path | None, out: Path | None, leave_out: str, prevalence: tuple[str, ...]
) -> None:
    """Write p(Y|Z) of every case, with intervals and uncertainty, from a fitted run.

    Cases fitted with their label are labelled as if it had been left out, unless --leave-out says otherwise.
    A Parquet file of more than 100,000 rows is labelled in batches, in the memory of one.
    ``--prevalence auto`` estimates it from the measurements of the new cases.
    """
    from labelppl.jobs.fit import label_job

    label_job(
        run,
        data,
        out,
        leave_out=leave_out,
        prevalence=options.read_prevalence_or_auto(prevalence),
        say=click.echo,
    )
