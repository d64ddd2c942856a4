"""``labelppl label``: posterior + cases -> soft labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelppl.errors import InputError

if TYPE_CHECKING:
    from labelppl.softlabels.labels import LeaveOut
    from labelppl.table import Delimiters

from . import options
from .shared import teller


@click.command(epilog="Example: labelppl label --run runs/hip --prevalence dysplastic=0.03")
@click.option(
    "--run", "run", type=options.FILE, help="Run folder [default with --model: runs/NAME]."
)
@click.option(
    "--model",
    "model_name",
    metavar="FILE.py|NAME",
    help="Fit this label model first, or use the matching fit in the run folder.",
)
@options.model_options
@click.option(
    "--data",
    type=options.FILE,
    help="Another cases table, or a folder of tables [default: the one that was fitted]; with --model, the table to fit and "
    "to label.",
)
@click.option(
    "--out",
    type=options.FILE,
    help="Where to write [default: labels.parquet in the run folder; of a folder of tables, the folder labels in it].",
)
@options.delimiters
@options.group
@options.engine
@options.leave_out
@options.prevalence
@click.option(
    "--draws",
    type=click.IntRange(min=1),
    help="Draws for cases that are not left out [default: 4096; 200 in batches].",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Worker processes for a folder of tables, each with one thread [default: one for each core].",
)
@click.option(
    "--ray",
    metavar="ADDRESS",
    help="Ray cluster that shares out a folder of tables, or 'local'; needs labelppl[scale].",
)
@options.seed
@options.trust
def label(
    run: Path | None,
    model_name: str | None,
    model_options: tuple[str, ...],
    data: Path | None,
    out: Path | None,
    delimiters: Delimiters,
    group: str,
    engine: str,
    leave_out: LeaveOut,
    prevalence: tuple[str, ...],
    draws: int | None,
    jobs: int | None,
    ray: str | None,
    seed: int,
    trust: bool,
) -> None:
    """Write p(Y|Z) of every case, with intervals and uncertainty, from a fitted run.

    Cases fitted with their label are labelled as if it had been left out, unless --leave-out says otherwise.
    A table of more than 100,000 rows is labelled in batches, in the memory of one; the tables of a folder are labelled side by
    side, and a file that is there already is kept.
    ``--prevalence auto`` estimates it from the measurements of the new cases. With --model, the label model is fitted
    first; --option, --group, --engine and --seed belong to that fit.
    """
    from labelppl.jobs.inputs import Inputs
    from labelppl.jobs.label import LabelSettings, label_job, label_model_job

    shift = options.read_prevalence_or_auto(prevalence)
    if model_name is None:
        if run is None:
            raise InputError(
                "label: give --run DIR with a fitted run, or --model FILE.py to fit first"
            )
        written = options.stated_delimiters(delimiters)
        settings = LabelSettings(data, out, leave_out, shift, draws, trust, written, jobs, ray)
        return label_job(run, settings, say=teller())
    if data is not None and data.is_dir():
        raise InputError(
            f"--data {data}: is a folder, but with --model it is the table that is fitted; run labelppl fit first, then "
            f"labelppl label --run DIR --data {data}"
        )
    model = options.open_model(model_name, model_options)
    inputs = Inputs.open(model, model_name, data, group, seed, delimiters)
    settings = LabelSettings(None, out, leave_out, shift, draws, trust, None, jobs, ray)
    return label_model_job(
        inputs, options.run_folder(run, model_name), engine, settings, say=teller()
    )
