"""``labelppl distill``: the whole job, from measurements to an image classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from labelppl.errors import InputError

from . import options


@click.command(epilog="Example: labelppl distill --model hip.py --seed 1 --out runs/hip-1")
@options.model
@options.model_options
@options.data
@options.out
@options.group
@options.method
@options.targets
@options.prevalence
@click.option(
    "--student", default="cnn", show_default=True, help="cnn (the paper's network) or timm:NAME."
)
@click.option("--weights", type=options.FILE, help="Local safetensors file of a timm backbone.")
@click.option(
    "--image-size",
    type=click.IntRange(min=32),
    help="Resize images to this side [default: as they are].",
)
@click.option("--augment", default="none", show_default=True, help="Augmentation preset.")
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    help="Epochs of each step [default: by the number of cases].",
)
@click.option(
    "--lam",
    default="auto",
    show_default=True,
    metavar="auto|NUMBER",
    help="Half the precision of the weight prior; inf stays at step 1.",
)
@click.option(
    "--folds",
    default=5,
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
    group: str,
    **settings: Any,
) -> None:
    """Fit the label model, make soft labels, and train an image classifier on them.

    Step 1 learns p(Y|Z); step 2 learns the hard labels under the prior N(theta_p, I/(2 lam)). Writes the posterior, soft
    labels, student, predictions, metrics and report into the run folder.
    """
    from labelppl.jobs.distill import DistillSettings, distill_job
    from labelppl.jobs.source import Source

    seed = settings["seed"]
    source = Source.open(
        options.open_model(model_name, model_options), model_name, data, group, seed
    )
    chosen = DistillSettings(
        lam=_lam(lam), prevalence=options.read_prevalence(prevalence), **settings
    )
    distill_job(source, options.run_folder(run, model_name), chosen, say=click.echo)


def _lam(text: str) -> float | Literal["auto"]:
    if text == "auto":
        return "auto"
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise InputError(
            f"--lam {text}: expected auto or a number of 0 or more (inf stays at the soft labels)"
        )
    return value
