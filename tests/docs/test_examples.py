"""Every `>>>` in a docstring runs and prints what it says."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
import torch

import labelppl

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "labelppl").rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The names of `labelppl`, numpy as np, pandas as pd and torch are at hand in every example."""
    module = importlib.import_module(name)
    at_hand = {public: getattr(labelppl, public) for public in labelppl.__all__}
    at_hand |= {"np": np, "pd": pd, "torch": torch}
    monkeypatch.chdir(tmp_path)
    finder, runner = (
        doctest.DocTestFinder(),
        doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS),
    )
    tried = 0
    with mpl.rc_context({"backend": "agg"}):
        for test in finder.find(module, name, globs={**at_hand, **vars(module)}):
            result = runner.run(test)
            assert result.failed == 0, test.name
            tried += result.attempted
    assert tried
