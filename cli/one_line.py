"""Commands that end in one line where labelppl says what is wrong."""

from __future__ import annotations

import sys

import click

from labelppl.errors import FailedWork, InputError


class OneLine(click.Command):
    """Exit status 2 for bad input, 1 for work that failed; with ``--debug``, where a command has it, the traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (InputError, FailedWork) as error:
            if ctx.params.get("debug"):
                raise
            click.echo(f"labelppl: {error}", err=True)
            sys.exit(2 if isinstance(error, InputError) else 1)


class OneLineGroup(OneLine, click.Group):
    """The same for all commands of a group."""
