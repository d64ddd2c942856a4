"""Experiment 1 of the first paper: two bivariate Gaussians that overlap, and every fit of a logistic student to them.

A fit minimises sum_i loss(q(x_i), t_i) + lambda ||theta - theta_p||^2 by the package's own targets and weight prior, the
objective of the trainer; all repetitions and sizes are one batch of Newton iterations in float64. Not stated in the paper
and chosen here: a ridge of 1e-4 (hard labels are separable at small n), and "incorrect" probabilities as p ~ U(0, 1)
(`uniform`) or 1 - p (`flipped`). The label model keeps p(Y) = .5 under imbalance: it describes the balanced test set, not
the training counts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from labelppl.errors import FailedWork
from labelppl.students.logits import class_logits
from labelppl.targets import TARGETS, Target, TargetData
from labelppl.training.weight_prior import WeightPrior

# Class 1, the positive one, is the paper's Gaussian 1; class 0 its Gaussian 2.
MEANS = torch.tensor([[4.0, 4.0], [5.0, 3.0]], dtype=torch.float64)
COVARIANCES = torch.tensor([[[1, 0.7], [0.7, 1]], [[1, 0.5], [0.5, 1]]], dtype=torch.float64)
POOL, TEST = 30, 1000
RIDGE = 1e-4
TOLERANCE = 1e-9
ARMS = {
    "hard": "hard labels",
    "soft": "smoothed labels (.1, .9)",
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
    weights = centre.clone()
    left = torch.arange(fits)
    for steps in (6, 6, 88):  # few fits, the separable ones, need more than a dozen
        slope = _newton(
            weights, left, steps, batch.x[left], batch.weight[left], targets[left], target,
            WeightPrior(lam, {"weight": centre[left]}),
        )  # fmt: skip
        left = left[slope.abs().amax(1) >= TOLERANCE]
        if len(left) == 0:
            return weights
    raise FailedWork(f"Newton: largest gradient {float(slope.abs().max()):.1e} after 100 steps")


def _newton(
    weights: Tensor,
    left: Tensor,
    steps: int,
    x: Tensor,
    case_weight: Tensor,
    targets: Tensor,
    target: Target,
    prior: WeightPrior,
) -> Tensor:
    """Improve the rows `left` of `weights` (fits, 3) in place; their gradients (left, 3) after it."""
    student = Logistic(len(left))
    with torch.no_grad():
        student.weight.copy_(weights[left])
    design = torch.cat([torch.ones_like(x[..., :1]), x], -1)
    ridge = 2 * prior.lam * torch.eye(3, dtype=torch.float64)
    rows = torch.arange(case_weight.numel())

    def gradient() -> Tensor:
        logits = class_logits(student(x).reshape(-1, 1))
        losses = target.loss(logits, targets.reshape(-1, 2), rows).reshape(case_weight.shape)
        # The fits share no weight, so that the sum over fits has each fit's own gradient.
        objective = (case_weight * losses).sum() + prior.penalty(student, cases=1)
        return torch.autograd.grad(objective, student.weight)[0]

    slope = gradient()
    for _ in range(steps):
        if float(slope.abs().max()) < TOLERANCE:
            break
        with torch.no_grad():
            q = student(x).sigmoid()
        # Cross entropy is linear in its target, so its curvature is q (1 - q) whatever the target.
        hessian = torch.einsum("fn,fni,fnj->fij", case_weight * q * (1 - q), design, design) + ridge
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
    weights[left] = student.weight.detach()
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
    right = torch.where(logits > 0, density[:, 1], density[:, 0])
    log_q = class_logits(logits[:, None]).log_softmax(1)
    return {
        "bayes_accuracy": float(density.max(1).values.sum()),
        "bayes_nll": float(-(density * p.log()).nan_to_num().sum()),
        "label_variance": float((mass * p.prod(1)).sum()),
        "soft_fit": soft_fit.tolist(),
        "soft_fit_accuracy": float(right.sum()),
        "soft_fit_nll": float(-(density * log_q).sum()),
    }
