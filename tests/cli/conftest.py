"""A small data set and a finished run, made once through the command line itself."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from labelppl.cli import main

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def labelppl() -> Run:
    """Call the command line in this process, optionally inside a folder."""

    def call(*arguments: object, folder: Path | None = None) -> Result:
        with pytest.MonkeyPatch.context() as patch:
            if folder is not None:
                patch.chdir(folder)
            return CliRunner().invoke(main, [str(a) for a in arguments])

    return call


@pytest.fixture(scope="session")
def hips(tmp_path_factory: pytest.TempPathFactory, labelppl: Run) -> Path:
    """A folder made by `simulate hip`: 60 cases of 32 x 32 pixels."""
    folder = tmp_path_factory.mktemp("data") / "hips"
    result = labelppl("simulate", "hip", "--out", folder, "--cases", 60, "--size", 32)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="session")
def run(hips: Path, labelppl: Run) -> Path:
    """A finished run in `hips`, made by `distill` with one epoch."""
    result = labelppl(
        "distill", "--model", "hip.py", "--epochs", 1, "--lam", 1, "--quiet", folder=hips
    )
    assert result.exit_code == 0, result.output
    return hips / "runs" / "hip"


@pytest.fixture
def own_hips(hips: Path, tmp_path: Path) -> Path:
    """A copy of `hips` that a test may spoil."""
    return Path(shutil.copytree(hips, tmp_path / "hips", ignore=shutil.ignore_patterns("runs")))
