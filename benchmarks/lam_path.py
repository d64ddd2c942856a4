"""What choosing lambda costs along a warm-started path, and what is lost by it.

    python benchmarks/lam_path.py [--quick] [--cases 200] [--epochs 10]

Hip phantoms at 32 x 32, 8 candidates and 5 folds. `path`: as `distill` chooses, step 1 once in each fold and then the
path from large lambda to small. `scratch`: step 1 and a whole step 2 for every candidate in every fold. Both score the
same held-out cases. The table has the held-out NLL of every candidate by either way; below it stand how long each took,
and by how many standard errors (paired over cases) the candidate that the path picked is worse than the best.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from pathlib import Path

import numpy as np

from labelppl import distill, fit, load_model, read_cases, soft_labels
from labelppl.distillation.lam import folds_of
from labelppl.distillation.prior_options import GRID, PriorOptions
from labelppl.phantoms import simulate
from labelppl.training.schedule import Schedule

FOLDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few cases, one epoch: does it run?")
    parser.add_argument("--cases", type=int, default=200, help="training cases")
    parser.add_argument("--epochs", type=int, default=10, help="of either step")
    args = parser.parse_args()
    if args.quick:
        args.cases, args.epochs = 40, 1
    with tempfile.TemporaryDirectory() as folder:
        data = simulate("hip", Path(folder) / "hips", cases=args.cases + 1, size=32, test=1)
        measure(data, args.epochs)


def measure(data: Path, epochs: int) -> None:
    """Print the tables for one data set."""
    model = load_model(data / "hip.py")
    cases = read_cases(data / "hip.csv", model).train
    labels = soft_labels(fit(model, cases, engine="laplace"))
    options = {"schedule": Schedule(epochs=epochs), "seed": 0}

    began = time.perf_counter()
    distill(labels, cases, lam=math.inf, **options)
    one = time.perf_counter() - began
    began = time.perf_counter()
    chosen = distill(labels, cases, prior=PriorOptions(folds=FOLDS), **options)
    path = time.perf_counter() - began - one
    assert chosen.choice is not None
    steps = [row for row in chosen.history if row.step == "step 2"]
    path -= sum(row.seconds for row in steps)

    began = time.perf_counter()
    scores = np.full((len(GRID), len(cases)), np.nan)
    for held in folds_of(cases.labels, None, FOLDS, seed=0):
        known, unseen = cases.take(np.setdiff1d(np.arange(len(cases)), held)), cases.take(held)
        for i, lam in enumerate(GRID):
            probs = distill(labels, known, lam=lam, **options).predict_proba(unseen.images)
            scores[i, held] = -np.log(np.clip(probs[np.arange(len(held)), unseen.labels], 1e-12, 1))
    scratch = time.perf_counter() - began

    nll = scores.mean(1)
    picked, best = GRID.index(chosen.choice.lam), int(nll.argmin())
    gap = scores[picked] - scores[best]
    error = gap.std(ddof=1) / math.sqrt(len(gap))
    print(f"{len(cases)} training cases, {epochs} epochs of either step, {FOLDS} folds\n")
    print("| lambda | NLL along the path | NLL from scratch |\n|---|---|---|")
    for lam, along, alone in zip(GRID, chosen.choice.mean, nll, strict=True):
        print(f"| {lam:g} | {along:.3f} | {alone:.3f} |")
    print(f"\npath {path:.1f} s, scratch {scratch:.1f} s: {path / scratch:.1%}")
    worse = gap.mean() / error if error else 0.0
    print(f"picked lambda {GRID[picked]:g}: {worse:.2f} standard errors worse than {GRID[best]:g}")


if __name__ == "__main__":
    main()
