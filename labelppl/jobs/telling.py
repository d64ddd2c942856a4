"""What a job tells its user: progress, warnings as lines, the fit and the prevalence in words; and what it records."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..inference.base import Progress
from ..posterior import Posterior
from ..runs import record
from ..softlabels import SoftLabels

Say = Callable[[str], None]


def fit_record(posterior: Posterior) -> dict[str, Any]:
    return {
        "engine": posterior.sampled.engine,
        "khat": posterior.sampled.khat,
        "diagnostics": dict(posterior.diagnostics),
        "problems": list(posterior.problems),
        "cases": len(posterior.cases),
        "labelled": int(posterior.cases.labelled.sum()),
    }


def fit_line(posterior: Posterior) -> str:
    found = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in posterior.diagnostics.items()
        if not isinstance(value, str)
    )
    tried = posterior.diagnostics.get("tried")
    why = f" ({tried})" if tried else ""
    return f"fitted {len(posterior.cases)} cases by {posterior.sampled.engine}{why}: {found}"


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
def timed(folder: Path, what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    record(folder, seconds={what: round(time.perf_counter() - began, 2)})


@contextmanager
def said_warnings(say: Say) -> Iterator[None]:
    """Warnings of labelppl are told to the user as lines, without Python's file and line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default", UserWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, UserWarning):
            say(f"warning: {warning.message}")


@contextmanager
def bar(what: str, quiet: bool) -> Iterator[Progress | None]:
    """A progress bar on standard error for an inference engine."""
    if quiet:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
