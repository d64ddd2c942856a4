"""Do 90 % intervals of p(Y|Z) cover where the prevalence of the new cases is not known?

    python benchmarks/prevalence.py [--quick] [--sets 600] [--cells 0 1 2 3] [--seed 0]

Each data set: two normal classes in two dimensions, fitted by `gaussian` to balanced cases; new cases of another prevalence;
the truth is p(Y|Z) under the true densities at that prevalence. Three ways to label the new cases: the true prevalence stated;
`--prevalence auto`, which pairs a draw of the prevalence with each draw of the fit; and the mean of that estimate passed
on alone, as if it were known. Standard errors are over data sets.
"""

from __future__ import annotations

import argparse
import time
from typing import NamedTuple

import numpy as np
import pandas as pd

from labelppl import fit, soft_labels
from labelppl.families import gaussian
from labelppl.features import Label, Real, Vector
from labelppl.model import LabelModel
from labelppl.softlabels import SoftLabels
from labelppl.softlabels.deployment import estimate_prevalence
from labelppl.table import cases_from_frame

WAYS = ("stated", "auto", "mean alone")
FEWEST_OF_A_CLASS = 4
#: New cases that are labelled and judged; the prevalence is estimated from all of them.
LABELLED = 50


class Cell(NamedTuple):
    """prevalence: of the new cases. apart: distance of the class means, in SDs of the first number. train, new: cases."""

    prevalence: float
    apart: float
    train: int
    new: int


CELLS = (
    Cell(0.05, 1.6, 60, 200),
    Cell(0.3, 0.8, 40, 100),
    Cell(0.01, 1.6, 60, 200),
    Cell(0.05, 1.6, 60, 20),
)


def drawn(rng: np.random.Generator, cell: Cell, n: int, prevalence: float) -> pd.DataFrame:
    """``n`` cases, with the true p(ill | a, b)."""
    mean = np.array([0.6, 0.5]) * cell.apart
    y = (rng.random(n) < prevalence).astype(int)
    z = rng.normal(size=(n, 2)) + np.outer(2 * y - 1, mean)
    log_odds = np.log(prevalence / (1 - prevalence)) + 2 * z @ mean
    return pd.DataFrame(
        {"y": np.where(y == 1, "ill", "well"), "a": z[:, 0], "b": z[:, 1], "p": 1 / (1 + np.exp(-log_odds))}
    )  # fmt: skip


def training(rng: np.random.Generator, cell: Cell) -> pd.DataFrame:
    """Balanced cases, some of each class."""
    while True:
        frame = drawn(rng, cell, cell.train, 0.5)
        if frame["y"].value_counts().reindex(["ill", "well"]).min() >= FEWEST_OF_A_CLASS:
            return frame.assign(split="train")


def one_set(cell: Cell, model: LabelModel, seed: int) -> list[tuple[float, float, float]]:
    """Of each way: share of new cases covered, mean width, mean log-loss against the truth; then whether pi' was covered."""
    rng = np.random.default_rng([seed, *map(ord, str(cell))])
    known, new = training(rng, cell), drawn(rng, cell, cell.new, cell.prevalence)
    cases = cases_from_frame(known, "y", model.label, model.features)
    posterior = fit(model, cases, seed=seed)
    frame = new.drop(columns="y").assign(id=[f"n{i}" for i in range(cell.new)], split="test")
    others = cases_from_frame(frame, "y", model.label, model.features)
    estimate = estimate_prevalence(posterior, others, seed=seed)
    stated = {"ill": cell.prevalence}
    mean = dict(zip(estimate.classes, map(float, estimate.mean), strict=True))
    some = others.take(range(min(cell.new, LABELLED)))
    truth = new["p"].to_numpy()[: len(some)]
    rows = [
        _judged(soft_labels(posterior, some, prevalence=way), truth)
        for way in (stated, estimate, mean)
    ]
    k = estimate.classes.index("ill")
    inside = float(estimate.lo[k] <= cell.prevalence <= estimate.hi[k])
    return [*rows, (inside, float(estimate.hi[k] - estimate.lo[k]), float(estimate.mean[k]))]


def _judged(labels: SoftLabels, truth: np.ndarray) -> tuple[float, float, float]:
    k = labels.classes.index("ill")
    lo, hi, p = labels.lo[:, k], labels.hi[:, k], np.clip(labels.probs[:, k], 1e-12, 1 - 1e-12)
    loss = -(truth * np.log(p) + (1 - truth) * np.log(1 - p)).mean()
    return float(((lo <= truth) & (truth <= hi)).mean()), float((hi - lo).mean()), float(loss)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two data sets: does it run?")
    parser.add_argument("--sets", type=int, default=600)
    parser.add_argument("--cells", type=int, nargs="+", default=list(range(len(CELLS))))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    sets = 2 if args.quick else args.sets
    model = gaussian(y=Label("ill", "well"), z=Vector(a=Real(), b=Real()))
    print(
        "| prevalence | apart | train, new | way | coverage | s.e. | width | log-loss | less than stated |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    began = time.perf_counter()
    for cell in (CELLS[i] for i in args.cells):
        every = np.array([one_set(cell, model, args.seed + i) for i in range(sets)])
        for i, way in enumerate(WAYS):
            covered, width, loss = every[:, i].mean(0)
            less = every[:, 0, 0] - every[:, i, 0]
            print(
                f"| {cell.prevalence} | {cell.apart} | {cell.train}, {cell.new} | {way} | {covered:.3f} | "
                f"{every[:, i, 0].std() / np.sqrt(sets):.3f} | {width:.3f} | {loss:.4f} | "
                f"{less.mean():.3f} ± {less.std() / np.sqrt(sets):.3f} |",
                flush=True,
            )
        inside, width, mean = every[:, 3].mean(0)
        print(
            f"| {cell.prevalence} | {cell.apart} | {cell.train}, {cell.new} | π' itself | {inside:.3f} | "
            f"{every[:, 3, 0].std() / np.sqrt(sets):.3f} | {width:.3f} | mean {mean:.3f} | |",
            flush=True,
        )
    print(f"\n{sets} data sets a cell, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
