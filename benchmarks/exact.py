"""Seconds to the full posterior and to leave-one-out labels of a conjugate family.

    python benchmarks/exact.py [--quick] [--cases 10000]

The class-conditional Gaussian with full covariance on two measurements. The first, small fit of the process is not
counted: it imports what is needed and warms torch up. The time is the best of three.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

from labelppl import Label, Real, fit, soft_labels
from labelppl.families import gaussian
from labelppl.table import Cases, cases_from_frame

MODEL = gaussian(y=Label("no", "yes"), a=Real(), b=Real())


def simulate(n: int) -> Cases:
    """n labelled cases of two overlapping correlated Gaussians."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n)
    z = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], n) + y[:, None] * [1.0, -1.0]
    frame = pd.DataFrame(
        {"y": np.array(["no", "yes"])[y], "a": z[:, 0], "b": z[:, 1], "split": "train"}
    )
    return cases_from_frame(frame, MODEL.label_name, MODEL.label, MODEL.features)


def seconds(cases: Cases) -> tuple[float, float]:
    """Of the fit, and of the labels."""
    began = time.perf_counter()
    posterior = fit(MODEL, cases, engine="exact", seed=0)
    fitted = time.perf_counter()
    soft_labels(posterior)
    return fitted - began, time.perf_counter() - fitted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few cases: does it run?")
    parser.add_argument("--cases", type=int, default=10_000)
    args = parser.parse_args()
    seconds(simulate(100))
    cases = simulate(200 if args.quick else args.cases)
    found = min((seconds(cases) for _ in range(3)), key=sum)
    print("| cases | posterior, s | leave-one-out labels, s | both, s |\n|---|---|---|---|")
    print(f"| {len(cases):,} | {found[0]:.2f} | {found[1]:.2f} | {sum(found):.2f} |")


if __name__ == "__main__":
    main()
