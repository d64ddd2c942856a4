"""One method of a comparison: trained on the cases of a repeat, then asked about its test cases."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array, Floats
from ..distillation.distill import RefitByIds, distill
from ..distillation.distilled import Distilled
from ..distillation.prior_options import PriorOptions
from ..errors import FailedWork
from ..softlabels import SoftLabels
from ..table import Cases, match_ids
from ..targets import make_target
from ..training.schedule import Schedule, default_schedule
from .methods import Method

Labelled = Callable[[Cases], SoftLabels]


def train_method(
    method: Method,
    labels: SoftLabels | None,
    cases: Cases,
    schedule: Schedule | None,
    prior: PriorOptions,
    seed: int,
    label: Labelled | None,
    student_folder: Path | None = None,
    **options: Any,
) -> tuple[dict[str, Any], Floats | None]:
    """Train one method and predict the test cases: its record, and (cases, classes) or None where it failed.

    student_folder: where the student is saved; None saves none.
    """
    first = schedule or default_schedule(int((cases.split == "train").sum()))
    second = first.for_map()
    both = replace(first, epochs=first.epochs + second.epochs)
    soft = None if labels is None else method.soft(labels, cases, seed)
    record: dict[str, Any] = {"method": method.record()}
    began = time.perf_counter()
    common: dict[str, Any] = {
        "target": method.target,
        "refit": None if label is None else _within_folds(label, method, cases, seed),
        "map_schedule": second,
        "seed": seed,
        **options,
    }
    options_of_prior, schedule_of_first = _prior(method, prior), first
    notes: tuple[str, ...] = ()
    try:
        if options_of_prior.lam != math.inf:
            done = distill(soft, cases, prior=options_of_prior, schedule=first, **common)
            notes = done.notes
        if options_of_prior.lam == math.inf or math.isinf(_lam_of(done)):
            # Nothing is left for step 2, so that step 1 has the whole budget.
            alone, schedule_of_first = replace(options_of_prior, lam=math.inf), both
            done = distill(soft, cases, prior=alone, schedule=both, **common)
    except FailedWork as failure:
        return record | {"failed": str(failure)}, None
    members = done.student.spec.training.get("ensemble", {}).get("members", 0)
    taught = make_target(method.target).needs_teacher
    if student_folder is not None:
        done.student.save(student_folder)
    test = cases.test
    predicted = done.predict_proba(test.images)  # type: ignore[arg-type]
    return record | {
        "seconds": round(time.perf_counter() - began, 2),
        "epochs": len(done.history) + (taught + members) * schedule_of_first.epochs,
        "lam": str(_lam_of(done)) if method.prior else None,
        "notes": [note for note in dict.fromkeys((*notes, *done.notes)) if method.prior],
    }, predicted


def _prior(method: Method, prior: PriorOptions) -> PriorOptions:
    """The options of its step 2; none follows where lambda is infinite."""
    if not method.prior:
        return replace(prior, lam=math.inf)
    return prior if method.space is None else prior.in_space(method.space)


def _within_folds(label: Labelled, method: Method, cases: Cases, seed: int) -> RefitByIds:
    """Soft labels of some cases by a label model that has seen those cases alone."""

    def refit(ids: Array) -> SoftLabels:
        some = cases.take(match_ids(ids, cases.ids))
        some = replace(some, split=np.full(len(some), "train"))
        made = method.soft(label(some), some, seed)
        return made.take(match_ids(some.ids, made.ids))

    return refit


def _lam_of(done: Distilled) -> float:
    chosen = done.student.spec.training["lam"]["lam"]
    return float(chosen)
