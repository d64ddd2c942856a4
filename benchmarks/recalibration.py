"""Are maps fitted to soft labels better than maps fitted to hard ones?

    labelppl simulate hip --out hips --cases 240 && cd hips && labelppl distill --model hip.py --image-size 48
    python benchmarks/recalibration.py --run hips/runs/hip --cases 600
    python benchmarks/recalibration.py --cifar10h cifar10h.csv --calibrate 300

Hips: new phantoms are predicted by the run's student and labelled by its label model; every map is fitted to the hard labels,
or to the soft labels p(Y|Z), of some of them and compared with the true p(Y|X) of the others.

CIFAR-10H: a student of the training images (the mean vote, then the voted class, λ = 1) predicts the others; every map is
fitted to the voted class, or to the shares of all votes, of some of them, and compared with the votes about the rest, and
with their true class, whose KL is the log loss.

Five splits, paired. Printed: mean KL(reference ‖ map) in nats, and the paired difference soft − hard with its 95 % interval
over splits (Student's t).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from click.testing import CliRunner
from scipy.stats import t

from labelppl import Schedule, distill, load_model, read_cases
from labelppl.calibration import MAPS
from labelppl.calibration.maps import applicable
from labelppl.metrics.kl import kl_divergence
from labelppl.targets import TARGETS


@dataclass(frozen=True)
class Predicted:
    """What a student says of new cases, and what it is compared with.

    student, soft: (cases, classes). hard: (cases,). references: what a map should have said, by name, (cases, classes).
    """

    student: np.ndarray
    soft: np.ndarray
    hard: np.ndarray
    references: Mapping[str, np.ndarray]


def call(*words: object) -> None:
    """Run one labelppl command."""
    from labelppl.cli import main

    done = CliRunner().invoke(main, [str(word) for word in words])
    if done.exit_code:
        raise SystemExit(done.output)


def hips(run: Path, cases: int) -> Predicted:
    """New hip phantoms, predicted by the student of a run."""
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
        return Predicted(
            pd.read_csv(folder / "p.csv")[columns].to_numpy(),
            soft[columns].to_numpy(),
            table["diagnosis"].map({name: k for k, name in enumerate(names)}).to_numpy(),
            {"true p(Y|X)": table[[f"p_true_{name}" for name in names]].to_numpy()},
        )


def people(data: Path, epochs: int, most: int | None) -> Predicted:
    """Images of CIFAR-10H that do not train, predicted by a student of those that do; `most` of either, None for all."""
    cases = read_cases(data, load_model("votes"))
    sides = [np.flatnonzero((cases.split == "train") == side)[:most] for side in (True, False)]
    kept = np.sort(np.concatenate(sides))
    cases = cases.take(kept)
    votes = cases.columns["votes"].values.numpy()
    student = distill(
        None,
        cases,
        target=TARGETS["mean-vote"](),
        votes=votes,
        student="cnn",
        lam=1.0,
        schedule=Schedule(epochs=epochs, batch_size=64),
        device="cpu",
    )
    rest = cases.split != "train"
    shares = votes[rest] / votes[rest].sum(axis=1, keepdims=True)
    true = pd.read_csv(data)["true_label"].to_numpy()[kept][rest]
    truth = (true[:, None] == np.array(cases.classes)).astype(np.float64)
    assert cases.images is not None
    images = [image for image, new in zip(cases.images, rest, strict=True) if new]
    return Predicted(
        student.predict_proba(images),
        shares,
        shares.argmax(axis=1),
        {"votes": shares, "true class": truth},
    )


def rows(predicted: Predicted, calibrate: int, splits: int) -> list[str]:
    """One row per reference and map."""
    lines = []
    for reference, truth in predicted.references.items():
        for name in applicable(predicted.student.shape[1]):
            losses = []
            for split in range(splits):
                order = np.random.default_rng(split).permutation(len(truth))
                fit, test = order[:calibrate], order[calibrate:]
                student = predicted.student[test]
                maps = [
                    MAPS[name]().fit(predicted.student[fit], labels[fit])
                    for labels in (predicted.hard, predicted.soft)
                ]
                shown = [student, *(mapping.transform(student) for mapping in maps)]
                losses.append([kl_divergence(truth[test], probs) for probs in shown])
            table = np.array(losses)
            gap = table[:, 2] - table[:, 1]
            reach = t.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / np.sqrt(len(gap))
            none, hard, soft = table.mean(axis=0)
            lines.append(
                f"| {reference} | {name} | {none:.4f} | {hard:.4f} | {soft:.4f} | {gap.mean():+.4f} | "
                f"{gap.mean() - reach:+.4f} to {gap.mean() + reach:+.4f} |"
            )
    return lines


def main() -> None:
    """Print one row per reference and map."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--run", type=Path, help="of hip phantoms")
    parser.add_argument("--cases", type=int, default=600)
    parser.add_argument(
        "--cifar10h", type=Path, help="the table of votes, with its images beside it"
    )
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--calibrate", type=int, default=60)
    parser.add_argument("--splits", type=int, default=5)
    chosen = parser.parse_args()
    if (chosen.run is None) == (chosen.cifar10h is None):
        parser.error("expected either --run or --cifar10h")
    predicted = (
        hips(chosen.run, chosen.cases)
        if chosen.run is not None
        else people(chosen.cifar10h, chosen.epochs, None)
    )
    print(f"{len(predicted.hard)} cases, {chosen.calibrate} of them to fit the maps")
    print("| compared with | map | none | hard | soft | soft − hard | 95 % interval |")
    print("|---|---|---|---|---|---|---|")
    for row in rows(predicted, chosen.calibrate, chosen.splits):
        print(row, flush=True)


if __name__ == "__main__":
    main()
