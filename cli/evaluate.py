"""``labelppl evaluate``: student + cases -> metrics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from labelppl.table import Delimiters

from . import options
from .shared import teller


@click.command(epilog="Example: labelppl evaluate --run runs/hip")
@options.run
@click.option("--data", type=options.FILE, help="Another cases table [default: the run's own].")
@options.delimiters
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
@click.option(
    "--by",
    multiple=True,
    metavar="COLUMN",
    help="Also measure the subgroups of this column of the table, or of how many images a case has (images); may be repeated.",
)
@click.option(
    "--operating-point",
    metavar="RULE",
    help="Threshold: sensitivity=0.9 (chosen on validation cases), costs=1:10 (a false alarm : a miss), threshold=0.3 "
    "[default: threshold=0.5].",
)
@click.option(
    "--positive", metavar="CLASS", help="The class that is called [default: the second of two]."
)
@options.prevalence
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="KEY|FILE.py:NAME",
    help="One more metric: kl_dcic, mix_ece, top3, or a record of your own; may be repeated.",
)
@click.option(
    "--top", type=click.IntRange(min=1), help="k of top-k accuracy, with more than two classes."
)
@click.option(
    "--label-draws",
    default=0,
    type=click.IntRange(min=0),
    metavar="N",
    help="Measure against N draws of p(Y|Z): the posterior of accuracy and AUC. Runs the model file.",
)
@options.raw
@options.trust
@options.seed
@options.own_student
def evaluate(
    run: Path,
    metrics: tuple[str, ...],
    prevalence: tuple[str, ...],
    delimiters: Delimiters,
    **chosen: Any,
) -> None:
    """Measure the student on held-out cases; writes metrics.json, predictions.parquet and curves.csv.

    --prevalence is where the student is used: costs, PPV and NPV hold there.
    """
    from labelppl.jobs.evaluate import EvaluateSettings, evaluate_job
    from labelppl.python_files import load_object, names_object

    settings = EvaluateSettings(
        metrics=tuple(load_object(text) if names_object(text) else text for text in metrics),
        prevalence=options.read_prevalence(prevalence),
        delimiters=options.stated_delimiters(delimiters),
        **chosen,
    )
    evaluate_job(run, settings, say=teller())
