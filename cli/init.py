"""``labelppl init``: a commented model file to start from."""

from __future__ import annotations

from pathlib import Path

import click

from . import options


@click.command(epilog="Example: labelppl init knee.py")
@click.argument("path", metavar="NAME.py", type=options.FILE)
def init(path: Path) -> None:
    """Write a commented starter model file; an existing file is never overwritten."""
    from labelppl.starter import write_starter

    written = write_starter(path)
    table = written.with_suffix(".csv")
    click.echo(
        f"{written}: edit it, put your table at {table}, then: labelppl check --model {written}"
    )
