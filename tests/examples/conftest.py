"""The studies as modules: their scripts lie beside the package `studies`, as they do for who runs them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def study() -> Callable[[str], Any]:
    """A module of examples/ by its name."""
    sys.path.insert(0, str(EXAMPLES))
    return import_module


@pytest.fixture(scope="session")
def run_study(study: Callable[[str], Any]) -> Callable[..., Result]:
    """The command of a script, run in this process: name, then its options."""

    def run(name: str, *options: str) -> Result:
        return CliRunner().invoke(study(name).main, list(options))

    return run
