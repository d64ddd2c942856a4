"""What a phantom's misspecified label model loses, with the label model alone: no picture, no student.

For each phantom: accuracy of p(Y|Z) on 4,000 new cases, fitted to 429 and to 4,000 cases, of the right
model file and of the one that `labelppl simulate --misspecified` writes; beside it the true p(Y|X).

    python benchmarks/misspecified.py
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from labelppl import fit, load_model, read_cases, soft_labels
from labelppl.phantoms import PHANTOMS, Phantom, find_phantom

TRAINED = (429, 4000)
TEST = 4000


def accuracy(phantom: Phantom, misspecified: bool, train: int, test: int, seed: int) -> float:
    """Of the fitted model's p(Y|Z) on `test` new cases."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{phantom.name}.py"
        file.write_text(phantom.model_file(misspecified))
        table = phantom.sample(train + test, seed)
        table["split"] = np.where(np.arange(len(table)) < train, "train", "test")
        table.to_csv(file.with_suffix(".csv"), index=False)
        model = load_model(file)
        cases = read_cases(file.with_suffix(".csv"), model)
        probs = soft_labels(fit(model, cases.train, seed=seed), cases.test).probs
        return float((probs.argmax(1) == cases.test.labels).mean())


def main() -> None:
    """Print one row for each phantom and number of cases."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few cases: does it run?")
    args = parser.parse_args()
    names = ["hip"] if args.quick else list(PHANTOMS)
    trained, test = ((60,), 200) if args.quick else (TRAINED, TEST)
    print("| phantom | cases | true p(Y|X) | right model | misspecified | loss |")
    print("|---|---|---|---|---|---|")
    for name in names:
        phantom = find_phantom(name)
        for train in trained:
            table: pd.DataFrame = phantom.sample(train + test, 1).iloc[train:]
            classes = [c.removeprefix("p_true_") for c in table if str(c).startswith("p_true_")]
            best = np.asarray(classes)[table[[f"p_true_{c}" for c in classes]].to_numpy().argmax(1)]
            truth = float((best == table[phantom.label]).mean())
            right, wrong = (accuracy(phantom, m, train, test, 1) for m in (False, True))
            print(
                f"| {name} | {train:,} | {truth:.3f} | {right:.3f} | {wrong:.3f} | {right - wrong:.3f} |"
            )


if __name__ == "__main__":
    main()
