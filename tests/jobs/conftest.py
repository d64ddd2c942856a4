"""A small data set, and what calls a command in this process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from labelppl.cli import main

Call = Callable[..., Result]


@pytest.fixture(scope="session")
def call() -> Call:
    """Call the command line in this process, inside a folder."""

    def run(folder: Path, *arguments: object) -> Result:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            return CliRunner().invoke(main, [str(a) for a in arguments])

    return run


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory, call: Call) -> Path:
    """60 hips of 32 x 32 pixels."""
    folder = tmp_path_factory.mktemp("jobs") / "hip"
    result = call(folder.parent, "simulate", "hip", "--out", "hip", "--cases", 60, "--size", 32)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def hips(originals: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(originals, tmp_path / "hip"))
