"""Which ranking finds wrong labels: labelppl's audit or cleanlab?

    pip install cleanlab
    python benchmarks/label_errors.py --seeds 5 --cases 400                                   hip phantoms
    python benchmarks/label_errors.py --cifar10h cifar10h.csv --student cnn --batch-size 64 --folds 3 --cases 1500

Hip phantoms: a share of the given labels is turned over, and the label model reads the measurements. CIFAR-10H: the given
label is the answer of one person, which is wrong where it is not the true class, and the label model (the zoo's `votes`)
reads the answers of two other persons about the same image. Nothing is planted there.

The audit ranks by p(y | z) of the label model that was fitted to the wrong labels too, each case's own label left out.
cleanlab ranks by the quality scores of its three methods, on the out-of-sample probabilities of a student that was
distilled from the same soft labels and the same wrong labels, in folds. Precision at n: the share of wrong labels among
the first n cases, n being their number. The interval of the paired difference is Student's t over seeds.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import t

from labelppl import Schedule, distill, doubts, fit, load_model, read_cases, soft_labels
from labelppl.inference.laplace import laplace
from labelppl.phantoms import simulate
from labelppl.seeds import stream
from labelppl.softlabels import SoftLabels
from labelppl.table import Cases

METHODS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
OURS = "labelppl audit"
OTHER_VOTES = 2
"""Answers beside the given label that the label model reads about each image."""
DRAWS = 1000
"""Of the posterior over votes: labels of ten classes are costly."""


class Study(NamedTuple):
    """Soft labels of cases, the cases with the labels that were given, and which of these are wrong (cases,)."""

    labels: SoftLabels
    cases: Cases
    wrong: np.ndarray


def hips(seed: int, cases: int, folder: Path, *, share: float) -> Study:
    """Hip phantoms of which `share` have the other label."""
    path = simulate("hip", folder / "hips", cases=cases, size=32, seed=seed)
    frame = pd.read_csv(path / "hip.csv")
    wrong = np.zeros(len(frame), dtype=bool)
    order = stream(seed, "label errors").numpy().permutation(len(frame))
    wrong[order[: round(share * len(frame))]] = True
    names = np.array(["normal", "dysplastic"])
    code = (frame["diagnosis"] == names[1]).to_numpy().astype(int)
    frame["diagnosis"] = names[np.where(wrong, 1 - code, code)]
    frame["split"] = "train"
    frame.to_csv(path / "hip.csv", index=False)
    model = load_model(str(path / "hip.py"))
    table = read_cases(path / "hip.csv", model, seed=seed)
    return Study(soft_labels(fit(model, table, seed=seed)), table, wrong)


def people(seed: int, cases: int, folder: Path, *, data: Path) -> Study:
    """Images of CIFAR-10H, each labelled by one person, with the votes of `OTHER_VOTES` others."""
    rng = stream(seed, "label errors").numpy()
    frame = pd.read_csv(data)
    frame = frame.iloc[np.sort(rng.permutation(len(frame))[:cases])]
    columns = [name for name in frame if name.startswith("votes_")]
    names = np.array([name.removeprefix("votes_") for name in columns])
    asked = rng.multivariate_hypergeometric
    votes = np.stack([asked(row, OTHER_VOTES + 1) for row in frame[columns].to_numpy()])
    given = np.array([asked(row, 1).argmax() for row in votes])
    votes[np.arange(len(votes)), given] -= 1
    table = pd.DataFrame(
        {
            "id": frame["id"].astype(str),
            "image": [str((data.parent / image).resolve()) for image in frame["image"]],
            "label": names[given],
            "split": "train",
            **dict(zip(columns, votes.T, strict=True)),
        }
    )
    table.to_csv(folder / "votes.csv", index=False)
    model = load_model("votes")
    read = read_cases(folder / "votes.csv", model, seed=seed)
    labels = soft_labels(fit(model, read, engine=partial(laplace, draws=DRAWS), seed=seed))
    return Study(labels, read, names[given] != frame["true_label"].to_numpy())


def precision(order: np.ndarray, wrong: np.ndarray) -> float:
    """The share of wrong labels (cases,) bool among the first as many of `order` (cases,)."""
    return float(wrong[order[: int(wrong.sum())]].mean())


def measure(
    study: Study, seed: int, student: str, schedule: Schedule, folds: int
) -> dict[str, float]:
    """Precision at n of every ranking, and the accuracy of the student against the given labels."""
    from cleanlab.rank import get_label_quality_scores

    labels, table, wrong = study
    place = {case: i for i, case in enumerate(table.ids.astype(str))}
    ranking = np.array([place[case] for case in doubts(labels).frame["id"].astype(str)])
    result = {OURS: precision(ranking, wrong)}
    probs = np.zeros((len(table), len(labels.classes)))
    fold = stream(seed, "label errors", "folds").numpy().permutation(len(table)) % folds
    assert table.images is not None
    for k in range(folds):
        held = fold == k
        distilled = distill(
            labels,
            replace(table, split=np.where(held, "test", "train")),
            student=student,
            lam=1.0,
            seed=seed,
            schedule=schedule,
            device="cpu",
        )
        probs[held] = distilled.predict_proba([table.images[i] for i in np.flatnonzero(held)])
    for method in METHODS:
        scores = get_label_quality_scores(
            table.labels, probs, method=method, adjust_pred_probs=False
        )
        result[f"cleanlab {method}"] = precision(np.argsort(scores, kind="stable"), wrong)
    print(
        f"seed {seed}: {int(wrong.sum())} of {len(wrong)} labels are wrong; the student agrees with "
        f"{(probs.argmax(1) == table.labels).mean():.3f} of all",
        flush=True,
    )
    return result


def main() -> None:
    """Print one row per ranking."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--cases", type=int, default=400)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument(
        "--cifar10h", type=Path, help="the table of votes, with its images beside it"
    )
    parser.add_argument("--student", default="logistic")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=16)
    chosen = parser.parse_args()
    schedule = Schedule(epochs=chosen.epochs, batch_size=chosen.batch_size)
    make: Callable[..., Study] = (
        partial(hips, share=chosen.share)
        if chosen.cifar10h is None
        else partial(people, data=chosen.cifar10h)
    )
    warnings.simplefilter("ignore")
    records = []
    for seed in range(chosen.first_seed, chosen.first_seed + chosen.seeds):
        with tempfile.TemporaryDirectory() as folder:
            study = make(seed, chosen.cases, Path(folder))
            records.append(measure(study, seed, chosen.student, schedule, chosen.folds))
    rows = pd.DataFrame(records)
    print("| ranking | precision at n | audit minus it | 95 % interval |\n|---|---|---|---|")
    for name in rows:
        gain = rows[OURS] - rows[name]
        half = (
            t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain))
            if len(gain) > 1
            else np.nan
        )
        print(
            f"| {name} | {rows[name].mean():.3f} | {gain.mean():+.3f} | "
            f"{gain.mean() - half:+.3f} to {gain.mean() + half:+.3f} |"
        )


if __name__ == "__main__":
    main()
