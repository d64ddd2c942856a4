"""The sound data set and run that the broken inputs are made from."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from labelppl.cli import main


@pytest.fixture(scope="session")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set with a finished run ``r``."""
    folder = tmp_path_factory.mktemp("torture") / "hip"
    with pytest.MonkeyPatch.context() as patch:
        for command in (
            ("simulate", "hip", "--out", str(folder), "--cases", "60", "--size", "32"),
            ("distill", "--model", "hip.py", "--image-size", "32", "--epochs", "1", "--lam", "1", "--quiet", "--run", "r"),
        ):  # fmt: skip
            result = CliRunner().invoke(main, command)
            assert result.exit_code == 0, result.output
            patch.chdir(folder)
    return folder
