"""``labelppl distill``: the whole job, from measurements to an image classifier."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options
from .shared import teller

if TYPE_CHECKING:
    from labelppl.table import Delimiters


@click.command(epilog="Example: labelppl distill --model hip.py --seed 1 --out runs/hip-1")
@options.model
@options.model_options
@options.data
@options.out
@options.delimiters
@options.group
@options.engine
@options.leave_out
@options.prevalence
@options.student
@click.option("--weights", type=options.FILE, help="Local safetensors file of a timm backbone.")
@options.image_size
@click.option(
    "--stream/--no-stream",
    default=None,
    help="Decode images when they are needed, or keep them in memory; by default whichever fits: they stream when "
    "their pixels exceed a quarter of the memory available. Same weights.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    help="Processes that decode streamed images (default: the cores but one, 16 at most).",
)
@options.augment
@options.epochs
@options.lam
@click.option(
    "--folds",
    default=3,
    show_default=True,
    type=click.IntRange(min=2),
    help="Folds of the cross-validation behind --lam auto.",
)
@options.seed
@options.device
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@click.option(
    "--force", is_flag=True, help="Train on soft labels of a fit that failed its checks; recorded."
)
@options.quiet
def distill(
    lam: str,
    prevalence: tuple[str, ...],
    model_name: str,
    model_options: tuple[str, ...],
    data: Path | None,
    run: Path | None,
    delimiters: Delimiters,
    group: str,
    **settings: Any,
) -> None:
    """Fit the label model, make soft labels, and train an image classifier on them.

    Step 1 learns p(Y|Z); step 2 learns the hard labels under the prior N(theta_p, I/(2 lam)). Writes the posterior, soft
    labels, student, predictions, metrics and report into the run folder. Where 0 < lam < inf the student carries a
    Laplace posterior of its last layer, which predict turns into uncertainty.
    """
    from labelppl.jobs.distill import DistillSettings, distill_job
    from labelppl.jobs.inputs import Inputs

    seed = settings["seed"]
    inputs = Inputs.open(
        options.open_model(model_name, model_options), model_name, data, group, seed, delimiters
    )
    chosen = DistillSettings(
        lam=options.read_lam(lam), prevalence=options.read_prevalence(prevalence), **settings
    )
    distill_job(inputs, options.run_folder(run, model_name), chosen, say=teller())
