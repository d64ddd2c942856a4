"""``labelppl distill``: the whole job, from measurements, votes or labels to an image classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from . import options
from .shared import teller
from .training_options import Training, read_training, training

if TYPE_CHECKING:
    from labelppl.jobs.inputs import Inputs


@click.command(epilog="Example: labelppl distill --model hip.py --seed 1 --out runs/hip-1")
@options.labels
@options.data
@options.out
@options.delimiters
@options.group
@options.engine
@options.leave_out
@options.prevalence
@click.option(
    "--target",
    help="What step 1 learns: a method's name or your own FILE.py:NAME  [default: prob; hard or mean-vote without soft "
    "labels].",
)
@training
@click.option(
    "--test-share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of the cases that is tested where the table has no split  [default: 0.3].",
)
@click.option(
    "--validation",
    type=click.FloatRange(0, 1, max_open=True),
    help="Share of the training cases set aside where the table has no val rows  [default: none].",
)
@options.seed
@options.device
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@click.option(
    "--force", is_flag=True, help="Train on soft labels of a fit that failed its checks; recorded."
)
@options.track
@options.quiet
def distill(**arguments: Any) -> None:
    """Fit the label model, make soft labels, and train an image classifier on them.

    Step 1 learns p(Y|Z); step 2 learns the hard labels under the prior N(theta_p, I/(2 lam)). Writes the posterior, soft
    labels, student, predictions, metrics and report into the run folder. Where 0 < lam < inf the student carries a
    Laplace posterior of its last layer, which predict turns into uncertainty. Without --model, --label COLUMN, --votes or
    --soft say what the labels are.
    """
    from labelppl.jobs.distill import distill_job
    from labelppl.jobs.distill_settings import DistillSettings
    from labelppl.python_files import load_object, names_object
    from labelppl.training.group import join_group

    def read() -> tuple[Training, Inputs]:
        chosen = read_training(arguments)
        inputs = options.open_inputs(arguments)
        return chosen, inputs.with_cut(arguments["test_share"], arguments["validation"])

    chosen, inputs = join_group().in_turn(read)
    target = arguments["target"]
    settings = DistillSettings(
        student=chosen.student,
        target=load_object(target) if target and names_object(target) else target,
        schedule=chosen.schedule,
        prior=chosen.prior,
        prevalence=options.read_prevalence(arguments["prevalence"]),
        **{
            name: arguments[name]
            for name in (
                "engine",
                "leave_out",
                "seed",
                "device",
                "resume",
                "force",
                "track",
                "quiet",
            )
        },
    )
    folder = options.run_folder(arguments["run"], inputs.model_name)
    distill_job(inputs, folder, settings, say=teller())
