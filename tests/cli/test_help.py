"""The command line answers quickly, and every verb shows an example that parses."""

from __future__ import annotations

import shlex
import subprocess
import sys

import click
import pytest
from labelppl.cli import main


@pytest.mark.parametrize("verb", sorted(main.commands))
def test_every_verb_has_help_and_an_example_that_parses(verb: str) -> None:
    command = main.commands[verb]
    assert command.help
    assert command.epilog is not None
    example = command.epilog.removeprefix("Example: ")
    words = shlex.split(example)
    assert words[:2] == ["labelppl", verb]
    command.make_context(verb, words[2:])


@pytest.mark.parametrize("verb", sorted(main.commands))
def test_every_option_is_explained(verb: str) -> None:
    for parameter in main.commands[verb].params:
        assert isinstance(parameter, click.Argument) or parameter.help, parameter.name


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom labelppl.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "heavy = {'torch', 'pyro', 'pandas', 'numpy', 'arviz'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "distill" in done.stdout
