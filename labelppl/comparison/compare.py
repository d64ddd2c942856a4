"""`compare`: every method on the same cases, splits, seeds, student, schedule and budget.

Budget: single-step methods train for as many epochs as `reg` does in both its steps, on one
schedule; a teacher, where a method needs one, trains for as long again, and the number of epochs is
reported. Each method keeps the weights of the epoch with the best validation NLL, and `reg`
chooses lambda by validation NLL too. Test cases are only predicted.

`resume` reads the runs that are finished (`parts`) and does the rest. Soft labels are made anew: they
take seconds.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..arrays import Floats
from ..distillation.distill import Distilled, distill
from ..distillation.lam import GRID, Refit
from ..errors import FailedWork, InputError
from ..images.read import Size
from ..metrics.listed import metric_named
from ..runs import versions
from ..softlabels import SoftLabels
from ..table import Cases, match_ids
from ..training.schedule import Schedule, default_schedule
from .methods import Method, choose_methods, make_method
from .parts import Parts
from .record import Comparison
from .splits import split_of
from .table import Unseen, row_of, summarise

Labelled = Callable[[Cases], SoftLabels]
VALIDATION = 0.2


def compare(
    labels: SoftLabels | Labelled,
    cases: Cases,
    *,
    methods: Sequence[str] | None = None,
    repeats: int = 5,
    student: str = "cnn",
    weights: Path | None = None,
    image_size: Size = None,
    channels: int | None = None,
    keep_aspect: bool = False,
    augment: str = "shift",
    votes: np.ndarray[Any, Any] | None = None,
    lam: float | Literal["auto"] = "auto",
    grid: Sequence[float] = GRID,
    schedule: Schedule | None = None,
    validation: float = VALIDATION,
    columns: Sequence[str] | None = None,
    seed: int = 0,
    device: str = "auto",
    n_boot: int = 1000,
    out: Path | str | None = None,
    resume: bool = False,
    identity: Mapping[str, Any] | None = None,
    progress: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Run `methods` (None: all that the evidence allows) `repeats` times and compare them.

    labels: soft labels of the training cases, and of test cases for `kl`; or a function that makes
    them for cases whose split is in force, from `cases.train` alone. Give the function: repeats
    differ in their splits, and the label model must not have seen validation or test labels. It
    keeps draws of p(Y|Z) where `dirichlet` is to be run. votes: (cases, classes) counts, aligned
    with `cases`. schedule: of step 1, None = by the number of training cases; see the module for
    the budget. validation: the share of training groups set aside in each repeat where the table
    names no validation case; 0: none, checkpoints are the last and lambda is cross-validated.
    columns: metric keys that compare.md shows, None = the usual ones.
    n_boot: bootstrap draws for the intervals, 0 = none. out: the folder for compare.csv, .md, .json
    and parts/. identity: what else must be the same for a resumed comparison (the model file).

    Raises InputError for unknown methods, cases that cannot be split, and a folder that holds
    another comparison.
    """
    if repeats < 1 or not 0 <= validation < 1:
        raise InputError(
            f"repeats, validation: got {repeats}, {validation:g}, expected at least 1, and a share "
            "of at least 0 and below 1"
        )
    if cases.images is None:
        raise InputError("cases: no column 'image', expected the path of an image per case")
    shown = None if columns is None else [metric_named(key).key for key in columns]
    if methods is not None:
        for name in methods:
            make_method(name)
    shared = {
        "student": student,
        "image_size": image_size,
        "channels": channels,
        "keep_aspect": keep_aspect,
        "augment": augment,
        "device": device,
    }
    settings = {
        **shared,
        "weights": None if weights is None else str(weights),
        "lam": str(lam),
        "grid": [str(float(v)) for v in grid],
        "schedule": None if schedule is None else asdict(schedule),
        "validation": validation,
        "seed": seed,
        "cases": _digest(cases),
        "identity": dict(identity or {}),
    }
    parts = Parts(out, settings, resume=resume)
    runs: list[dict[str, Any]] = []
    probs: dict[tuple[str, int], Floats] = {}
    tested: list[Unseen] = []
    notes: list[str] = []
    if isinstance(labels, SoftLabels):
        notes.append(
            "the soft labels were given, not refitted per repeat: where splits differ between "
            "repeats, the label model has seen cases that were held out from the students"
        )
    names: tuple[str, ...] = ()
    for repeat in range(repeats):
        held = split_of(cases, repeat, seed, validation)
        soft = labels if isinstance(labels, SoftLabels) else labels(held)
        names = choose_methods(
            methods,
            votes=votes is not None,
            draws=soft.draws is not None,
            validation=bool((held.split == "val").any()),
        )
        tested.append(_tested(held, soft))
        for name in names:
            record = parts.finished(name, repeat)
            if record is None:
                say(f"repeat {repeat + 1} of {repeats}: {name}")
                record = _one(
                    make_method(name), soft, held, schedule, lam, seed + repeat,
                    refit=None if isinstance(labels, SoftLabels) else labels,
                    grid=grid, weights=weights, votes=votes, progress=progress, **shared,
                )  # fmt: skip
                parts.keep(name, repeat, record)
            if "failed" in record:
                notes.append(f"{name}, repeat {repeat}: left out, {record['failed']}")
                continue
            notes += [f"{name}: {note}" for note in record["notes"]]
            probs[name, repeat] = np.asarray(record["probs"], dtype=np.float64)
            kept = {key: record[key] for key in ("seconds", "epochs", "lam")}
            runs.append({"method": name, "repeat": repeat, **kept})
    if not probs:
        raise FailedWork(f"compare: no run finished; the first: {notes[-1]}")
    classes = tuple(cases.classes)
    if "raml" in names and len(classes) > 2:
        notes.append("raml: takes the classes to be ordered as they are declared")
    rows = pd.DataFrame(
        [
            {"method": name, "repeat": r, **row_of(p, tested[r], classes, seed)}
            for name in names
            for r in range(repeats)
            if (p := probs.get((name, r))) is not None
        ]
    )
    ordered = {(m, r): probs[m, r] for m, r in zip(rows["method"], rows["repeat"], strict=True)}
    comparison = Comparison(
        rows,
        summarise(ordered, rows, tested, n_boot, seed),
        pd.DataFrame(runs),
        {**settings, "methods": list(names), "repeats": repeats, "n_boot": n_boot,
         "columns": shown, "versions": versions()},
        tuple(dict.fromkeys(notes)),
    )  # fmt: skip
    if parts.folder is not None:
        comparison.save(parts.folder)
    return comparison


def _one(
    method: Method,
    labels: SoftLabels,
    cases: Cases,
    schedule: Schedule | None,
    lam: float | Literal["auto"],
    seed: int,
    refit: Labelled | None,
    **options: Any,
) -> dict[str, Any]:
    """Train one method and predict the test cases: what its file holds."""
    first = schedule or default_schedule(int((cases.split == "train").sum()))
    second = first.for_map()
    both = replace(first, epochs=first.epochs + second.epochs)
    labels = method.given(labels, cases, seed)
    began = time.perf_counter()
    try:
        done = distill(
            labels,
            cases,
            target=method.target,
            lam=lam if method.prior else math.inf,
            refit=None if refit is None else _within_folds(refit, method, cases.train, seed),
            schedule=first if method.prior else both,
            map_schedule=second,
            seed=seed,
            **options,
        )
    except FailedWork as failure:
        return {"failed": str(failure)}
    test = cases.test
    return {
        "probs": done.predict_proba(test.images).tolist(),  # type: ignore[arg-type]
        "seconds": round(time.perf_counter() - began, 2),
        "epochs": len(done.history) + (both.epochs if method.target.needs_teacher else 0),
        "lam": str(_lam_of(done)) if method.prior else None,
        "notes": list(done.notes),
    }


def _within_folds(label: Labelled, method: Method, train: Cases, seed: int) -> Refit:
    """Soft labels of some training rows by a label model that has seen those rows alone."""

    def refit(rows: np.ndarray[Any, Any]) -> Floats:
        some = train.take(rows)
        made = method.given(label(some), some, seed)
        return np.asarray(made.probs[match_ids(some.ids, made.ids)])

    return refit


def _lam_of(done: Distilled) -> float:
    chosen = done.student.spec.training["lam"]["lam"]
    return float(chosen)


def _tested(cases: Cases, labels: SoftLabels) -> Unseen:
    test = cases.split == "test"
    groups = np.arange(len(cases))
    if cases.groups is not None:
        groups = pd.factorize(np.asarray(cases.groups).astype(str))[0]
    at = match_ids(cases.ids[test], labels.ids)
    soft = np.where((at >= 0)[:, None], labels.probs[at], np.nan)
    return Unseen(
        np.asarray(cases.labels[test], dtype=np.int64),
        np.asarray(groups[test], dtype=np.int64),
        None if np.isnan(soft).all() else soft,
        None if cases.p_true is None else np.asarray(cases.p_true[test], dtype=np.float64),
    )


def _digest(cases: Cases) -> str:
    """What two comparisons of the same cases share."""
    parts = (
        [str(i) for i in cases.ids],
        cases.labels.tolist(),
        list(cases.classes),
        cases.split.tolist() if cases.split_given else None,
        None if cases.groups is None else [str(g) for g in cases.groups],
        [path.name for path in cases.images or ()],
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
