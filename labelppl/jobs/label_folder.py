"""``label`` over a folder of tables: each file by itself, in worker processes or on Ray, with the same bytes either way.

A finished file says in its metadata what it was made of (the posterior, the table, the options). Another call with the same
of them keeps it, so that a call that was interrupted goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from .. import __version__
from ..errors import InputError
from ..posterior import Posterior
from ..runs import sha256, sweep, verify
from ..softlabels import label_parquet
from ..softlabels.labels import LeaveOut
from ..table import Delimiters
from ..workers import Workers, run_tasks
from .inputs import Inputs
from .stated_images import TABLES
from .telling import Teller

#: Key of a labels file's metadata that says what it was made of.
MADE_OF = b"labelppl.made_of"


@dataclass(frozen=True)
class FileTask:
    """One table to label, with all that a worker must know.

    made_of: digest of the posterior, the table and the options.
    """

    run: Path
    source: Path
    out: Path
    leave_out: LeaveOut
    prevalence: Mapping[str, float] | None
    draws: int
    delimiters: Delimiters
    trust: bool
    made_of: str


class FileDone(NamedTuple):
    """rows: how many were labelled. seconds: how long it took. problem: why nothing was written, empty if all is well."""

    rows: int
    seconds: float
    problem: str = ""


def label_folder(
    run: Path,
    source: Path,
    out: Path,
    *,
    leave_out: LeaveOut,
    prevalence: Mapping[str, float] | None,
    draws: int,
    delimiters: Delimiters,
    trust: bool,
    workers: Workers,
    say: Teller,
) -> int:
    """Label every table of the folder ``source`` into ``out``; the number of rows labelled now.

    Raises InputError, after all others are done, where a file cannot be labelled.
    """
    tables = tables_of(source)
    out.mkdir(parents=True, exist_ok=True)
    sweep(out)
    options = {
        "leave_out": leave_out,
        "prevalence": None if prevalence is None else dict(prevalence),
        "draws": draws,
        "delimiters": delimiters.record(),
        "posterior": sha256(verify(run, "posterior.nc")),
        "labelppl": __version__,
    }
    tasks = [
        FileTask(
            run, table, out / f"{_stem(table)}.parquet", leave_out, prevalence, draws, delimiters, trust,
            _digest({**options, "table": sha256(table)}),
        )
        for table in tables
    ]  # fmt: skip
    waiting = [task for task in tasks if made_of(task.out) != task.made_of]
    if len(waiting) < len(tasks):
        say.stage(f"{len(tasks) - len(waiting)} of {len(tasks)} files in {out} are done and kept")
    rows, problems = 0, []
    ended = len(tasks) - len(waiting)
    began = time.perf_counter()
    for task, done in run_tasks(label_file, waiting, workers, say):
        ended, rows = ended + 1, rows + done.rows
        if done.problem:
            problems.append(done.problem)
        left = (time.perf_counter() - began) / max(1, ended - len(tasks) + len(waiting))
        say.stage(
            f"{ended} of {len(tasks)} files: {task.source.name}, "
            + (f"refused ({done.problem})" if done.problem else f"{done.rows:,} rows in {done.seconds:.1f} s")
            + (f", about {left * (len(tasks) - ended):.0f} s to go" if ended < len(tasks) else "")
        )  # fmt: skip
    # A worker that was killed has left the file it was writing.
    sweep(out)
    if problems:
        others = f" (and {len(problems) - 1} other files)" if len(problems) > 1 else ""
        raise InputError(f"{problems[0]}{others}; the other files of {source} are in {out}")
    return rows


def tables_of(folder: Path) -> list[Path]:
    """The tables of a folder, in the order of their names. Raises InputError where there is none, or two of one stem."""
    tables = sorted(path for path in folder.iterdir() if path.name.endswith(TABLES))
    if not tables:
        raise InputError(f"{folder}: holds no table; expected files ending in {', '.join(TABLES)}")
    stems = [_stem(table) for table in tables]
    for at, stem in enumerate(stems):
        if stem in stems[:at]:
            raise InputError(
                f"{folder}: {tables[stems.index(stem)].name} and {tables[at].name} would both be labelled into "
                f"{stem}.parquet; rename one"
            )
    return tables


def label_file(task: FileTask) -> FileDone:
    """Label one table; what a worker does."""
    began = time.perf_counter()
    posterior = _posterior(task.run, task.trust)
    try:
        rows = label_parquet(
            posterior,
            task.source,
            task.out,
            leave_out=task.leave_out,
            prevalence=task.prevalence,
            draws=task.draws,
            delimiters=task.delimiters,
            metadata={MADE_OF: task.made_of.encode()},
        )
    except InputError as error:
        text = str(error)
        where = "" if str(task.source) in text else f"{task.source}: "
        return FileDone(0, time.perf_counter() - began, f"{where}{text}")
    return FileDone(rows, time.perf_counter() - began)


def made_of(path: Path) -> str | None:
    """What a labels file was made of; None where there is no whole one."""
    if not path.is_file():
        return None
    try:
        stated = (pq.read_schema(path).metadata or {}).get(MADE_OF)
    except (OSError, ValueError):
        return None
    return None if stated is None else stated.decode()


@lru_cache(maxsize=1)
def _posterior(run: Path, trust: bool) -> Posterior:
    """The run's posterior, read once by each worker."""
    fitted = Inputs.of_run(run, trust=trust)
    return Posterior.load(verify(run, "posterior.nc"), fitted.model, fitted.cases)


def _stem(table: Path) -> str:
    return next(
        table.name.removesuffix(end)
        for end in sorted(TABLES, key=len, reverse=True)
        if table.name.endswith(end)
    )


def _digest(content: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
