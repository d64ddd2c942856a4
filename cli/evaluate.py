"""``labelppl evaluate``: student + cases -> metrics."""

from __future__ import annotations

from pathlib import Path

import click

from . import options
from .shared import teller


@click.command(epilog="Example: labelppl evaluate --run runs/hip")
@options.run
@click.option("--data", type=options.FILE, help="Another cases table [default: the run's own].")
@click.option(
    "--split",
    default="test",
    show_default=True,
    type=click.Choice(["train", "val", "test", "all"]),
    help="Which cases.",
)
@click.option(
    "--out", type=options.FILE, help="Where to write [default: metrics.json in the run folder]."
)
@options.seed
@options.own_student
@options.trust
def evaluate(
    run: Path,
    data: Path | None,
    split: str,
    out: Path | None,
    seed: int,
    student: str | None,
    trust: bool,
) -> None:
    """Measure the student on held-out cases; writes metrics.json and predictions.parquet."""
    from labelppl.jobs.evaluate import evaluate_job

    evaluate_job(
        run, data, split=split, out=out, seed=seed, student=student, trust=trust, say=teller()
    )
