"""Are maps fitted to soft labels better than maps fitted to hard ones?

    labelppl simulate hip --out hips --cases 240 && cd hips && labelppl distill --model hip.py --image-size 48
    python benchmarks/recalibration.py --run hips/runs/hip --cases 600

New hip phantoms are predicted by the run's student and labelled by its label model; every map is fitted to
the hard labels, or to the soft labels p(Y|Z), of 60 of them and compared with the true p(Y|X) of the others,
five splits, paired. Printed: mean KL(truth ‖ map) in nats, and the paired difference soft − hard with its
95 % interval over splits (Student's t).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from click.testing import CliRunner
from scipy.stats import t

from labelppl.calibration import MAPS
from labelppl.metrics.kl import kl_divergence


def call(*words: object) -> None:
    """Run one labelppl command."""
    from labelppl.cli import main

    done = CliRunner().invoke(main, [str(word) for word in words])
    if done.exit_code:
        raise SystemExit(done.output)


def tables(run: Path, cases: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Student's, soft and true probabilities (cases, 2) and labels (cases,) of new phantoms."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "new"
        call("simulate", "hip", "--out", folder, "--cases", cases, "--seed", 99)
        table = pd.read_csv(folder / "hip.csv")
        images = [folder / image for image in table["image"]]
        call("predict", "--run", run, "--raw", *images, "--out", folder / "p.csv")
        call("label", "--run", run, "--data", folder / "hip.csv", "--out", folder / "soft.parquet")
        soft = pd.read_parquet(folder / "soft.parquet")
        names = ["normal", "dysplastic"]
        columns = [f"p_{name}" for name in names]
        student = pd.read_csv(folder / "p.csv")[columns].to_numpy()
        truth = table[[f"p_true_{name}" for name in names]].to_numpy()
        labels = table["diagnosis"].map({name: k for k, name in enumerate(names)}).to_numpy()
        return student, soft[columns].to_numpy(), truth, labels


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--cases", type=int, default=600)
    parser.add_argument("--calibrate", type=int, default=60)
    parser.add_argument("--splits", type=int, default=5)
    chosen = parser.parse_args()
    student, soft, truth, labels = tables(chosen.run, chosen.cases)
    print(f"as it is: {kl_divergence(truth, student):.4f} nats from the truth")
    print("| map | hard | soft | soft − hard | 95 % interval |\n|---|---|---|---|---|")
    for name, kind in MAPS.items():
        losses = []
        for split in range(chosen.splits):
            order = np.random.default_rng(split).permutation(len(labels))
            fit, test = order[: chosen.calibrate], order[chosen.calibrate :]
            pair = [
                kl_divergence(
                    truth[test], kind().fit(student[fit], reference[fit]).transform(student[test])
                )
                for reference in (labels, soft)
            ]
            losses.append(pair)
        table = np.array(losses)
        gap = table[:, 1] - table[:, 0]
        reach = t.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / np.sqrt(len(gap))
        hard, easy = table.mean(axis=0)
        print(f"| {name} | {hard:.4f} | {easy:.4f} | {gap.mean():+.4f} | "
              f"{gap.mean() - reach:+.4f} to {gap.mean() + reach:+.4f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
