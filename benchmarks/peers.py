"""Label models beside the classifiers that people would use instead: log-loss on the cases that were not trained on.

    python benchmarks/peers.py [--data vertebral,wine,breast] [--sizes 30,100] [--splits 50] [--out peers.csv]
    python benchmarks/peers.py --table peers.csv

For each table and size, training cases are drawn with each class's share (stratified), and all others are predicted. Ours is
``gaussian`` or ``logistic`` with default priors, whichever has the better leave-one-out score on the training cases, as
`labelppl check --against` prints it. The peers are scikit-learn's: linear, shrinkage and quadratic discriminant analysis, naive
Bayes, and logistic regression with the best of 13 values of C by five-fold cross-validation of the log-loss; all after
standardising the columns. Log-losses are clipped at 1e-6. A peer that cannot be fitted predicts the classes' shares.

Tables: vertebral (UCI; shared/data beside the project), wine and breast cancer (scikit-learn's; the first ten columns). The
tables ``iris``, ``digits`` and ``breast-worst`` (columns 21 to 30) are for development: priors are chosen there.
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import t as student_t
from sklearn import datasets
from sklearn.base import ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from labelppl import Label, Real, fit, soft_labels
from labelppl.checks.against import against
from labelppl.families import gaussian, logistic
from labelppl.model import LabelModel
from labelppl.table import cases_from_frame

VERTEBRAL = Path(__file__).parents[2] / "shared" / "data" / "vertebral" / "vertebral.csv"
LEAST_P = 1e-6

#: Columns (cases, columns) and classes (cases,).
Table = tuple[np.ndarray, np.ndarray]


def vertebral() -> Table:
    """Six measurements of the pelvis, three diagnoses, 310 cases."""
    frame = pd.read_csv(VERTEBRAL)
    classes = np.unique(frame["diagnosis"], return_inverse=True)[1]
    return frame.drop(columns=["id", "diagnosis"]).to_numpy(float), classes


def breast(first: int) -> Table:
    """Ten measurements of 569 breast masses, two classes, from the column ``first`` on."""
    z, y = datasets.load_breast_cancer(return_X_y=True)
    return z[:, first : first + 10], y


def digits() -> Table:
    """Twelve principal components of the figures 3, 5, 8 and 9."""
    z, y = datasets.load_digits(return_X_y=True)
    some = np.isin(y, (3, 5, 8, 9))
    return PCA(12, random_state=0).fit_transform(z[some]), np.unique(y[some], return_inverse=True)[
        1
    ]


TABLES: dict[str, Callable[[], Table]] = {
    "vertebral": vertebral,
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "breast": lambda: breast(0),
    "iris": lambda: datasets.load_iris(return_X_y=True),
    "digits": digits,
    "breast-worst": lambda: breast(20),
}
REPORTED = ("vertebral", "wine", "breast")

PEERS: dict[str, Callable[[], ClassifierMixin]] = {
    "lda": LinearDiscriminantAnalysis,
    "shrinkage_lda": lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    "qda": QuadraticDiscriminantAnalysis,
    "naive_bayes": GaussianNB,
    "logistic_cv": lambda: LogisticRegressionCV(
        Cs=np.logspace(-3, 3, 13), cv=5, scoring="neg_log_loss", max_iter=5000
    ),
}
OURS = ("gaussian", "logistic", "ours")
FIELDS = ("data", "n", "split", "chosen", *OURS, *PEERS, "seconds")


def peer(
    make: Callable[[], ClassifierMixin], z: np.ndarray, y: np.ndarray, new: np.ndarray
) -> np.ndarray:
    """p(Y | Z) (cases, classes) of ``new``; the classes' shares where the peer cannot be fitted."""
    classifier = make_pipeline(StandardScaler(), make())
    try:
        p = np.asarray(classifier.fit(z, y).predict_proba(new))
    except (ValueError, np.linalg.LinAlgError):
        p = np.full((len(new), y.max() + 1), np.nan)
    whole = np.isfinite(p).all(1, keepdims=True)
    return np.where(whole, p, np.bincount(y) / len(y))


def models(columns: list[str], names: list[str]) -> dict[str, LabelModel]:
    """Both one-line label models of all columns."""
    features = {column: Real() for column in columns}
    return {
        "gaussian": gaussian(y=Label(*names), **features),
        "logistic": logistic(y=Label(*names), **features),
    }


def ours(
    z: np.ndarray, y: np.ndarray, new: np.ndarray, seed: int
) -> tuple[str, dict[str, np.ndarray]]:
    """Which of both `labelppl check --against` prefers, and p(Y | Z) (cases, classes) of ``new`` under each."""
    columns, names = [f"z{j}" for j in range(z.shape[1])], [f"class{k}" for k in range(y.max() + 1)]
    frame = pd.DataFrame(np.concatenate([z, new]), columns=columns)
    frame["id"] = [f"case{i}" for i in range(len(z))] + [f"new{i}" for i in range(len(new))]
    training = frame[: len(z)].assign(y=np.array(names)[y], split="train")
    others = frame[len(z) :].assign(split="test")
    posteriors, probs = {}, {}
    for name, model in models(columns, names).items():
        told = (model.label_name, model.label, model.features)
        cases = cases_from_frame(training, *told)
        posteriors[name] = fit(model, cases, seed=seed)
        rest = cases_from_frame(others.assign(y=None), *told, classes=names)
        probs[name] = np.asarray(soft_labels(posteriors[name], rest).probs)
    return against(posteriors).best, probs


def log_loss(p: np.ndarray, y: np.ndarray) -> float:
    """Mean of -log p(y), clipped at 1e-6."""
    return float(-np.log(np.clip(p[np.arange(len(y)), y], LEAST_P, 1.0)).mean())


def one(data: str, n: int, split: int, seed: int) -> dict[str, object]:
    """Log-losses of one split."""
    began = time.process_time()
    z, y = TABLES[data]()
    splitter = StratifiedShuffleSplit(1, train_size=n, random_state=seed + split)
    ((train, rest),) = splitter.split(z, y)
    chosen, probs = ours(z[train], y[train], z[rest], split)
    losses = {name: log_loss(p, y[rest]) for name, p in probs.items()}
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # collinear columns, few cases of a class: they are part of the comparison
        for name, make in PEERS.items():
            losses[name] = log_loss(peer(make, z[train], y[train], z[rest]), y[rest])
    losses["ours"] = losses[chosen]
    rounded = {name: round(loss, 5) for name, loss in losses.items()}
    seconds = round(time.process_time() - began, 2)
    return {"data": data, "n": n, "split": split, "chosen": chosen, **rounded, "seconds": seconds}


def table(path: Path) -> str:
    """Mean log-losses, the ratio of ours to the best peer's, and the paired difference with its 95 % interval, as Markdown."""
    frame = pd.read_csv(path)
    names = [*OURS, *PEERS]
    lines = [f"| data | n | splits | {' | '.join(names)} | best peer | ratio | ours - best peer |"]
    lines.append("|---" * (len(names) + 6) + "|")
    for (data, n), rows in frame.groupby(["data", "n"], sort=False):
        means = rows[names].mean()
        best = str(means[list(PEERS)].idxmin())
        away = rows["ours"] - rows[best]
        half = student_t.ppf(0.975, len(rows) - 1) * away.std() / len(rows) ** 0.5
        cells = [str(data), str(n), str(len(rows)), *(f"{means[name]:.3f}" for name in names)]
        cells += [best, f"{means['ours'] / means[best]:.2f}", f"{away.mean():+.3f} ± {half:.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=",".join(REPORTED), help="tables, separated by commas")
    parser.add_argument("--sizes", default="30,100", help="training cases, separated by commas")
    parser.add_argument("--splits", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the first split")
    parser.add_argument("--out", type=Path, default=Path("peers.csv"))
    parser.add_argument("--table", type=Path, help="print this file as a table, and run nothing")
    options = parser.parse_args(argv)
    if options.table is not None:
        print(table(options.table))
        return
    torch.set_num_threads(1)
    done: set[tuple[str, int, int]] = set()
    if options.out.is_file():
        with options.out.open() as file:
            done = {(row["data"], int(row["n"]), int(row["split"])) for row in csv.DictReader(file)}
    for split in range(options.splits):
        for data in options.data.split(","):
            for n in map(int, options.sizes.split(",")):
                if (data, n, split) in done:
                    continue
                row = one(data, n, split, options.seed)
                fresh = not options.out.is_file()
                with options.out.open("a", newline="") as file:
                    writer = csv.DictWriter(file, FIELDS)
                    if fresh:
                        writer.writeheader()
                    writer.writerow(row)
    print(table(options.out))


if __name__ == "__main__":
    main()
