"""``labelppl compare``: every method on your own data, like with like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options
from .shared import teller
from .training_options import read_training, training

if TYPE_CHECKING:
    from labelppl.comparison.methods import MethodLike


@click.command(
    epilog="Example: labelppl compare --model hip.py --methods hard,smooth,prob,reg --repeats 3"
)
@options.labels
@options.data
@click.option(
    "--run",
    "--out",
    "run",
    type=options.FILE,
    help="Folder of the comparison [default: runs/NAME-compare].",
)
@options.delimiters
@options.group
@click.option(
    "--methods",
    metavar="A,B,C",
    help="Methods by name, or NAME=FILE.py:TARGET for your own [default: all that the evidence allows].",
)
@click.option(
    "--repeats",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Seeds, and splits where the table has none.",
)
@options.engine
@training
@click.option(
    "--validation",
    type=click.FloatRange(0, 1, max_open=True),
    help="Share of the training cases set aside where the table has no val rows; 0: lambda by cross-validation  [default: 0.2].",
)
@click.option(
    "--test-share",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of the cases that is tested where the table has no split  [default: 0.3].",
)
@click.option(
    "--columns",
    metavar="KEY,KEY",
    help="Metrics that compare.md shows, such as accuracy,macro_accuracy,hl_p [default: the usual ones].",
)
@click.option(
    "--jobs",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Trainings side by side, each in a process with one thread.",
)
@click.option(
    "--ray",
    metavar="ADDRESS",
    help="Ray cluster that shares out the trainings, or 'local' with --jobs workers; needs labelppl[scale].",
)
@options.seed
@options.device
@click.option("--resume", is_flag=True, help="Continue an interrupted comparison.")
@click.option(
    "--keep-students",
    is_flag=True,
    help="Save every student, in parts/METHOD-REPEAT of the folder.",
)
@click.option(
    "--force", is_flag=True, help="Compare on soft labels of a fit that failed its checks."
)
@options.track
@options.quiet
def compare(**arguments: Any) -> None:
    """Train the same student by each method, with the same schedule and seeds, and compare the test metrics.

    lambda and checkpoints are chosen on validation cases, or lambda by cross-validation: never on test cases. Writes
    compare.csv, compare.md and compare.json with 95 % intervals and paired differences to hard labels. Without --model,
    --label COLUMN, --votes or --soft say what the labels are.
    """
    from labelppl.jobs.compare import CompareSettings, compare_job

    chosen = read_training(arguments)
    inputs = options.open_inputs(arguments)
    folder = arguments["run"] or options.run_folder(None, inputs.model_name).with_name(
        f"{Path(inputs.model_name).stem}-compare"
    )
    names = (
        "repeats",
        "validation",
        "test_share",
        "engine",
        "device",
        "resume",
        "keep_students",
        "force",
        "track",
        "quiet",
        "jobs",
        "ray",
    )
    columns = arguments["columns"]
    settings = CompareSettings(
        columns=[key.strip() for key in columns.split(",")] if columns else None,
        methods=_methods(arguments["methods"]),
        student=chosen.student,
        schedule=chosen.schedule,
        prior=chosen.prior,
        **{name: arguments[name] for name in names},
    )
    done = compare_job(inputs, folder, settings, say=teller())
    click.echo(done.to_markdown())
    click.echo(f"comparison in {folder}")


def _methods(text: str | None) -> list[MethodLike] | None:
    """``hard,mine=targets.py:Mine`` -> names, and objects of the user's own."""
    from labelppl.python_files import load_object

    if not text:
        return None
    chosen: list[MethodLike] = []
    for part in text.split(","):
        name, equals, place = part.strip().partition("=")
        chosen.append((name, load_object(place)) if equals else name)
    return chosen
