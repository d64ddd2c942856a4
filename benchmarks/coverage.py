"""Do 90 % intervals of p(Y|Z) hold the truth nine times in ten, under truths that are not drawn from the prior?

    python benchmarks/coverage.py [--cells spreads-20,rare-60] [--data-sets 600] [--out coverage.csv]
    python benchmarks/coverage.py --table coverage.csv

Each cell is a world with a known p(Y|Z) and a number of training cases. For every data set a family is fitted and its 90 %
intervals of p(Y|Z) are compared with the truth: of 40 new cases, and of the training cases, each left out. Beside it the mean
width and the expected log-loss of new labels, and the same of three posteriors:

known    knows every class's covariance, so that only the means and the prevalence are learned
size     knows every class's covariance up to one number, its size: less than any analyst of a real table has to learn, so that
         its width is a lower bound of what can be had
old      one pseudo-case of the pooled variance for each class (`NIW.around`)

Errors are standard errors over data sets; log-losses are differences in the same data sets. Where the truth is drawn from the
prior (cell ``prior``), the family's posterior is the best there is. A row is written for each data set, block by block, and
finished blocks are not run again. ``student_t`` is fitted by Laplace, the others in closed form.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import pandas as pd
import torch
from scipy.special import logsumexp

from labelppl import Label, Real, Vector, fit, soft_labels
from labelppl.distributions import SharedCovariances, SharedSizes, SharedSpread
from labelppl.families import Gaussian, StudentT, independent
from labelppl.families.exact import NIW, ExactPosterior, GaussianFactor, Prevalence
from labelppl.families.exact.shared_scale import KAPPA0
from labelppl.families.exact.shared_scale_gibbs import by_gibbs_each
from labelppl.features import Column
from labelppl.table import Cases

NEW, DRAWS = 40, 800
#: Data sets whose shared scales are sampled in one go.
TOGETHER = 40
FIGURES = (
    "cover_new", "cover_left_out", "width", "width_known", "width_size", "loss_over_known", "loss_over_old", "cover_known",
    "cover_size", "cover_old", "width_old",
)  # fmt: skip
FIELDS = ("cell", "seed", *FIGURES)


class World(NamedTuple):
    """Truth of two classes: share of each, mean (classes, d), covariance (classes, d, d); share of cells missing; whether the
    family is told the center 0 and the unit 1 in which a truth was drawn from its prior, and does not take them from the table.
    """

    share: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    missing: float = 0.0
    told_units: bool = False


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
        size = SharedSizes(spread, one, 2).sample() if d > 1 else torch.ones(2, dtype=torch.float64)
        root = SharedCovariances(spread, one, size).sample().numpy()
    mean = (root @ rng.normal(size=(2, d, 1)))[..., 0] / KAPPA0**0.5
    return World(rng.dirichlet([1.0, 1.0]), mean, root @ np.swapaxes(root, 1, 2), told_units=True)


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
#: Twenty cases hold one of the rare class, more or less.
del CELLS["rare-20"]


def draw(world: World, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Labels (n,) and measurements (n, d), NaN where missing."""
    y = rng.choice(2, n, p=world.share)
    root = np.linalg.cholesky(world.covariance)
    z = world.mean[y] + (root[y] @ rng.normal(size=(n, world.mean.shape[1], 1)))[..., 0]
    gone = rng.random(z.shape) < world.missing
    z[gone & ~gone.all(1, keepdims=True)] = np.nan
    return y, z


def log_density(
    z: np.ndarray, means: np.ndarray, covariance: np.ndarray, size: Any = 1.0
) -> np.ndarray:
    """log N(z; means, size covariance) of what was measured of each row, (n, draws); size: one number or (draws,)."""
    out = np.empty((len(z), len(means)))
    missing = np.isnan(z)
    for pattern in np.unique(missing, axis=0):
        rows, seen = (missing == pattern).all(1), ~pattern
        root = np.linalg.cholesky(covariance[np.ix_(seen, seen)])
        white = np.linalg.solve(root, np.concatenate([z[rows], means])[:, seen].T)
        cases, centers = white[:, : rows.sum()], white[:, rows.sum() :]
        square = ((cases[:, :, None] - centers[:, None]) ** 2).sum(0)
        constant = np.log(np.diag(root)).sum() + 0.5 * seen.sum() * np.log(2 * np.pi * size)
        out[rows] = -0.5 * square / size - constant
    return out


def true_p(world: World, z: np.ndarray) -> np.ndarray:
    """(n,) the true probability of the second class."""
    joint = [
        np.log(s) + log_density(z, m[None], c)[:, 0] for s, m, c in zip(*world[:3], strict=True)
    ]
    return np.asarray(np.exp(joint[1] - np.logaddexp(*joint)))


def oracle(
    world: World,
    y: np.ndarray,
    z: np.ndarray,
    new: np.ndarray,
    rng: np.random.Generator,
    *,
    knows_size: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and 90 % interval (cases,) of p(y = 1) of ``new`` by a posterior that knows the covariances, or all but their sizes;
    from complete rows.
    """
    whole = ~np.isnan(z).any(1)
    d, joint = z.shape[1], np.empty((2, len(new), DRAWS))
    center = np.zeros(d) if world.told_units else z[whole].mean(0)
    share = rng.dirichlet(1 + np.bincount(y, minlength=2), DRAWS)
    for k in (0, 1):
        rows = z[whole & (y == k)]
        kappa = KAPPA0 + len(rows)
        mean = (KAPPA0 * center + rows.sum(0)) / kappa
        root = np.linalg.cholesky(world.covariance[k])
        size = np.ones(DRAWS)
        if not knows_size and len(rows):
            away = np.concatenate([rows - mean, KAPPA0**0.5 * (center - mean)[None]])
            square = (np.linalg.solve(root, away.T) ** 2).sum()
            size = square / rng.chisquare(d * len(rows), DRAWS)
        step = rng.normal(size=(DRAWS, d)) @ root.T * np.sqrt(size / kappa)[:, None]
        joint[k] = log_density(new, mean + step, world.covariance[k], size) + np.log(share[:, k])
    evidence = np.logaddexp(*joint)
    weight = np.exp(evidence - logsumexp(evidence, 1, keepdims=True))
    p = np.exp(joint[1] - evidence)
    order = p.argsort(1)
    ordered = np.take_along_axis(p, order, 1)
    cumulative = np.take_along_axis(weight, order, 1).cumsum(1)
    lo, hi = (
        np.take_along_axis(ordered, (cumulative < level).sum(1, keepdims=True).clip(max=DRAWS - 1), 1)[:, 0]
        for level in (0.05, 0.95)
    )  # fmt: skip
    return (weight * p).sum(1), lo, hi


def cases_of(y: np.ndarray, z: np.ndarray, prefix: str) -> Cases:
    """The table as `fit` takes it."""
    values = torch.from_numpy(z[:, 0] if z.shape[1] == 1 else z)
    column = Column(torch.nan_to_num(values), ~torch.isnan(values))
    ids = np.array([f"{prefix}{i}" for i in range(len(y))])
    return Cases(ids, ("no", "yes"), y.astype(np.int64), {"z": column}, np.full(len(y), "train"))


class DataSet(NamedTuple):
    """A world, its training cases and its new ones."""

    world: World
    y: np.ndarray
    z: np.ndarray
    new: np.ndarray
    rng: np.random.Generator


def data_set(cell: str, seed: int) -> DataSet:
    """The data set ``seed`` of a cell; both classes are there."""
    world_name, n, _ = CELLS[cell]
    rng = np.random.default_rng([crc32(cell.encode()), seed])
    world = WORLDS[world_name](rng)
    y, z = draw(world, n, rng)
    while len(np.unique(y)) < 2:
        y, z = draw(world, n, rng)
    return DataSet(world, y, z, draw(world, NEW, rng)[1], rng)


def feature_of(d: int) -> Real | Vector:
    """What the table declares."""
    return Real() if d == 1 else Vector(*[f"x{j}" for j in range(d)])


def posteriors(sets: list[DataSet], seed: int) -> Iterator[ExactPosterior]:
    """`gaussian` of each data set, as its ``exact`` gives it; what classes share is sampled for all of them in one go."""
    d = sets[0].z.shape[1]
    tables = [cases_of(each.y, each.z, "case") for each in sets]
    units = ((0.0, 1.0),) * d if sets[0].world.told_units else None
    law = Gaussian(feature_of(d), standard=units)
    models = [independent(y=Label("no", "yes"), z=law).for_cases(t) for t in tables]
    if d == 1:
        yield from (model.exact(t, seed) for model, t in zip(models, tables, strict=True))
        return
    priors = [model.evidence[0].prior() for model in models]
    scales = [(prior.center.numpy(), prior.spread.numpy()) for prior in priors]
    rows = [((s.z - center) / unit, s.y) for s, (center, unit) in zip(sets, scales, strict=True)]
    samples = by_gibbs_each(rows, 2, KAPPA0, np.random.default_rng(seed))
    for t, prior, sampled in zip(tables, priors, samples, strict=True):
        labels = torch.from_numpy(t.labels)
        factor = GaussianFactor.of(
            "z", t.columns["z"], labels, prior, "plain", sampled.shared, sampled.sums, sampled.problems
        )  # fmt: skip
        prevalence = Prevalence.fit(labels, torch.ones(2, dtype=torch.float64))
        yield ExactPosterior(prevalence, (factor,), labels)


def by_laplace(each: DataSet, seed: int) -> dict[str, Any]:
    """p and intervals of `student_t`."""
    model = independent(y=Label("no", "yes"), z=StudentT(feature_of(each.z.shape[1])))
    posterior = fit(model, cases_of(each.y, each.z, "case"), seed=seed)
    labels = soft_labels(posterior, cases_of(np.zeros(NEW, int), each.new, "new"))
    own = soft_labels(posterior)
    return {
        "new": (labels.probs[:, 1], labels.lo[:, 1], labels.hi[:, 1]),
        "left_out": (own.probs[:, 1], own.lo[:, 1], own.hi[:, 1]),
    }


def in_closed_form(each: DataSet, exact: ExactPosterior) -> dict[str, Any]:
    """p and intervals of `gaussian`."""
    columns = cases_of(np.zeros(NEW, int), each.new, "new").columns
    return {
        "new": interval(exact.new(columns)),
        "left_out": interval(exact.left_out(torch.arange(len(each.y)))),
    }


def figures(each: DataSet, labels: Mapping[str, Any]) -> dict[str, float]:
    """Figures of one data set."""
    world, y, z, new, rng = each
    truth, own_truth = true_p(world, new), true_p(world, z)
    (p, lo, hi), (_, own_lo, own_hi) = labels["new"], labels["left_out"]
    out = {
        "cover_new": np.mean((lo <= truth) & (truth <= hi)),
        "cover_left_out": np.mean((own_lo <= own_truth) & (own_truth <= own_hi)),
        "width": np.mean(hi - lo),
    }
    for name, knows_size in (("known", True), ("size", False)):
        other, lo, hi = oracle(world, y, z, new, rng, knows_size=knows_size)
        out[f"width_{name}"] = np.mean(hi - lo)
        out[f"cover_{name}"] = np.mean((lo <= truth) & (truth <= hi))
        if knows_size:
            out["loss_over_known"] = log_loss(p, truth) - log_loss(other, truth)
    if not np.isnan(z).any():
        center, spread = torch.from_numpy(z.mean(0)), torch.from_numpy(z.std(0, ddof=1))
        law = Gaussian(feature_of(z.shape[1]), niw=NIW.around(center, spread))
        old = independent(y=Label("no", "yes"), z=law).exact(cases_of(y, z, "case"))
        columns = cases_of(np.zeros(NEW, int), new, "new").columns
        other, lo, hi = interval(old.new(columns))
        out["width_old"] = np.mean(hi - lo)
        out["cover_old"] = np.mean((lo <= truth) & (truth <= hi))
        out["loss_over_old"] = log_loss(p, truth) - log_loss(other, truth)
    return {name: float(value) for name, value in out.items()}


def data_sets_of(cell: str, seeds: range) -> list[dict[str, float]]:
    """Figures of the data sets ``seeds``."""
    sets = [data_set(cell, seed) for seed in seeds]
    if CELLS[cell][2] == "student_t":
        labels = [by_laplace(each, seed) for each, seed in zip(sets, seeds, strict=True)]
    else:
        exact = posteriors(sets, seeds[0])
        labels = [
            in_closed_form(each, posterior) for each, posterior in zip(sets, exact, strict=True)
        ]
    return [figures(each, own) for each, own in zip(sets, labels, strict=True)]


def interval(labels: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and 90 % interval (cases,) of the second class."""
    draws = labels.draw(DRAWS, seed=0)[:, 1].numpy()
    lo, hi = np.quantile(draws, (0.05, 0.95), axis=1)
    return labels.probs[:, 1].numpy(), lo, hi


def log_loss(p: np.ndarray, truth: np.ndarray) -> float:
    """Expected -log p(y) under the true probability, clipped at 1e-6."""
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return float(-(truth * np.log(p) + (1 - truth) * np.log1p(-p)).mean())


def table(path: Path) -> str:
    """Means over data sets with their standard errors, cell by cell, as Markdown."""
    head = (
        "cell",
        "data sets",
        "new cases",
        "left out",
        "known scales",
        "old prior",
        "width / known",
        "size alone / known",
    )
    lines = [
        f"| {' | '.join((*head, 'log-loss over known', 'over old'))} |",
        "|---" * (len(head) + 2) + "|",
    ]
    for cell, rows in pd.read_csv(path).groupby("cell", sort=False):
        mean, error = rows[list(FIGURES)].mean(), rows[list(FIGURES)].std() / len(rows) ** 0.5
        cells = [str(cell), str(len(rows))]
        cells += [
            f"{mean[name]:.3f} ± {error[name]:.3f}" if np.isfinite(mean[name]) else ""
            for name in ("cover_new", "cover_left_out", "cover_known", "cover_old")
        ]
        cells += [f"{mean[name] / mean['width_known']:.2f}" for name in ("width", "width_size")]
        cells += [
            f"{mean[name]:+.4f} ± {error[name]:.4f}" if np.isfinite(mean[name]) else ""
            for name in ("loss_over_known", "loss_over_old")
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", default=",".join(CELLS), help="which worlds and sizes")
    parser.add_argument("--data-sets", type=int, default=600)
    parser.add_argument("--out", type=Path, default=Path("coverage.csv"))
    parser.add_argument(
        "--table", type=Path, help="print the rows of this file as a table, and run nothing"
    )
    options = parser.parse_args(argv)
    if options.table is not None:
        print(table(options.table))
        return
    torch.set_num_threads(1)
    done: set[tuple[str, int]] = set()
    if options.out.is_file():
        with options.out.open() as file:
            done = {(row["cell"], int(row["seed"])) for row in csv.DictReader(file)}
    else:
        with options.out.open("w", newline="") as file:
            csv.DictWriter(file, FIELDS).writeheader()
    for cell in options.cells.split(","):
        for first in range(0, options.data_sets, TOGETHER):
            seeds = range(first, min(first + TOGETHER, options.data_sets))
            if (cell, seeds[-1]) in done:
                continue
            rows = [
                {
                    "cell": cell,
                    "seed": seed,
                    **{name: round(value, 6) for name, value in row.items()},
                }
                for seed, row in zip(seeds, data_sets_of(cell, seeds), strict=True)
                if (cell, seed) not in done
            ]
            with options.out.open("a", newline="") as file:
                csv.DictWriter(file, FIELDS).writerows(rows)
    print(table(options.out))


if __name__ == "__main__":
    main()
