"""lambda follows the soft labels' worth: large where they are right, small where they mislead."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from labelppl.distillation.lam import (
    Job,
    _one_standard_error,
    choose_by_folds,
    choose_by_validation,
    folds_of,
    path_schedule,
)
from labelppl.distillation.prior_options import descending
from labelppl.errors import InputError
from labelppl.softlabels import SoftLabels
from labelppl.targets.hard import Hard
from labelppl.targets.prob import Prob
from labelppl.targets.target_data import TargetData
from labelppl.training.held import Held
from labelppl.training.loop import Trained
from labelppl.training.schedule import Schedule
from labelppl.training.source import Resident
from labelppl.training.train import train
from labelppl.training.weight_prior import WeightPrior

Array = np.ndarray[Any, Any]
FIRST = Schedule(epochs=40, batch_size=64, lr=0.1)
SECOND = Schedule(epochs=75, batch_size=64, lr=0.1)
GRID = (math.inf, 100.0, 10.0, 1.0, 0.1, 0.0)


def _soft(p: Array) -> SoftLabels:
    """Soft labels of so many cases, in their order."""
    probs = np.stack([1 - p, p], 1)
    n, each = len(p), np.full(len(p), 0.1)
    return SoftLabels(
        ids=np.arange(n).astype(str), classes=("no", "yes"), labels=np.full(n, -1), probs=probs,
        sd=probs, lo=probs, hi=probs, entropy=each, aleatoric=each, epistemic=each,
        concentration=each, mean_log=np.log(probs), source=np.full(n, "new"), khat=each,
    )  # fmt: skip


def _points(n: int, seed: int = 0) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 10))  # eight of no use, so that few hard labels mislead
    p = 1 / (1 + np.exp(-(2 * x[:, 0] - 1.5 * x[:, 1])))
    return x, p, (rng.random(n) < p).astype(np.int64)


def _job(x: Array, soft: Array, hard: Array, groups: Array | None = None) -> Job:
    source = Resident(torch.from_numpy(x).float()[:, :, None, None], lambda v: v)
    evidence = TargetData(
        hard=torch.from_numpy(hard), soft=torch.from_numpy(np.stack([1 - soft, soft], 1))
    )

    def network() -> nn.Module:
        layer = nn.Linear(10, 1)
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
        return nn.Sequential(nn.Flatten(), layer)

    def step1(net: nn.Module, images: Resident, some: TargetData, held: Held | None) -> Trained:
        return train(net, images, some, Prob(), FIRST, held=held, device="cpu")

    def prior(net: nn.Module, images: Resident, some: TargetData) -> WeightPrior:
        return WeightPrior.around(net, 0.0)

    def step2(
        net: nn.Module, images: Resident, some: TargetData, weights: WeightPrior, schedule: Schedule
    ) -> None:
        train(net, images, some, Hard(), schedule, prior=weights, device="cpu")

    return Job(source, evidence, groups, network, step1, prior, step2, SECOND)


@pytest.mark.parametrize("kind", ["right", "flipped", "uniform"])
def test_lambda_follows_the_worth_of_the_soft_labels(kind: str) -> None:
    x, p, y = _points(40)
    soft = {"right": p, "flipped": 1 - p, "uniform": np.full(40, 0.5)}[kind]
    choice = choose_by_folds(_job(x, soft, y), grid=GRID, folds=4)
    assert choice.lam >= choice.grid[int(np.argmin(choice.mean))]
    assert sum(choice.cases) == 40
    assert not choice.refitted
    if kind == "right":
        assert choice.lam >= 10
    else:  # left behind, as far as forty cases can tell one small lambda from another
        assert choice.lam <= 10
        assert choice.mean[choice.grid.index(choice.lam)] < choice.mean[0] - choice.se[0]
        hard_alone = choice.mean[choice.grid.index(0.0)]
        assert min(choice.mean) <= hard_alone


def test_the_path_scores_what_training_each_lambda_from_theta_p_scores() -> None:
    """The warm start loses nothing: each candidate's held-out NLL stays within its standard error."""
    x, p, y = _points(60, 1)
    grid = (math.inf, 30.0, 3.0, 0.3)
    job = _job(x, 0.5 + 0.3 * (p - 0.5), y)
    choice = choose_by_folds(job, grid=grid, folds=3)
    hard = job.evidence.hard.numpy()
    total = np.zeros(len(grid))
    for test in folds_of(hard, None, 3, 0):
        rows = torch.from_numpy(np.setdiff1d(np.arange(60), test))
        for i, lam in enumerate(grid):
            network = job.network()
            images, some = job.source.take(rows), job.evidence.take(rows)
            job.step1(network, images, some, None)
            long = Schedule(epochs=100, batch_size=64, lr=0.05)
            job.step2(network, images, some, WeightPrior.around(network, lam), long)
            held = job.source.pixels[torch.from_numpy(test)]
            logit = network(held)[:, 0].detach().double()
            truth = torch.from_numpy(hard[test]).double()
            total[i] += float(
                nn.functional.binary_cross_entropy_with_logits(logit, truth, reduction="sum")
            )
    np.testing.assert_array_less(np.abs(total / 60 - choice.mean), choice.se)


def test_groups_never_cross_a_fold_and_unlabelled_members_follow() -> None:
    x, p, y = _points(48, 2)
    y[::6] = -1
    groups = np.repeat(np.arange(16), 3)
    job = _job(x, p, y, groups)
    asked: list[Array] = []

    def refit(rows: Array) -> SoftLabels:
        asked.append(rows)
        return _soft(p[rows])

    choice = choose_by_folds(job, grid=(math.inf, 1.0), folds=4, refit=refit)
    assert choice.refitted
    assert len(asked) == len(choice.cases) == 4
    for rows, test in zip(asked, folds_of(y, groups, 4, 0), strict=True):
        assert not set(groups[rows]) & set(groups[test])
        assert set(groups[rows]) | set(groups[test]) == set(range(16))


def test_refitted_soft_labels_are_the_ones_trained_on() -> None:
    x, p, y = _points(40)
    flipped = choose_by_folds(
        _job(x, p, y), grid=GRID, folds=4, refit=lambda rows: _soft(1 - p[rows])
    )
    assert flipped.lam <= 1


def test_validation_cases_choose_without_folds() -> None:
    x, p, y = _points(200, 3)
    job = _job(x[:40], p[:40], y[:40])
    theta_p = job.network()
    job.step1(theta_p, job.source, job.evidence, None)
    before = {k: v.clone() for k, v in theta_p.state_dict().items()}
    held = Resident(torch.from_numpy(x[40:]).float()[:, :, None, None], lambda v: v)
    hard = torch.from_numpy(np.where(np.arange(160) < 10, -1, y[40:]))
    choice = choose_by_validation(job, theta_p, held, hard, grid=GRID)
    assert (choice.source, choice.cases) == ("validation", (150,))
    assert choice.lam >= 1
    assert all(torch.equal(before[k], v) for k, v in theta_p.state_dict().items())


def test_the_largest_lambda_within_one_paired_standard_error_is_chosen() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        scores = rng.normal(rng.normal(1, 0.1, (6, 1)), 0.2, (6, 30)) + rng.normal(0, 1, 30)
        best = min(range(6), key=lambda i: scores[i].mean())
        expected = next(
            i
            for i in range(6)
            if (d := scores[i] - scores[best]).mean() <= np.std(d, ddof=1) / np.sqrt(30)
        )
        assert _one_standard_error(scores) == expected
    assert _one_standard_error(np.array([[0.9, 0.7], [0.7, 0.5], [0.9, 0.9]])) == 1


def test_ties_go_to_the_larger_lambda() -> None:
    x = _points(24)[0]
    job = _job(np.zeros_like(x), np.full(24, 0.5), np.arange(24) % 2)
    choice = choose_by_folds(job, grid=(math.inf, 1e12, 1e11), folds=2)
    assert choice.lam == math.inf


def test_the_path_costs_less_than_a_quarter_of_training_each_candidate() -> None:
    schedule, path = Schedule(epochs=20), 8 - 1
    cost = schedule.epochs + path * path_schedule(schedule, path).epochs
    assert cost <= 0.25 * 8 * 2 * schedule.epochs


def test_bad_requests_are_refused() -> None:
    assert descending([0, math.inf, 1, 1]) == (math.inf, 1.0, 0.0)
    for grid in ([], [-1.0], [math.nan]):
        with pytest.raises(InputError, match="lambda: got the grid"):
            descending(grid)
    with pytest.raises(InputError, match="fewer than two labelled"):
        folds_of(np.array([0, 0, 0, 1, -1]), None, 5, 0)
