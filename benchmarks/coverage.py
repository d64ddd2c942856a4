"""Do 90 % intervals of p(Y|Z) hold the truth nine times in ten, under truths that are not drawn from the prior?

    python benchmarks/coverage.py [--cells spreads-20,rare-60] [--data-sets 600] [--out coverage.csv]

Each cell is a world with a known p(Y|Z) and a number of training cases. For every data set a family is fitted and its 90 %
intervals of p(Y|Z) are compared with the truth: of 40 new cases, and of the training cases, each left out. Beside it: the mean
width, and that of the posterior that knows every class's covariance; the log-loss of new labels under both; and the same
figures of the prior that gives each class one pseudo-case of the pooled variance (`NIW.around`). Rows are written as cells
finish, and finished ones are not run again. ``student_t`` is fitted by Laplace, the others in closed form.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from labelppl import Label, Real, Vector, fit, soft_labels
from labelppl.distributions import SharedCovariances, SharedSpread
from labelppl.families import Gaussian, StudentT, independent
from labelppl.families.exact import NIW
from labelppl.features import Column
from labelppl.table import Cases

NEW, DRAWS = 40, 1000
FIELDS = (
    "cell", "family", "n", "data_sets", "cover_new", "se_new", "cover_left_out", "se_left_out", "width", "width_known",
    "log_loss", "log_loss_known", "cover_old", "width_old", "log_loss_old", "seconds",
)  # fmt: skip


class World(NamedTuple):
    """Truth of two classes: share of each, mean (classes, d), covariance (classes, d, d); share of cells missing."""

    share: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    missing: float = 0.0


def normal(
    sds: Any, apart: float, d: int, share: Any = (0.5, 0.5), rho: float = 0.3, missing: float = 0.0
) -> World:
    """Class k has SDs ``sds[k]`` and equal correlations; the centers are ``apart`` along every axis."""
    correlation = np.full((d, d), rho) + (1 - rho) * np.eye(d)
    covariance = np.stack([sd**2 * correlation for sd in sds])
    mean = np.stack([np.zeros(d), np.full(d, apart)])
    return World(np.array(share), mean, covariance, missing)


def from_prior(rng: np.random.Generator, d: int = 2) -> World:
    """A truth drawn from the default prior."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**62)))
        one = torch.ones(d, dtype=torch.float64)
        spread = SharedSpread(one, 2).sample()
        root = SharedCovariances(spread, one, 2).sample().numpy()
    mean = (root @ rng.normal(size=(2, d, 1)))[..., 0] / 0.1**0.5
    return World(rng.dirichlet([1.0, 1.0]), mean, root @ np.swapaxes(root, 1, 2))


WORLDS: dict[str, Callable[[np.random.Generator], World]] = {
    "prior": from_prior,
    "equal": lambda rng: normal((1.0, 1.0), 1.0, 2),
    "spreads": lambda rng: normal((0.3, 2.0), 0.5, 2),
    "one-number": lambda rng: normal((0.3, 2.0), 0.5, 1),
    "rare": lambda rng: normal((1.0, 1.0), 1.2, 2, (0.95, 0.05)),
    "five": lambda rng: normal((1.0, 1.5), 0.6, 5),
    "missing": lambda rng: normal((0.6, 1.5), 0.8, 2, missing=0.2),
}
CELLS = {
    **{f"{world}-{n}": (world, n, "gaussian") for world in WORLDS for n in (20, 60)},
    "rare-100": ("rare", 100, "gaussian"),
    "t-spreads-60": ("one-number", 60, "student_t"),
}


def draw(world: World, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) and measurements (n, d), NaN where missing."""
    y = rng.choice(2, n, p=world.share)
    root = np.linalg.cholesky(world.covariance)
    z = world.mean[y] + (root[y] @ rng.normal(size=(n, world.mean.shape[1], 1)))[..., 0]
    gone = rng.random(z.shape) < world.missing
    z[gone & ~gone.all(1, keepdims=True)] = np.nan
    return y, z


def log_density(z: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """log N of what was measured of each row, (n,) for one mean or (n, draws) for several."""
    several = np.atleast_2d(mean)
    out = np.empty((len(z), len(several)))
    for i, row in enumerate(z):
        seen = ~np.isnan(row)
        law = multivariate_normal(np.zeros(seen.sum()), covariance[np.ix_(seen, seen)])
        out[i] = law.logpdf((row[seen] - several[:, seen]).reshape(len(several), -1))
    return out if mean.ndim == 2 else out[:, 0]


def true_p(world: World, z: np.ndarray) -> np.ndarray:
    """(n,) the true probability of the second class."""
    joint = [np.log(s) + log_density(z, m, c) for s, m, c in zip(*world[:3], strict=True)]
    return np.asarray(np.exp(joint[1] - np.logaddexp(*joint)))


def known_scales(
    world: World, y: np.ndarray, z: np.ndarray, new: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and width (cases,) of p(y = 1) of ``new`` by the posterior that knows the covariances; complete rows only."""
    whole = ~np.isnan(z).any(1)
    joint = np.empty((2, len(new), DRAWS))
    center = z[whole].mean(0)
    share = rng.dirichlet(1 + np.bincount(y, minlength=2), DRAWS)
    for k in (0, 1):
        rows = z[whole & (y == k)]
        kappa = 0.1 + len(rows)
        mean = (0.1 * center + rows.sum(0)) / kappa
        root = np.linalg.cholesky(world.covariance[k] / kappa)
        means = mean + rng.normal(size=(DRAWS, z.shape[1])) @ root.T
        joint[k] = log_density(new, means, world.covariance[k]) + np.log(share[:, k])
    evidence = np.logaddexp(*joint)
    weight = np.exp(evidence - logsumexp(evidence, 1, keepdims=True))
    p = np.exp(joint[1] - evidence)
    order = p.argsort(1)
    cumulative = np.take_along_axis(weight, order, 1).cumsum(1)
    ends = [
        np.take_along_axis(p, np.take_along_axis(order, (cumulative < level).sum(1, keepdims=True).clip(max=DRAWS - 1), 1), 1)
        for level in (0.05, 0.95)
    ]  # fmt: skip
    return (weight * p).sum(1), (ends[1] - ends[0])[:, 0]


def cases_of(y: np.ndarray, z: np.ndarray) -> Cases:
    """The table as `fit` takes it."""
    values = torch.from_numpy(z[:, 0] if z.shape[1] == 1 else z)
    column = Column(torch.nan_to_num(values), ~torch.isnan(values))
    ids = np.array([str(i) for i in range(len(y))])
    return Cases(ids, ("no", "yes"), y.astype(np.int64), {"z": column}, np.full(len(y), "train"))


def one(cell: str, seed: int) -> dict[str, float]:
    """Figures of one data set."""
    world_name, n, family = CELLS[cell]
    rng = np.random.default_rng([list(CELLS).index(cell), seed])
    world = WORLDS[world_name](rng)
    y, z = draw(world, n, rng)
    while len(np.unique(y)) < 2:
        y, z = draw(world, n, rng)
    new_y, new = draw(world, NEW, rng)
    d = z.shape[1]
    feature = Real() if d == 1 else Vector(*[f"x{j}" for j in range(d)])
    cases, new_cases = cases_of(y, z), cases_of(new_y, new)
    truth, own_truth = true_p(world, new), true_p(world, z)
    out: dict[str, float] = {}
    if family == "student_t":
        model = independent(y=Label("no", "yes"), z=StudentT(feature))
        posterior = fit(model, cases, seed=seed)
        blank = Cases(
            np.array([f"new{i}" for i in range(NEW)]), *[getattr(new_cases, f) for f in ("classes", "labels", "columns", "split")]
        )  # fmt: skip
        labels, own = soft_labels(posterior, blank), soft_labels(posterior)
        p, lo, hi = labels.probs[:, 1], labels.lo[:, 1], labels.hi[:, 1]
        own_lo, own_hi = own.lo[:, 1], own.hi[:, 1]
    else:
        law = Gaussian(feature)
        model = independent(y=Label("no", "yes"), z=law).for_cases(cases)
        exact = model.exact(cases, seed)
        p, lo, hi = interval(exact.new(new_cases.columns))
        _, own_lo, own_hi = interval(exact.left_out(torch.arange(n)))
    if not np.isnan(z).any():
        center, spread = torch.from_numpy(z.mean(0)), torch.from_numpy(z.std(0, ddof=1))
        old = independent(y=Label("no", "yes"), z=Gaussian(feature, niw=NIW.around(center, spread)))
        old_p, old_lo, old_hi = interval(old.exact(cases).new(new_cases.columns))
        out |= {
            "cover_old": np.mean((old_lo <= truth) & (truth <= old_hi)),
            "width_old": np.mean(old_hi - old_lo),
            "log_loss_old": log_loss(old_p, new_y),
        }
    known_p, known_width = known_scales(world, y, z, new, rng)
    return out | {
        "cover_new": np.mean((lo <= truth) & (truth <= hi)),
        "cover_left_out": np.mean((own_lo <= own_truth) & (own_truth <= own_hi)),
        "width": np.mean(hi - lo),
        "width_known": np.mean(known_width),
        "log_loss": log_loss(p, new_y),
        "log_loss_known": log_loss(known_p, new_y),
    }


def interval(labels: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and 90 % interval (cases,) of the second class."""
    draws = labels.draw(DRAWS, seed=0)[:, 1].numpy()
    lo, hi = np.quantile(draws, (0.05, 0.95), axis=1)
    return labels.probs[:, 1].numpy(), lo, hi


def log_loss(p: np.ndarray, y: np.ndarray) -> float:
    """Mean of -log p(y), clipped at 1e-6."""
    return float(-np.log(np.clip(np.where(y == 1, p, 1 - p), 1e-6, 1.0)).mean())


def run(cell: str, data_sets: int) -> dict[str, Any]:
    """One row of the result."""
    began = time.process_time()
    rows = [one(cell, seed) for seed in range(data_sets)]
    row: dict[str, Any] = {
        "cell": cell,
        "family": CELLS[cell][2],
        "n": CELLS[cell][1],
        "data_sets": data_sets,
    }
    for key in rows[0]:
        values = np.array([r[key] for r in rows])
        row[key] = round(float(values.mean()), 4)
        if key in ("cover_new", "cover_left_out"):
            row[f"se_{key.removeprefix('cover_')}"] = round(float(values.std() / data_sets**0.5), 4)
    return row | {"seconds": round(time.process_time() - began, 1)}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", default=",".join(CELLS), help="which worlds and sizes")
    parser.add_argument("--data-sets", type=int, default=600)
    parser.add_argument("--out", type=Path, default=Path("coverage.csv"))
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    done: set[str] = set()
    if options.out.is_file():
        with options.out.open() as file:
            done = {
                row["cell"]
                for row in csv.DictReader(file)
                if int(row["data_sets"]) >= options.data_sets
            }
    for cell in options.cells.split(","):
        if cell in done:
            continue
        row = run(cell, options.data_sets)
        print(row, flush=True)
        fresh = not options.out.is_file()
        with options.out.open("a", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            if fresh:
                writer.writeheader()
            writer.writerow(row)


if __name__ == "__main__":
    main()
