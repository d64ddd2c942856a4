"""``labelppl recalibrate``: validation cases -> probabilities that mean what they say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from labelppl.table import Delimiters

from . import options
from .shared import teller


@click.command(epilog="Example: labelppl recalibrate --run runs/hip --conformal 0.1")
@options.run
@click.option(
    "--data", type=options.FILE, help="Calibration cases [default: the run's validation cases]."
)
@options.delimiters
@click.option(
    "--map",
    "map_",
    default="auto",
    show_default=True,
    metavar="NAME|FILE.py:NAME",
    help="auto (what measures best in 5 folds, none where nothing does), none, temperature, platt, beta, isotonic, "
    "dirichlet, venn-abers, or a class of your own.",
)
@click.option(
    "--to",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "hard", "soft", "draws"]),
    help="Fit to hard labels or to p(Y|Z); auto: soft where the run has them.",
)
@click.option(
    "--conformal",
    "alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="ALPHA",
    help="Also make prediction sets that miss the label with this frequency.",
)
@click.option(
    "--by-class", is_flag=True, help="Prediction sets that keep their promise in every class."
)
@click.option(
    "--score",
    default="label",
    show_default=True,
    type=click.Choice(["label", "adaptive"]),
    help="Of the prediction sets.",
)
@click.option(
    "--labels-per-case",
    type=click.IntRange(min=1),
    help="Labels drawn per case from p(Y|Z) for the sets [default: their limit, without drawing].",
)
@click.option(
    "--max-risk",
    "risk",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="Also answer only so many cases that at most this share of the answers is wrong.",
)
@click.option(
    "--confidence",
    type=click.Choice(["largest", "normalised"]),
    help="What ranks the cases [default: the better of both; normalised needs more than two classes].",
)
@options.own_student
@options.trust
@options.seed
def recalibrate(run: Path, map_: str, delimiters: Delimiters, **chosen: Any) -> None:
    """Fit a map on validation cases, so that a probability of .8 is right 8 times in 10.

    Writes calibration.json and, with --conformal, conformal.json into the run folder. predict, evaluate and report apply
    them; --raw there switches them off.
    """
    from labelppl.jobs.recalibrate import RecalibrateSettings, recalibrate_job

    settings = RecalibrateSettings(
        map=map_, delimiters=options.stated_delimiters(delimiters), **chosen
    )
    recalibrate_job(run, settings, say=teller())
