"""Which ranking finds planted label errors: labelppl's audit or cleanlab?

    pip install cleanlab
    python benchmarks/label_errors.py --seeds 5 --cases 400

Hip phantoms; a share of the given labels is turned over. The audit ranks by p(y | z) of the label model that was fitted to
the wrong labels too, each case's own label left out. cleanlab ranks by the quality scores of its three methods, on the
out-of-sample probabilities of a student that was distilled from the same soft labels and the same wrong labels, in folds.
Precision at n: the share of planted errors among the first n cases, n being their number. The interval of the paired
difference is Student's t over seeds.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t

from labelppl import Schedule, distill, doubts, fit, load_model, read_cases, soft_labels
from labelppl.phantoms import simulate
from labelppl.seeds import stream

METHODS = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")
OURS = "labelppl audit"


def precision(order: np.ndarray, planted: np.ndarray) -> float:
    """The share of planted errors (cases,) bool among the first as many of `order` (cases,)."""
    return float(planted[order[: int(planted.sum())]].mean())


def measure(
    seed: int, cases: int, share: float, student: str, epochs: int, folds: int
) -> dict[str, float]:
    """Precision at n of every ranking on one phantom data set."""
    from cleanlab.rank import get_label_quality_scores

    with tempfile.TemporaryDirectory() as folder:
        path = simulate("hip", Path(folder) / "hips", cases=cases, size=32, seed=seed)
        frame = pd.read_csv(path / "hip.csv")
        rng = stream(seed, "label errors").numpy()
        planted = np.zeros(len(frame), dtype=bool)
        planted[rng.permutation(len(frame))[: round(share * len(frame))]] = True
        names = np.array(["normal", "dysplastic"])
        code = (frame["diagnosis"] == names[1]).to_numpy().astype(int)
        frame["diagnosis"] = names[np.where(planted, 1 - code, code)]
        frame["split"] = "train"
        frame.to_csv(path / "hip.csv", index=False)
        model = load_model(str(path / "hip.py"))
        table = read_cases(path / "hip.csv", model, seed=seed)
        posterior = fit(model, table, seed=seed)
        labels = soft_labels(posterior)
        place = {case: i for i, case in enumerate(table.ids.astype(str))}
        ranking = np.array([place[case] for case in doubts(labels).frame["id"].astype(str)])
        result = {OURS: precision(ranking, planted)}
        probs = np.zeros((len(table), 2))
        fold = rng.permutation(len(table)) % folds
        for k in range(folds):
            held = np.where(fold == k, "test", "train")
            distilled = distill(
                labels, replace(table, split=held), student=student, lam=1.0, seed=seed,
                schedule=Schedule(epochs=epochs), device="cpu",
            )  # fmt: skip
            assert table.images is not None
            probs[fold == k] = distilled.predict_proba(
                [table.images[i] for i in np.flatnonzero(fold == k)]
            )
    for method in METHODS:
        scores = get_label_quality_scores(
            table.labels, probs, method=method, adjust_pred_probs=False
        )
        result[f"cleanlab {method}"] = precision(np.argsort(scores, kind="stable"), planted)
    return result


def main() -> None:
    """Print one row per ranking."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cases", type=int, default=400)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--student", default="logistic")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--folds", type=int, default=5)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = pd.DataFrame(
        [
            measure(seed, chosen.cases, chosen.share, chosen.student, chosen.epochs, chosen.folds)
            for seed in range(chosen.seeds)
        ]
    )
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
