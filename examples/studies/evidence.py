"""Lambda by the evidence beside cross-validation, 0 and infinity: what it costs and what is lost.

All four start from the same step 1. The choice by cross-validation is that of `reg` of the comparison in the same folder, which is
trained first; where it is infinity, what `distill` gives is step 1 alone. The cost
counts passes over the training cases, step 1 and step 2 with a stated lambda together being one training; beside it stand the CPU
seconds of the same process.
"""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any, Literal

import numpy as np

from labelppl import distill
from labelppl.comparison.splits import seed_of
from labelppl.distillation.lam import path_schedule
from labelppl.distillation.lam_bound import bound_schedule
from labelppl.distillation.prior_options import GRID, LAM_FOLDS

from .form import Form
from .paired import Array, difference, interval, score
from .phantom_worlds import Data, VotedImages, chosen_lambda, train_arms
from .step_two import CASES, SHORT_ARMS, WORLDS
from .writing import table, with_interval

OF_PHANTOMS = ("misspecified hip", "hip", "liver")
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
BY_FOLDS, BY_EVIDENCE, ZERO, INFINITE = "cross-validation", "evidence", "0", "inf"
NORMAL_WIDTH = 2 * 1.96
"""Of a 95 % interval, in standard errors."""


def phantom_evidence(
    name: str, folder: Path, form: Form, seed: int
) -> tuple[dict[str, Any], list[str]]:
    """On one of the phantoms of `step_two`."""
    data = Data(WORLDS[name], folder / "data", form, seed=seed)
    return _beside(data, WORLDS[name].arms, folder / f"{name.replace(' ', '-')}-{seed}", form)


def image_evidence(
    table_file: Path, folder: Path, form: Form, seed: int
) -> tuple[dict[str, Any], list[str]]:
    """On images of ten classes with some fifty votes each."""
    data = VotedImages(table_file, CLASSES, CASES, folder / "data", form, seed)
    return _beside(data, SHORT_ARMS, folder / f"cifar10h-{seed}", form)


def _beside(
    data: Data | VotedImages, arms: tuple[str, ...], place: Path, form: Form
) -> tuple[dict[str, Any], list[str]]:
    said = {BY_FOLDS: train_arms(data, arms, place, form)["reg"]}
    lams: dict[str, list[str]] = {BY_FOLDS: chosen_lambda(place, form.seeds)}
    seconds: dict[str, list[float]] = {}
    for seed in range(form.seeds):
        kept = place / f"seed-{seed}" / "evidence.npz"
        for name, probs, lam, spent in _of_seed(data, kept, form, seed):
            said.setdefault(name, []).append(probs)
            lams.setdefault(name, []).append(f"{lam:.3g}")
            seconds.setdefault(name, []).append(spent)
    said[BY_FOLDS] = [
        step_one if lam == INFINITE else reg
        for reg, step_one, lam in zip(said[BY_FOLDS], said[INFINITE], lams[BY_FOLDS], strict=True)
    ]
    scores = {name: score(runs, data.test) for name, runs in said.items()}
    gap = difference(scores, BY_EVIDENCE, BY_FOLDS, "nll")
    costs = _costs(form, data.count)
    numbers: dict[str, Any] = {
        "nll": {name: interval(own["nll"]) for name, own in scores.items()},
        "accuracy": {name: interval(own["accuracy"]) for name, own in scores.items()},
        "lambda": lams,
        "trainings": costs,
        "CPU seconds": {name: float(np.mean(seconds[name])) for name in (BY_EVIDENCE, ZERO)},
        "evidence - cross-validation": gap,
        "in standard errors": gap[0] * NORMAL_WIDTH / (gap[2] - gap[1]),
    }
    rows = [
        [
            name,
            ", ".join(lams[name]) if name in (BY_FOLDS, BY_EVIDENCE) else name,
            with_interval(numbers["nll"][name]),
            with_interval(numbers["accuracy"][name]),
            f"{costs[name]:.2f}",
            f"{np.mean(seconds[name]):.1f}" if name in numbers["CPU seconds"] else "",
        ]
        for name in (BY_FOLDS, BY_EVIDENCE, ZERO, INFINITE)
    ]
    return numbers, [
        f"{data.count} training cases, {len(data.test)} test cases, {form.seeds} seeds.",
        table(["\u03bb by", "\u03bb", "NLL", "accuracy", "trainings", "CPU s"], rows),
        f"evidence \u2212 cross-validation: NLL {with_interval(gap, sign=True)}, "
        f"{numbers['in standard errors']:+.1f} paired standard errors.",
    ]


def _costs(form: Form, cases: int) -> dict[str, float]:
    """In trainings of both steps on all cases."""
    schedule = form.schedule(cases)
    followed = path_schedule(schedule, len(GRID) - 1).epochs * (len(GRID) - 1)
    both = 2 * schedule.epochs
    return {
        BY_FOLDS: 1 + (LAM_FOLDS - 1) * (schedule.epochs + followed) / both,
        BY_EVIDENCE: 1 + bound_schedule(schedule).epochs / both,
        ZERO: 1.0,
        INFINITE: schedule.epochs / both,
    }


def _of_seed(
    data: Data | VotedImages, kept: Path, form: Form, seed: int
) -> list[tuple[str, Array, float, float]]:
    """Name, probabilities of the test cases, lambda and CPU seconds; what is kept is read."""
    if not kept.is_file():
        own = data.of_seed(seed)
        labels, images = data.label(own), data.test.images
        assert images is not None
        made: dict[str, Any] = {}
        choices: dict[str, float | Literal["evidence"]] = {BY_EVIDENCE: "evidence", ZERO: 0.0}
        for name, lam in choices.items():
            began = time.process_time()
            done = distill(
                labels, own, lam=lam, student=form.options(), schedule=form.schedule(len(own.train)),
                seed=seed_of(0, seed), device=form.device,
            )  # fmt: skip
            made[f"{name} seconds"] = time.process_time() - began
            made[f"{name} lambda"] = float(done.student.spec.training["lam"]["lam"])
            made[name] = done.predict_proba(images)
        made[INFINITE] = done.theta_p.predict_proba(images)
        made |= {f"{INFINITE} seconds": math.nan, f"{INFINITE} lambda": math.inf}
        np.savez(kept, **made)
        chosen = made[f"{BY_EVIDENCE} lambda"]
        print(f"{kept.parent}: lambda by the evidence {chosen:.3g}", flush=True)
    with np.load(kept) as file:
        return [
            (name, file[name], float(file[f"{name} lambda"]), float(file[f"{name} seconds"]))
            for name in (BY_EVIDENCE, ZERO, INFINITE)
        ]
