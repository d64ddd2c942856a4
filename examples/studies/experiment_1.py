"""Experiment 1 of the first paper: which labels serve a logistic student best, from 1 + 1 to 30 + 30 training points?

Hard ones, smoothed ones {.1, .9}, the true p(Y|Z), wrong probabilities, or hard ones under the weight prior
N(theta_p, I / (2 lambda)) that step 1 left behind. Accuracy against training size (Fig. 3 left), the calibration error of
the positive class in ten bins against imbalance (Fig. 3 right), boundaries from four points (Fig. 4). `REFERENCE` are the
values of docs/methods.md, which an independent program found.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor, nn

from labelppl.metrics.ece import ece

from .two_gaussians import (
    ARMS,
    POOL,
    TEST,
    Logistic,
    draw_points,
    fit_arms,
    population,
    training_sets,
)
from .writing import table

BLOCK = 10  # repetitions at a time: their arrays fit in the cache
SIZES = (1, 2, 5, 10, 20, 30)
REFERENCE: dict[str, tuple[float | None, ...]] = {
    "hard": (0.711, 0.780, 0.807, 0.834, 0.850, 0.854),
    "soft": (0.711, 0.748, 0.810, 0.840, 0.852, 0.856),
    "correct": (0.791, 0.855, 0.862, 0.863, 0.863, 0.863),
    "flipped": (None, None, None, None, None, 0.137),
    "uniform": (None, None, None, 0.5, 0.5, 0.5),
    "reg": (0.779, None, None, None, None, 0.859),
    "reg-uniform": (0.700, None, None, None, None, 0.856),
}
REFERENCE_ECE = {"hard": (0.265, 0.099), "correct": (0.028, 0.025)}
REFERENCE_POPULATION = {
    "bayes_accuracy": (0.871800, 2e-5),
    "bayes_nll": (0.299920, 2e-6),
    "label_variance": (0.092726, 2e-6),
    "soft_fit_nll": (0.302406, 2e-6),
    "soft_fit_accuracy": (0.87119, 5e-4),
}
FEW, TOLERANCE_OF_FEW, TOLERANCE_OF_MANY, TOLERANCE_OF_ECE = 2, 0.05, 0.02, 0.02
"""Up to two points a class ± .05, beyond ± .02: docs/methods.md."""


def score(weights: Tensor, test: Tensor, sizes: int, calibration: bool) -> dict[str, Tensor]:
    """Scores (repetitions, sizes) of weights (repetitions x sizes, 3) on the test points.

    test: (repetitions, 2, per_class, 2). calibration: whether to compute the calibration error.
    """
    repetitions, _, per_class, _ = test.shape
    labels = torch.arange(2).repeat_interleave(per_class)
    student = Logistic(len(weights))
    with torch.no_grad():
        student.weight.copy_(weights)
        logits = student(test.flatten(1, 2).repeat_interleave(sizes, 0))
    signed = torch.where(labels == 1, logits, -logits)
    scores = {
        "accuracy": (signed > 0).double().mean(1),
        "nll": nn.functional.softplus(-signed).mean(1),
    }
    if calibration:
        gaps = [
            ece(np.column_stack([1 - p, p]), labels.numpy(), bins=10)
            for p in logits.sigmoid().numpy()
        ]
        scores["ece"] = torch.tensor(gaps, dtype=torch.float64)
    return {name: values.reshape(repetitions, sizes) for name, values in scores.items()}


def run_block(
    pool: Tensor, wrong: Tensor, test: Tensor, counts: Tensor, calibration: bool
) -> dict[str, dict[str, Tensor]]:
    """Per arm and metric, the scores (repetitions, sizes) of some repetitions."""
    arms = fit_arms(training_sets(pool, wrong, counts))
    return {arm: score(arms[arm], test, len(counts), calibration) for arm in ARMS}


def summarise(per_fit: Tensor) -> dict[str, list[float]]:
    """Mean and its standard error over repetitions, per size, of (repetitions, sizes)."""
    error = per_fit.std(0) / max(len(per_fit), 2) ** 0.5
    return {"mean": per_fit.mean(0).tolist(), "se": error.tolist()}


def run(repetitions: int, seed: int) -> dict[str, Any]:
    """The whole experiment: sizes, and per arm accuracy, nll and ece with standard errors."""
    started = time.perf_counter()
    generator = torch.Generator().manual_seed(seed)
    pool = draw_points(repetitions, POOL, generator)
    wrong = torch.rand(pool.shape[:3], generator=generator, dtype=torch.float64)
    test = draw_points(repetitions, TEST, generator)
    balanced = torch.arange(1, POOL + 1)[:, None].expand(-1, 2)
    # Ten of Gaussian 1 (class 1) and one to ten of Gaussian 2.
    skewed = torch.stack([torch.arange(1, 11), torch.full((10,), 10)], 1)
    results: dict[str, Any] = {"repetitions": repetitions, "seed": seed}
    for name, counts in (("balanced", balanced), ("imbalanced", skewed)):
        blocks = [
            run_block(*part, counts, calibration=name == "imbalanced")
            for part in zip(pool.split(BLOCK), wrong.split(BLOCK), test.split(BLOCK), strict=True)
        ]
        results[name] = {
            "counts": counts.tolist(),
            "arms": {
                arm: {
                    metric: summarise(torch.cat([block[arm][metric] for block in blocks]))
                    for metric in blocks[0][arm]
                }
                for arm in ARMS
            },
        }
    results["population"] = population()
    results["seconds"] = time.perf_counter() - started
    return results


class Compared(NamedTuple):
    """A value of docs/methods.md and ours, with the tolerance and the standard error of ours."""

    name: str
    ours: float
    reference: float
    tolerance: float
    error: float = 0.0


def against_reference(results: dict[str, Any]) -> Iterator[Compared]:
    """Everything that is compared with docs/methods.md."""
    for name, (value, tolerance) in REFERENCE_POPULATION.items():
        yield Compared(name, results["population"][name], value, tolerance)
    for arm, values in REFERENCE.items():
        own = results["balanced"]["arms"][arm]["accuracy"]
        for n, expected in zip(SIZES, values, strict=True):
            if expected is not None:
                tolerance = TOLERANCE_OF_FEW if n <= FEW else TOLERANCE_OF_MANY
                at = f"accuracy, {arm}, {2 * n} points"
                yield Compared(at, own["mean"][n - 1], expected, tolerance, own["se"][n - 1])
    for arm, ends in REFERENCE_ECE.items():
        own = results["imbalanced"]["arms"][arm]["ece"]
        for n, expected in zip((1, 10), ends, strict=True):
            at = f"ECE, {arm}, 10 + {n} points"
            yield Compared(at, own["mean"][n - 1], expected, TOLERANCE_OF_ECE, own["se"][n - 1])


def tables(results: dict[str, Any]) -> list[str]:
    """The tables of the experiment."""
    made = [
        f"{results['repetitions']} repetitions, seed {results['seed']}, {results['seconds']:.1f} s. "
        f"Bayes accuracy {results['population']['bayes_accuracy']:.4f}."
    ]
    balanced, skewed = results["balanced"]["arms"], results["imbalanced"]["arms"]
    columns = [str(2 * n) for n in SIZES]
    for metric, title in (("accuracy", "accuracy"), ("nll", "NLL")):
        rows = [
            [name, *(_cell(balanced[arm][metric], n) for n in SIZES)] for arm, name in ARMS.items()
        ]
        made += [f"Test {title} (± standard error) by training points, both classes together:"]
        made += [table(["labels", *columns], rows)]
    few = (1, 2, 5, 10)
    rows = [[name, *(_cell(skewed[arm]["ece"], n) for n in few)] for arm, name in ARMS.items()]
    made += ["Calibration error of the positive class, 10 points of one class and n of the other:"]
    made += [table(["labels", *map(str, few)], rows)]
    compared = list(against_reference(results))
    outside = [row for row in compared if abs(row.ours - row.reference) > row.tolerance]
    made += [
        f"{len(compared) - len(outside)} of {len(compared)} values of docs/methods.md within its tolerance."
    ]
    if outside:
        rows = [[name, *(f"{number:.4f}" for number in numbers)] for name, *numbers in outside]
        made += [table(["outside", "ours", "docs/methods.md", "tolerance", "error"], rows)]
    return made


def _cell(values: dict[str, list[float]], n: int) -> str:
    return f"{values['mean'][n - 1]:.3f} ± {values['se'][n - 1]:.3f}"


def figures(results: dict[str, Any]) -> dict[str, Figure]:
    """Figures 3 (left, right) and 4."""
    left = curves(results, "balanced", "accuracy", ((0.68, 0.89), (0.1, 0.6)), (3, 1))
    bayes = results["population"]["bayes_accuracy"]
    left.axes[0].axhline(bayes, color="black", linestyle=":", label="Bayes")
    left.axes[1].set_xlabel("training points, both classes together")
    finish(left, "test accuracy")
    right = curves(results, "imbalanced", "ece", ((0.7, 0.8), (0, 0.32)), (1, 3))
    right.axes[1].set_xlabel("training points of the rarer class (10 of the other)")
    finish(right, "calibration error")
    return {
        "fig3_left": left,
        "fig3_right": right,
        "fig4": boundaries(results["seed"]),
    }


def curves(
    results: dict[str, Any],
    part: str,
    metric: str,
    ranges: tuple[tuple[float, float], tuple[float, float]],
    heights: tuple[int, int],
) -> Figure:
    """One line per arm with its 95 % band, the flipped arm on an axis broken off the others'."""
    counts = np.array(results[part]["counts"])
    x = counts.sum(1) if part == "balanced" else counts[:, 0]
    figure, panels = plt.subplots(
        2, sharex=True, figsize=(7, 5.5), layout="constrained", height_ratios=heights
    )
    for axes, limits in zip(panels, ranges, strict=True):
        for arm, title in ARMS.items():
            values = results[part]["arms"][arm][metric]
            mean, error = np.array(values["mean"]), np.array(values["se"])
            (line,) = axes.plot(x, mean, label=title, linewidth=1.5)
            axes.fill_between(
                x, mean - 1.96 * error, mean + 1.96 * error, color=line.get_color(), alpha=0.2
            )
        axes.set_ylim(*limits)
    return figure


def finish(figure: Figure, title: str) -> None:
    """Name the y axis of both panels and put the legend below."""
    figure.supylabel(title, fontsize=10)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=8)


def boundaries(seed: int) -> Figure:
    """Fig. 4: what hard and what probabilistic labels make of the same four points."""
    generator = torch.Generator().manual_seed(seed)
    pool = draw_points(1, POOL, generator)
    test = draw_points(1, 100, generator)[0]
    wrong = torch.full(pool.shape[:3], 0.5, dtype=torch.float64)  # not shown
    arms = fit_arms(training_sets(pool, wrong, torch.tensor([[2, 2]])))
    span = np.array([1.0, 8.0])
    figure, panels = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained", sharey=True)
    for axes, points, title in zip(
        panels, (pool[0, :, :2], test), ("training", "test"), strict=True
    ):
        for k, marker in ((1, "o"), (0, "^")):
            axes.scatter(*points[k].T.numpy(), marker=marker, s=70 if title == "training" else 12)
        for arm, style in (("hard", "--"), ("correct", "-")):
            bias, first, second = arms[arm][0].tolist()
            axes.plot(span, -(bias + first * span) / second, style, color="black", label=ARMS[arm])
        axes.set(title=f"{title} points", xlim=(1, 8), ylim=(0, 7), xlabel="z1")
    panels[0].set_ylabel("z2")
    panels[0].legend(fontsize=8)
    return figure
