"""Experiment 1 of "Learning classifiers from probabilistic labels" (Vega et al., AISTATS 2021).

Two classes are bivariate Gaussians that overlap; a logistic student learns from 1 + 1 to 30 + 30
training points. Which labels serve it best: hard ones, smoothed ones {.1, .9}, the true p(Y|Z),
wrong probabilities, or hard ones under the weight prior N(theta_p, I / (2 lambda)) that step 1
left behind?

    python examples/probabilistic_labels.py --out exp1            # 100 repetitions, some seconds
    python examples/probabilistic_labels.py --out exp1 --quick    # 10 repetitions

writes results.json, results.md and the figures: accuracy against training size (Fig. 3 left),
calibration error against imbalance (Fig. 3 right), boundaries from four points (Fig. 4).

Every fit minimises sum_i loss(q(x_i), t_i) + lambda ||theta - theta_p||^2 by the package's own
targets and weight prior, the objective of the trainer; all repetitions and sizes are one batch of
Newton iterations in float64. Not stated in the paper and chosen here: a ridge of 1e-4 (hard
labels are separable at small n), "incorrect" probabilities as p ~ U(0, 1) (`uniform`) or 1 - p
(`flip`), and calibration error of the positive class in ten bins of equal width. The label
model keeps p(Y) = .5 under imbalance: it describes the balanced test set, not the training
counts.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from labelppl.errors import FailedWork
from labelppl.metrics.ece import ece
from labelppl.students.logits import class_logits
from labelppl.targets import TARGETS, Target, TargetData
from labelppl.training.weight_prior import WeightPrior

# Class 1, the positive one, is the paper's Gaussian 1; class 0 its Gaussian 2.
MEANS = torch.tensor([[4.0, 4.0], [5.0, 3.0]], dtype=torch.float64)
COVARIANCES = torch.tensor([[[1, 0.7], [0.7, 1]], [[1, 0.5], [0.5, 1]]], dtype=torch.float64)
POOL, TEST = 30, 1000
RIDGE = 1e-4
TOLERANCE = 1e-9
BLOCK = 10  # repetitions at a time: their arrays fit in the cache
ARMS = {
    "hard": "hard labels",
    "soft": "smoothed labels {.1, .9}",
    "correct": "correct probabilities",
    "uniform": "incorrect: uniform",
    "flipped": "incorrect: flipped",
    "reg": "hard, prior from correct, λ = 1",
    "reg-uniform": "hard, prior from uniform, λ = .05",
}


class Batch(NamedTuple):
    """Many training sets at once, padded to one length.

    x: (fits, cases, 2). hard: (fits, cases). wrong: (fits, cases), a random p(class 1). weight:
    (fits, cases), 1, or 0 where there is no such case.
    """

    x: Tensor
    hard: Tensor
    wrong: Tensor
    weight: Tensor


class Logistic(nn.Module):
    """One sigmoid neuron per fit: (fits, cases, 2) -> (fits, cases); weight (fits, 3), bias first."""

    def __init__(self, fits: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(fits, 3, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        bias, slope = self.weight[:, :1], self.weight[:, 1:]
        logits: Tensor = bias + (x @ slope[:, :, None]).squeeze(-1)
        return logits


def class_densities() -> MultivariateNormal:
    """p(z | y) of both classes."""
    return MultivariateNormal(MEANS, COVARIANCES)


def true_probabilities(z: Tensor) -> Tensor:
    """p(Y | z) at p(Y) = .5: z (..., 2) -> (..., 2)."""
    return class_densities().log_prob(z[..., None, :]).softmax(-1)


def draw_points(repetitions: int, per_class: int, generator: torch.Generator) -> Tensor:
    """Points (repetitions, 2, per_class, 2) of each class."""
    shape = (repetitions, 2, per_class, 2)
    noise = torch.randn(shape, generator=generator, dtype=torch.float64)
    root = torch.linalg.cholesky(COVARIANCES)
    return MEANS[:, None] + torch.einsum("kde,rkne->rknd", root, noise)


def training_sets(pool: Tensor, wrong: Tensor, counts: Tensor) -> Batch:
    """Growing training sets (repetitions x sizes) from a pool (repetitions, 2, per_class, 2).

    wrong: (repetitions, 2, per_class). counts: (sizes, 2), how many of each class.
    """
    most = int(counts.max())
    repetitions, sizes = len(pool), len(counts)
    weight = (torch.arange(most) < counts[..., None]).double().flatten(1)

    def per_size(values: Tensor) -> Tensor:
        return values[:, :, :most].flatten(1, 2).repeat_interleave(sizes, 0)

    return Batch(
        per_size(pool),
        torch.arange(2).repeat_interleave(most).expand(repetitions * sizes, -1),
        per_size(wrong),
        weight.repeat(repetitions, 1),
    )


def fit(
    batch: Batch, target: Target, soft: Tensor | None, lam: float, mean: Tensor | None = None
) -> Tensor:
    """Weights (fits, 3) that minimise sum_i w_i loss_i + lam ||theta - mean||^2, by Newton.

    soft: (fits, cases, 2), the probabilities, where the target wants them. mean: (fits, 3), None
    for 0. Raises FailedWork where the gradient does not vanish.
    """
    fits, cases, _ = batch.x.shape
    evidence = TargetData(
        hard=batch.hard.reshape(-1),
        soft=None if soft is None else soft.reshape(-1, 2),
        classes=2,
    )
    targets = target.start(evidence).double().reshape(fits, cases, 2)
    centre = torch.zeros(fits, 3, dtype=torch.float64) if mean is None else mean
    found = centre.clone()
    left = torch.arange(fits)
    for steps in (6, 6, 88):  # few fits, the separable ones, need more than a dozen
        slope = _newton(
            found, left, steps, batch.x[left], batch.weight[left], targets[left], target,
            WeightPrior(lam, {"weight": centre[left]}),
        )  # fmt: skip
        left = left[slope.abs().amax(1) >= TOLERANCE]
        if len(left) == 0:
            return found
    raise FailedWork(f"Newton: largest gradient {float(slope.abs().max()):.1e} after 100 steps")


def _newton(
    found: Tensor,
    left: Tensor,
    steps: int,
    x: Tensor,
    weight: Tensor,
    targets: Tensor,
    target: Target,
    prior: WeightPrior,
) -> Tensor:
    """Improve the rows `left` of `found` (fits, 3) in place; their gradients (left, 3) after it."""
    student = Logistic(len(left))
    with torch.no_grad():
        student.weight.copy_(found[left])
    design = torch.cat([torch.ones_like(x[..., :1]), x], -1)
    ridge = 2 * prior.lam * torch.eye(3, dtype=torch.float64)
    rows = torch.arange(weight.numel())

    def gradient() -> Tensor:
        logits = class_logits(student(x).reshape(-1, 1))
        losses = target.loss(logits, targets.reshape(-1, 2), rows).reshape(weight.shape)
        # The fits share no weight, so that the sum over fits has each fit's own gradient.
        objective = (weight * losses).sum() + prior.penalty(student, cases=1)
        return torch.autograd.grad(objective, student.weight)[0]

    slope = gradient()
    for _ in range(steps):
        if float(slope.abs().max()) < TOLERANCE:
            break
        with torch.no_grad():
            q = student(x).sigmoid()
        # Cross entropy is linear in its target, so its curvature is q (1 - q) whatever the target.
        hessian = torch.einsum("fn,fni,fnj->fij", weight * q * (1 - q), design, design) + ridge
        step = torch.linalg.solve(hessian, slope)
        descent = (slope * step).sum(1)
        size = torch.ones(len(left), 1, dtype=torch.float64)
        start = student.weight.detach().clone()
        for _ in range(30):
            with torch.no_grad():
                student.weight.copy_(start - size * step)
            slope = gradient()
            # Along a line the slope of a convex function only rises: a step that ends clearly uphill
            # has overshot, as it does from where the sigmoid is flat.
            overshot = -(slope * step).sum(1) > 0.1 * descent
            if not overshot.any():
                break
            size = torch.where(overshot[:, None], size / 2, size)
    found[left] = student.weight.detach()
    return slope


def fit_arms(batch: Batch) -> dict[str, Tensor]:
    """Weights (fits, 3) of every arm."""
    correct = true_probabilities(batch.x)
    uniform = torch.stack([1 - batch.wrong, batch.wrong], -1)
    hard, prob = TARGETS["hard"](), TARGETS["prob"]()
    from_correct = fit(batch, prob, correct, RIDGE)
    from_uniform = fit(batch, prob, uniform, RIDGE)
    return {
        "hard": fit(batch, hard, None, RIDGE),
        "soft": fit(batch, TARGETS["paper-soft"](0.1), None, RIDGE),
        "correct": from_correct,
        "uniform": from_uniform,
        "flipped": fit(batch, prob, correct.flip(-1), RIDGE),
        "reg": fit(batch, hard, None, 1.0, from_correct),
        "reg-uniform": fit(batch, hard, None, 0.05, from_uniform),
    }


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


def population() -> dict[str, Any]:
    """What no training set is needed for, by quadrature on a grid of 301 x 301 points."""
    axis = torch.linspace(-4, 13, 301, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    density = class_densities().log_prob(grid[:, None]).exp() * 0.5 * float(axis[1] - axis[0]) ** 2
    mass, p = density.sum(1), true_probabilities(grid)
    unlabelled = torch.zeros(1, len(grid), dtype=torch.int64)
    batch = Batch(grid[None], unlabelled, mass[None], mass[None])
    soft_fit = fit(batch, TARGETS["prob"](), p[None], 0.0)[0]
    logits = soft_fit[0] + grid @ soft_fit[1:]
    given = torch.where(logits > 0, density[:, 1], density[:, 0])
    log_q = class_logits(logits[:, None]).log_softmax(1)
    return {
        "bayes_accuracy": float(density.max(1).values.sum()),
        "bayes_nll": float(-(density * p.log()).nan_to_num().sum()),
        "label_variance": float((mass * p.prod(1)).sum()),
        "soft_fit": soft_fit.tolist(),
        "soft_fit_accuracy": float(given.sum()),
        "soft_fit_nll": float(-(density * log_q).sum()),
    }


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


def markdown(results: dict[str, Any]) -> str:
    """The tables of the experiment."""
    shown = [n for n in (1, 2, 5, 10, 20, 30) if n <= POOL]
    lines = [
        f"Experiment 1, {results['repetitions']} repetitions, seed {results['seed']}. "
        f"Bayes accuracy {results['population']['bayes_accuracy']:.4f}.",
    ]
    for metric, title in (("accuracy", "Test accuracy"), ("nll", "Test NLL")):
        lines += ["", f"{title} (± standard error) by training cases, both classes together:", ""]
        lines += ["| labels | " + " | ".join(str(2 * n) for n in shown) + " |"]
        lines += ["|---" * (len(shown) + 1) + "|"]
        for arm, title_of_arm in ARMS.items():
            values = results["balanced"]["arms"][arm][metric]
            cells = [f"{values['mean'][n - 1]:.3f} ± {values['se'][n - 1]:.3f}" for n in shown]
            lines.append(f"| {title_of_arm} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "Calibration error of the positive class (ten bins), 10 of one class and n of the other:",
    ]
    few = (1, 2, 5, 10)
    lines += ["", "| labels | " + " | ".join(str(n) for n in few) + " |", "|---" * 5 + "|"]
    for arm, title_of_arm in ARMS.items():
        values = results["imbalanced"]["arms"][arm]["ece"]
        cells = [f"{values['mean'][n - 1]:.3f} ± {values['se'][n - 1]:.3f}" for n in few]
        lines.append(f"| {title_of_arm} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def draw_figures(results: dict[str, Any], out: Path) -> None:
    """fig3_left.png, fig3_right.png and fig4.png in `out`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure = curves(results, "balanced", "accuracy", ((0.68, 0.89), (0.1, 0.6)), (3, 1))
    figure.axes[0].axhline(
        results["population"]["bayes_accuracy"], color="black", linestyle=":", label="Bayes"
    )
    figure.axes[1].set_xlabel("training cases, both classes together")
    finish(figure, "test accuracy", out / "fig3_left.png")
    figure = curves(results, "imbalanced", "ece", ((0.7, 0.8), (0, 0.32)), (1, 3))
    figure.axes[1].set_xlabel("training cases of the rarer class (10 of the other)")
    finish(figure, "calibration error", out / "fig3_right.png")
    figure = boundaries(results["seed"])
    figure.savefig(out / "fig4.png", dpi=150)
    plt.close(figure)


def curves(
    results: dict[str, Any],
    part: str,
    metric: str,
    ranges: tuple[tuple[float, float], tuple[float, float]],
    heights: tuple[int, int],
) -> Any:
    """One line per arm with its 95 % band, the flipped arm on an axis broken off the others'."""
    from matplotlib import pyplot as plt

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


def finish(figure: Any, title: str, path: Path) -> None:
    """Name the y axis of both panels, put the legend below, write."""
    from matplotlib import pyplot as plt

    figure.supylabel(title, fontsize=10)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, fontsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def boundaries(seed: int) -> Any:
    """Fig. 4: what hard and what probabilistic labels make of the same four points."""
    from matplotlib import pyplot as plt

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reps", type=int, default=100, help="repetitions (100)")
    parser.add_argument("--quick", action="store_true", help="10 repetitions")
    parser.add_argument("--seed", type=int, default=2, help="of all random numbers (2)")
    parser.add_argument("--out", type=Path, default=Path("experiment1"), help="folder to write to")
    options = parser.parse_args()
    if options.reps < 2:
        parser.error(f"--reps: got {options.reps}, expected at least 2")
    torch.set_num_threads(1)  # the arrays are small; threads would wait for each other
    results = run(10 if options.quick else options.reps, options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    table = markdown(results)
    (options.out / "results.md").write_text(table)
    draw_figures(results, options.out)
    print(table)
    print(f"{results['seconds']:.1f} s; written to {options.out}")


if __name__ == "__main__":
    main()
