"""``labelppl fit``: label model + cases -> posterior."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options
from .shared import teller

if TYPE_CHECKING:
    from labelppl.table import Delimiters


@click.command(epilog="Example: labelppl fit --model hip.py --run runs/hip")
@options.model
@options.model_options
@options.data
@options.out
@options.delimiters
@options.group
@options.engine
@options.seed
def fit(
    model_name: str,
    model_options: tuple[str, ...],
    data: Path | None,
    run: Path | None,
    delimiters: Delimiters,
    group: str,
    engine: str,
    seed: int,
) -> None:
    """Fit the label model to the training cases; writes posterior.nc for ArviZ.

    The training cases are those of the table's split column, or all cases where there is none.
    """
    from labelppl.jobs.fit import fit_job
    from labelppl.jobs.inputs import Inputs

    inputs = Inputs.open(
        options.open_model(model_name, model_options), model_name, data, group, seed, delimiters
    )
    folder = options.run_folder(run, model_name)
    fit_job(inputs, folder, engine=engine, seed=seed, say=teller())
