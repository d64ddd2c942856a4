"""Where step 2 matters: label models that mislead, and few cases.

The label model of a `misspecified` phantom leaves out a measurement that the picture shows, so that p(Y|Z) alone stays behind
hard labels; step 2 should win back what it loses. With a right label model, and with few cases, step 2 should lose nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .form import Form
from .paired import Array, difference, interval, score
from .phantom_worlds import Data, VotedImages, World, chosen_lambda, train_arms
from .writing import table, with_interval

CASES, FEW = 429, 100
ARMS = ("hard", "prob", "reg", "rat", "fseb")
SHORT_ARMS = ("hard", "prob", "reg")
FEW_VALIDATION = 0.2
"""Of the few cases; the usual share, far below the hundred from which validation cases choose by themselves."""
WORLDS = {
    "misspecified hip": World("hip", CASES, 0, {}, misspecified=True, arms=ARMS),
    "misspecified liver": World("liver", CASES, 0, {}, misspecified=True, arms=ARMS),
    "hip": World("hip", CASES, 0, {}, arms=SHORT_ARMS),
    "liver": World("liver", CASES, 0, {}, arms=SHORT_ARMS),
}
FEW_GLAUCOMA = World("glaucoma", FEW, 0, {}, arms=SHORT_ARMS)
PAIRS = (("reg", "prob"), ("reg", "hard"), ("rat", "prob"), ("rat", "hard"), ("fseb", "prob"), ("fseb", "hard"),
         ("prob", "hard"))  # fmt: skip
KEYS = {
    "expected": "expected accuracy",
    "accuracy": "accuracy",
    "nll": "NLL",
    "kl_true": "KL from the true p(Y\\|X)",
}


def one_world(
    name: str, world: World, folder: Path, form: Form, seed: int
) -> tuple[dict[str, Any], list[str]]:
    """Numbers and tables of all arms on one phantom, each seed with training cases of its own."""
    data = Data(world, folder / "data", form, seed=seed)
    place = folder / f"{name.replace(' ', '-')}-{seed}"
    said = train_arms(data, world.arms, place, form)
    scores = {arm: score(runs, data.test) for arm, runs in said.items()}
    pairs = [pair for pair in PAIRS if set(pair) <= set(scores)]
    numbers: dict[str, Any] = {
        "training cases": data.count,
        "test cases": len(data.test),
        "means": {arm: {key: interval(own[key]) for key in KEYS} for arm, own in scores.items()},
        "differences": {
            " - ".join(pair): {key: difference(scores, *pair, key) for key in KEYS}
            for pair in pairs
        },
        "lambda": {
            arm: chosen_lambda(place, form.seeds, arm) for arm in ("reg", "fseb") if arm in scores
        },
    }
    rows = [
        [arm, *(with_interval(own[key]) for key in KEYS)] for arm, own in numbers["means"].items()
    ]
    gaps = [
        [pair.replace("-", "\u2212"), *(with_interval(own[key], sign=True) for key in KEYS)]
        for pair, own in numbers["differences"].items()
    ]
    chosen = "; ".join(f"{arm}: {', '.join(values)}" for arm, values in numbers["lambda"].items())
    return numbers, [
        f"{data.count} training cases a seed, {len(data.test)} test cases, {form.seeds} seeds. \u03bb (for fseb \u03b2) came out as {chosen}.",
        table(["method", *KEYS.values()], rows),
        table(["difference", *KEYS.values()], gaps),
    ]


def few_glaucoma(folder: Path, form: Form, seed: int) -> tuple[dict[str, Any], list[str]]:
    """Log-loss of each run with a hundred glaucoma phantoms."""
    data = Data(FEW_GLAUCOMA, folder / "data", form, seed=seed)
    return _few(data, folder / f"few-glaucoma-{seed}", form)


def few_images(
    table_file: Path, pair: tuple[str, str], folder: Path, form: Form, seed: int
) -> tuple[dict[str, Any], list[str]]:
    """Log-loss of each run with a hundred images of two classes, and their votes."""
    data = VotedImages(table_file, pair, FEW, folder / "data", form, seed)
    return _few(data, folder / f"few-{'-'.join(pair)}-{seed}", form)


def _few(data: Data | VotedImages, folder: Path, form: Form) -> tuple[dict[str, Any], list[str]]:
    said = train_arms(data, SHORT_ARMS, folder, form, validation=FEW_VALIDATION)
    losses = {arm: score(runs, data.test)["nll"].mean(1) for arm, runs in said.items()}
    best = np.minimum(losses["hard"], losses["prob"])
    better = min(losses["hard"].mean(), losses["prob"].mean())
    numbers = {
        "training cases": data.count,
        "test cases": len(data.test),
        "log-loss": {arm: runs.tolist() for arm, runs in losses.items()},
        "spread": {arm: _spread(runs) for arm, runs in losses.items()},
        "reg above the better mean": float(losses["reg"].mean() - better),
        "reg above the better of its seed": (losses["reg"] - best).tolist(),
        "lambda": chosen_lambda(folder, form.seeds),
    }
    rows = [
        [arm, *(f"{loss:.3f}" for loss in runs), f"{runs.mean():.3f}", f"{_spread(runs):.3f}"]
        for arm, runs in losses.items()
    ]
    head = ["log-loss", *(f"seed {seed}" for seed in range(form.seeds)), "mean", "SD of runs"]
    over = numbers["reg above the better of its seed"]
    return numbers, [
        f"{data.count} cases a seed, of which {FEW_VALIDATION:.0%} for validation; {len(data.test)} test cases. "
        f"\u03bb came out as {', '.join(numbers['lambda'])}.",
        table(head, rows),
        f"reg's mean is {numbers['reg above the better mean']:+.3f} from the better of hard and prob; run by run "
        f"{', '.join(f'{value:+.3f}' for value in over)}.",
    ]


def _spread(runs: Array) -> float:
    return float(runs.std(ddof=1)) if len(runs) > 1 else 0.0
