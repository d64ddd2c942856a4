"""``labelppl compare``: every method on your own data, like with like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options
from .shared import teller

if TYPE_CHECKING:
    from labelppl.table import Delimiters


@click.command(
    epilog="Example: labelppl compare --model hip.py --methods hard,smooth,prob,reg --repeats 3"
)
@options.model
@options.model_options
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
    "--methods", metavar="A,B,C", help="Methods by name [default: all that the evidence allows]."
)
@click.option(
    "--repeats",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Seeds, and splits where the table has none.",
)
@options.engine
@options.student
@options.image_size
@options.augment
@options.epochs
@options.lam
@click.option(
    "--validation",
    default=0.2,
    show_default=True,
    type=click.FloatRange(0, 1, max_open=True),
    help="Share of the training cases set aside where the table has no val rows; 0: lambda by cross-validation.",
)
@click.option(
    "--columns",
    metavar="KEY,KEY",
    help="Metrics that compare.md shows, such as accuracy,macro_accuracy,hl_p [default: the usual ones].",
)
@options.seed
@options.device
@click.option("--resume", is_flag=True, help="Continue an interrupted comparison.")
@click.option(
    "--force", is_flag=True, help="Compare on soft labels of a fit that failed its checks."
)
@options.quiet
def compare(
    model_name: str,
    model_options: tuple[str, ...],
    data: Path | None,
    run: Path | None,
    delimiters: Delimiters,
    group: str,
    methods: str | None,
    repeats: int,
    engine: str,
    student: str,
    image_size: int | None,
    augment: str,
    epochs: int | None,
    lam: str,
    validation: float,
    columns: str | None,
    seed: int,
    device: str,
    resume: bool,
    force: bool,
    quiet: bool,
) -> None:
    """Train the same student by each method, with the same schedule and seeds, and compare the test metrics.

    lambda and checkpoints are chosen on validation cases, or lambda by cross-validation: never on test cases. Writes
    compare.csv, compare.md and compare.json with 95 % intervals and paired differences to hard labels.
    """
    from labelppl.jobs.compare import compare_job
    from labelppl.jobs.inputs import Inputs

    strength = options.read_lam(lam)
    inputs = Inputs.open(
        options.open_model(model_name, model_options), model_name, data, group, seed, delimiters
    )
    folder = run or options.run_folder(None, model_name).with_name(
        f"{Path(model_name).stem}-compare"
    )
    done = compare_job(
        inputs,
        folder,
        methods=[name.strip() for name in methods.split(",")] if methods else None,
        repeats=repeats,
        engine=engine,
        student=student,
        image_size=image_size,
        augment=augment,
        epochs=epochs,
        lam=strength,
        validation=validation,
        columns=[key.strip() for key in columns.split(",")] if columns else None,
        device=device,
        resume=resume,
        force=force,
        quiet=quiet,
        say=teller(),
    )
    click.echo(done.to_markdown())
    click.echo(f"comparison in {folder}")
