"""``labelppl simulate``: a phantom data set whose true p(Y|X) is known."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


def _list(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print the phantoms, one a line, and end."""
    if not wanted or context.resilient_parsing:
        return
    from labelppl.phantoms import PHANTOMS

    for name, kind in PHANTOMS.items():
        click.echo(f"{name:<10}{kind().summary}")
    context.exit()


@click.command(epilog="Example: labelppl simulate hip --out hips --cases 612 --seed 0")
@click.argument("phantom", metavar="NAME|FILE.py:NAME")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list,
    help="List the phantoms and end.",
)
@click.option(
    "--out",
    "--run",
    "out",
    type=options.FILE,
    required=True,
    help="New folder for the table, images and model file.",
)
@click.option("--cases", type=int, help="How many cases [default: the phantom's own, mostly 612].")
@click.option("--test", type=int, help="How many become the test split [default: 30 %].")
@click.option(
    "--size", type=int, help="Image side in pixels [default: the phantom's own, mostly 128]."
)
@click.option("--classes", type=int, help="How many organs, 3 to 165 (phantom organs only).")
@click.option(
    "--misspecified",
    is_flag=True,
    help="The model file leaves out a measurement: its p(Y|Z) loses 5 to 10 points of accuracy.",
)
@options.seed
def simulate(
    phantom: str,
    out: Path,
    cases: int | None,
    test: int | None,
    size: int | None,
    classes: int | None,
    misspecified: bool,
    seed: int,
) -> None:
    """Simulate a data set with its model file: images, measurements, labels and the true p(Y|X).

    NAME is a phantom (--list names them); FILE.py:NAME is one of your own.
    """
    from labelppl.phantoms import find_phantom
    from labelppl.phantoms import simulate as simulate_phantom

    chosen = find_phantom(phantom, **({} if classes is None else {"classes": classes}))
    folder = simulate_phantom(
        chosen, out, cases=cases, test=test, seed=seed, size=size, misspecified=misspecified
    )
    click.echo(
        f"{chosen.cases if cases is None else cases} {chosen.name} phantoms in {folder}; next: "
        f"cd {out} && labelppl distill --model {chosen.name}.py"
    )
