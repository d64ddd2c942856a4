"""``labelppl check``: a model file and its table -> what is wrong with them, and the mend."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options
from .shared import teller

if TYPE_CHECKING:
    from labelppl.table import Delimiters


@click.command(epilog="Example: labelppl check --model hip.py --sbc")
@options.model
@options.model_options
@options.data
@click.option(
    "--run",
    "--out",
    "run",
    type=options.FILE,
    help="Folder for check.json, sbc.json and coverage.json, which the report shows [default: runs/NAME].",
)
@options.delimiters
@options.group
@options.engine
@click.option(
    "--sbc", is_flag=True, help="Simulation-based calibration of parameters and label posteriors."
)
@click.option(
    "--simulations",
    default=100,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many, with --sbc.",
)
@click.option(
    "--coverage",
    is_flag=True,
    help="Do 90 % intervals of p(Y|Z) cover truths that the prior did not draw?",
)
@click.option(
    "--tables",
    default=40,
    show_default=True,
    type=click.IntRange(min=5, max=10_000),
    help="Simulated in each world, with --coverage.",
)
@click.option(
    "--against",
    help="Other models, FILE,FILE: which predicts the labels better, each case left out?",
)
@options.seed
def check(
    model_name: str,
    model_options: tuple[str, ...],
    data: Path | None,
    run: Path | None,
    delimiters: Delimiters,
    group: str,
    engine: str,
    sbc: bool,
    simulations: int,
    coverage: bool,
    tables: int,
    against: str | None,
    seed: int,
) -> None:
    """Look for mistakes in a model file and its table before and after a fit.

    Sites and columns that do not meet, supports and priors that do not hold the data, label switching, dependence that
    the model misses; with --sbc also whether its posteriors and label posteriors are calibrated, with --coverage whether
    its intervals hold in worlds that the model does not quite describe; with --against which of several models predicts
    the labels better.
    """
    from labelppl.jobs.check import check_job
    from labelppl.jobs.inputs import Inputs

    inputs = Inputs.open(
        options.open_model(model_name, model_options), model_name, data, group, seed, delimiters
    )
    folder = options.run_folder(run, model_name)
    wanted = simulations if sbc else 0
    check_job(
        inputs,
        folder,
        engine=engine,
        simulations=wanted,
        tables=tables if coverage else 0,
        others=[
            Inputs.open(
                options.open_model(name, ()),
                name,
                inputs.cases.path if data is None else data,
                group,
                seed,
                delimiters,
            )
            for name in (against or "").split(",")
            if name
        ],
        seed=seed,
        say=teller(),
    )
