"""Every broken input ends in its one line, with its status, and with nothing written.

`make test` tries one of each kind and a few more; `make torture` (LABELPPL_TORTURE=1) tries all and prints the counts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .broken_models import broken_models
from .broken_options import broken_options
from .broken_paths import broken_paths
from .broken_runs import broken_runs
from .broken_tables import broken_tables
from .corpus import Broken, Outcome, attempt, counts, own_copy

CORPUS = [*broken_options(), *broken_paths(), *broken_runs(), *broken_models(), *broken_tables()]
WHOLE = bool(os.environ.get("LABELPPL_TORTURE"))
#: Every so many of the corpus in `make test`, beside the first of each kind.
STRIDE = 25


def chosen() -> list[Broken]:
    """All, or the first of each kind and every `STRIDE`-th of the rest."""
    if WHOLE:
        return CORPUS
    first = {broken.kind: broken for broken in reversed(CORPUS)}
    return [b for i, b in enumerate(CORPUS) if i % STRIDE == 0 or first[b.kind] is b]


@pytest.fixture(scope="session")
def outcomes() -> Iterator[list[Outcome]]:
    """What became of each; the counts are printed at the end."""
    every: list[Outcome] = []
    yield every
    print(f"\n{counts(every)}")


@pytest.mark.parametrize("broken", chosen(), ids=str)
def test_a_broken_input_is_one_line(
    broken: Broken, sound: Path, tmp_path: Path, outcomes: list[Outcome]
) -> None:
    folder = own_copy(sound, tmp_path / "hip")
    outcome = attempt(broken, folder)
    outcomes.append(outcome)
    assert not outcome.wrong, f"{outcome.wrong}: {outcome.output}"
    assert not (folder / "EXECUTED").exists()


def test_the_corpus_is_large_and_of_many_kinds() -> None:
    assert len(CORPUS) >= 250
    assert len({broken.kind for broken in CORPUS}) >= 25
    assert len({str(broken) for broken in CORPUS}) == len(CORPUS)
