"""Every code block of every page runs as printed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
#: This page is run by its own test, which also compares its pictures.
OWN_TEST = {"inspect-label-posteriors.md"}
PAGES = sorted(p for p in DOCS.glob("*.md") if p.name not in OWN_TEST)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_runs_as_printed(page: Path, read_page: Callable[[Path], None]) -> None:
    read_page(page)
