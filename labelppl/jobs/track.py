"""``--track``: the numbers of a finished run in an MLflow store, read from the files that the run wrote.

Nothing is added to the training: what is tracked is ``curve.csv`` and ``metrics.json`` (of a comparison, ``compare.csv``), row
by row and key by key, and the arguments of ``run.json``. A run that is in the store already, with the same files, stays as it
is. The default store is a SQLite file; nothing goes over a network unless the address does.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ..errors import FailedWork, InputError
from ..runs import read_json, sha256
from ..training.curve import Epoch, read_curve
from .telling import Teller

EXPERIMENT = "labelppl"
#: What a store takes in one call, and for one value (mlflow.utils.validation).
MOST_METRICS, MOST_PARAMS, LONGEST_VALUE = 1000, 100, 6000
#: Characters of a name that a store takes; others are written as their code.
NAME = re.compile(r"[^\w\-./: ]", re.ASCII)


class Number(NamedTuple):
    """One number. step: its epoch, 0 where there is none."""

    name: str
    value: float
    step: int = 0


class Tracked(NamedTuple):
    """One run of a store. digest: of the files that its numbers come from."""

    name: str
    digest: str
    params: dict[str, str]
    numbers: tuple[Number, ...]


def check_tracking() -> None:
    """Raise InputError where MLflow, or what its SQLite store needs, is not installed."""
    for name in ("mlflow", "sqlalchemy", "alembic"):
        if importlib.util.find_spec(name) is None:
            raise InputError(f"--track: {name} is not installed; pip install 'labelppl[track]'")


def track_run(folder: Path, uri: str, *, say: Teller) -> None:
    """Put the finished ``distill`` or ``compare`` in ``folder`` into the store at ``uri``.

    Raises FailedWork where the store refuses; the run itself is whole by then.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    try:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as error:
        raise InputError(
            f"--track: mlflow cannot be imported ({error}); pip install 'labelppl[track]'"
        ) from error
    runs = list(tracked_runs(folder))
    try:
        client = MlflowClient(uri)
        experiment = _experiment(client)
        new = sum(_log(client, experiment, run) for run in runs)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        first = str(error).strip().splitlines()[0]
        raise FailedWork(f"--track {uri}: {first}; the run in {folder} is whole") from error
    numbers = sum(len(run.numbers) for run in runs)
    say(f"tracked in {uri}: {new} new of {len(runs)} runs, {numbers} numbers")


def tracked_runs(folder: Path) -> Iterator[Tracked]:
    """What a store is told: one run of a ``distill``, one for each method and repeat of a ``compare``."""
    made = read_json(folder / "run.json")
    params = {"command": str(made["command"]), **dict(_flat("", made["arguments"]))}
    if made["command"] == "compare":
        digest = sha256(folder / "compare.csv")
        for row in pd.read_csv(folder / "compare.csv").to_dict("records"):
            method, repeat = str(row.pop("method")), int(row.pop("repeat"))
            yield Tracked(
                f"{folder.name} {method} {repeat}",
                f"{digest} {method} {repeat}",
                {**params, "method": method, "repeat": str(repeat)},
                tuple(_finite(Number(str(key), float(value)) for key, value in row.items())),
            )
        return
    metrics = read_json(folder / "metrics.json")
    training = read_json(folder / "student.json")["training"]
    yield Tracked(
        folder.name,
        f"{sha256(folder / 'curve.csv')} {sha256(folder / 'metrics.json')}",
        {**params, "lam": str(training["lam"]["lam"])},
        (*_finite(_curve(folder)), *_finite(_metrics(metrics))),
    )


def _curve(folder: Path) -> Iterator[Number]:
    """`step 1/loss` and so on, epoch by epoch."""
    for epoch in read_curve(folder):
        for field in Epoch._fields[2:]:
            yield Number(f"{epoch.step}/{field}", float(getattr(epoch, field)), epoch.epoch)


def _metrics(metrics: Mapping[str, Any]) -> Iterator[Number]:
    """Every number of metrics.json by its key; the ends of an interval as ``<key>_ci/lo`` and ``<key>_ci/hi``."""
    for key, value in metrics.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield Number(key, float(value))
        elif key.endswith("_ci") and isinstance(value, list):
            yield from (
                Number(f"{key}/{end}", float(v)) for end, v in zip(("lo", "hi"), value, strict=True)
            )


def _finite(numbers: Iterable[Number]) -> Iterator[Number]:
    """Those that are there; an epoch without validation cases has no validation loss."""
    return (number for number in numbers if math.isfinite(number.value))


def _flat(before: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """`student.image_size` and so on."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{before}{key}.", value)
        elif value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            yield f"{before}{key}", text[:LONGEST_VALUE]


def _experiment(client: Any) -> str:
    """The experiment of all runs. Nothing but numbers is kept, so that the folder of artifacts is never made."""
    known = client.get_experiment_by_name(EXPERIMENT)
    if known is not None:
        return str(known.experiment_id)
    nowhere = Path("mlflow-artifacts").resolve().as_uri()
    return str(client.create_experiment(EXPERIMENT, artifact_location=nowhere))


def _log(client: Any, experiment: str, run: Tracked) -> bool:
    """Whether the run was new."""
    from mlflow.entities import Metric, Param, RunTag

    same = f"tags.`labelppl.files` = '{run.digest}' and attributes.status = 'FINISHED'"
    if client.search_runs([experiment], same, max_results=1):
        return False
    made = client.create_run(experiment, run_name=run.name)
    number = made.info.run_id
    began = made.info.start_time
    params = [Param(_name(key), value) for key, value in run.params.items()]
    metrics = [Metric(_name(n.name), n.value, began, n.step) for n in run.numbers]
    client.log_batch(number, tags=[RunTag("labelppl.files", run.digest)])
    for first in range(0, len(params), MOST_PARAMS):
        client.log_batch(number, params=params[first : first + MOST_PARAMS])
    for first in range(0, len(metrics), MOST_METRICS):
        client.log_batch(number, metrics=metrics[first : first + MOST_METRICS])
    client.set_terminated(number)
    return True


def _name(text: str) -> str:
    return NAME.sub(lambda odd: f"_{ord(odd[0]):x}_", text)
