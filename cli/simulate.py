"""``labelppl simulate``: a phantom data set whose true p(Y|X) is known."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command(epilog="Example: labelppl simulate hip --out hips --cases 612 --seed 0")
@click.argument("phantom", metavar="ZOO", type=click.Choice(["hip"]))
@click.option(
    "--out",
    "--run",
    "out",
    type=options.FILE,
    required=True,
    help="New folder for the table, images and model file.",
)
@click.option("--cases", default=612, show_default=True, type=int, help="How many cases.")
@click.option("--test", type=int, help="How many become the test split [default: 30 %].")
@click.option("--size", default=128, show_default=True, type=int, help="Image side in pixels.")
@options.seed
def simulate(phantom: str, out: Path, cases: int, test: int | None, size: int, seed: int) -> None:
    """Simulate a data set with its model file: images, measurements, labels and the true p(Y|X)."""
    from labelppl.model import find_model
    from labelppl.phantoms import simulate_hip

    folder = simulate_hip(
        out, cases=cases, test=test, seed=seed, size=size, model_file=find_model(phantom)
    )
    click.echo(
        f"{cases} {phantom} phantoms in {folder}; next: cd {out} && labelppl distill --model {phantom}.py"
    )
