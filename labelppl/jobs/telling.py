"""What a job tells its user: stages, warnings as lines, progress; the fit and the prevalence in words."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import visible
from ..runs import record

if TYPE_CHECKING:
    from ..inference.base import Progress
    from ..posterior import Posterior
    from ..softlabels import SoftLabels

Say = Callable[[str], None]
#: Seconds between two lines of progress where there is no terminal, and with ``--verbose``.
EVERY, EVERY_VERBOSE = 60.0, 10.0


@dataclass(frozen=True)
class Teller:
    """Where a job's lines go: results and warnings always to ``echo``, the rest by the user's wish; all of it to ``log``.

    quiet: results and warnings alone, no progress. verbose: details too. log: a file that gets every line with its time.
    command_line: the words that the user typed after ``labelppl``, which ``run.json`` keeps for ``reproduce``.
    """

    echo: Say = print
    quiet: bool = False
    verbose: bool = False
    log: Path | None = None
    command_line: tuple[str, ...] = ()

    def __call__(self, line: str) -> None:
        """A result or a warning."""
        self._write(line, shown=True)

    def stage(self, line: str) -> None:
        """What the job has done or does now."""
        self._write(line, shown=not self.quiet)

    def detail(self, line: str) -> None:
        """What only the curious want to see."""
        self._write(line, shown=self.verbose)

    def _write(self, line: str, *, shown: bool) -> None:
        line = "\n".join(visible(part) for part in line.split("\n"))
        if shown:
            self.echo(line)
        if self.log is not None:
            log_line(self.log, line)


def log_line(log: Path, line: str) -> None:
    """Append a line with its time to a log."""
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {line}\n")


def fit_record(posterior: Posterior, findings: Sequence[str] = ()) -> dict[str, Any]:
    """What ``run.json`` keeps of a fit; findings: what its check warns of."""
    return {
        "engine": posterior.sampled.engine,
        "khat": posterior.sampled.khat,
        "diagnostics": dict(posterior.diagnostics),
        "problems": list(posterior.problems),
        "findings": list(findings),
        "cases": len(posterior.cases),
        "labelled": int(posterior.cases.labelled.sum()),
    }


def fit_line(posterior: Posterior) -> str:
    measured = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in posterior.diagnostics.items()
        if not isinstance(value, str)
    )
    tried = posterior.diagnostics.get("tried")
    why = f" ({tried})" if tried else ""
    return f"fitted {len(posterior.cases)} cases by {posterior.sampled.engine}{why}: {measured}"


def why_refused(posterior: Posterior) -> str:
    """Why a fit is refused, the cause first, and what to do about it."""
    return (
        f"{'; '.join(posterior.problems)}: the fit by {posterior.sampled.engine} must not be trusted; "
        "run labelppl check for the model's mistakes, or give it priors that are narrower or closer to the data"
    )


def in_force(labels: SoftLabels) -> dict[str, float] | str:
    if labels.prevalence is None:
        return "study"
    return dict(zip(labels.classes, map(float, labels.prevalence), strict=True))


def in_words(labels: SoftLabels) -> str:
    if labels.prevalence is None:
        return "the study prevalence"
    return "prevalence " + ", ".join(
        f"{k} {p:g}" for k, p in zip(labels.classes, labels.prevalence, strict=True)
    )


@contextmanager
def record_time(folder: Path, what: str) -> Iterator[None]:
    """Record how long the block took."""
    began = time.perf_counter()
    yield
    record(folder, seconds={what: round(time.perf_counter() - began, 2)})


@contextmanager
def say_warnings(say: Say) -> Iterator[None]:
    """Warnings of labelppl are told to the user as lines, without Python's file and line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default", UserWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, UserWarning):
            say(f"warning: {warning.message}")


@contextmanager
def bar(what: str, say: Teller) -> Iterator[Progress | None]:
    """Progress of ``what``: a bar on a terminal; elsewhere a line when it begins, and one now and then while it lasts."""
    if say.quiet:
        yield None
        return
    if not sys.stderr.isatty():
        print(f"{what} …", file=sys.stderr, flush=True)
        yield _lines(what, say)
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def _lines(what: str, say: Teller) -> Progress:
    """Tells how far it is, at most every `EVERY` seconds."""
    from ..inference.cost import in_time

    began = last = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= (EVERY_VERBOSE if say.verbose else EVERY):
            last = now
            say.stage(f"{what}: {done:,} of {total:,} after {in_time(now - began)}")

    return tell
