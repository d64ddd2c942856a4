"""``labelppl models``: the label models that come with labelppl."""

from __future__ import annotations

import ast

import click


@click.command(epilog="Example: labelppl models")
def models() -> None:
    """List the zoo: each name can be given to --model, and its file is a place to start from."""
    from labelppl.zoo import zoo

    for name, path in zoo().items():
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        click.echo(f"{name:<14} {text.partition(chr(10))[0]}")
