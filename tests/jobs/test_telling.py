"""Long work says how far it is, also without a terminal; a log holds the line that a command fails with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from labelppl.jobs.telling import EVERY, EVERY_VERBOSE, Teller, bar

Call = Callable[..., Result]


@pytest.mark.parametrize(("verbose", "every"), [(False, EVERY), (True, EVERY_VERBOSE)])
def test_a_line_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verbose: bool, every: float
) -> None:
    clock = iter([0.0, every - 0.1, every, 1.5 * every, 2 * every])
    monkeypatch.setattr("labelppl.jobs.telling.time.monotonic", lambda: next(clock))
    lines: list[str] = []
    say = Teller(echo=lines.append, verbose=verbose, log=tmp_path / "log")
    with bar("fit", say) as progress:
        assert progress is not None
        for step in range(1, 5):
            progress(step, 10)
    assert [line.partition(" after")[0] for line in lines] == ["fit: 2 of 10", "fit: 4 of 10"]
    assert (tmp_path / "log").read_text().count("fit: ") == 2


def test_quiet_work_says_nothing() -> None:
    with bar("fit", Teller(quiet=True)) as progress:
        assert progress is None


def test_the_log_holds_the_last_line_too(call: Call, hips: Path) -> None:
    result = call(hips, "fit", "--model", "hip.py", "--run", "r", "--log", "log", "--engine", "no")
    assert result.exit_code == 2
    assert result.output.strip() in (hips / "log").read_text()
