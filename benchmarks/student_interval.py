"""How often the 90 % interval of a student's last layer covers the true p(Y|X) of hip phantoms.

    python benchmarks/student_interval.py --cases 1000 --size 64 --seeds 3

Per seed: phantoms are simulated, the label model is fitted, both steps are trained, and the test images are predicted. A row
says for how many test images the interval of the first class holds the true probability, and how wide it is; "around the labels"
is the coverage of p(Y|Z), the soft label's own interval, on the same cases.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import numpy as np

from labelppl import Schedule, distill, fit, load_model, read_cases, soft_labels
from labelppl.phantoms import simulate
from labelppl.students.options import StudentOptions


@click.command()
@click.option(
    "--cases", default=1000, show_default=True, help="Phantoms, of which 30 % are tested."
)
@click.option("--size", default=64, show_default=True, help="Pixels a side.")
@click.option("--seeds", default=3, show_default=True)
@click.option("--epochs", default=None, type=int, help="Of each step  [default: by the cases].")
@click.option("--lam", default="auto", show_default=True)
@click.option("--student", default="cnn", show_default=True)
def main(cases: int, size: int, seeds: int, epochs: int | None, lam: str, student: str) -> None:
    """Print one line per seed, then the mean."""
    print("| seed | lambda | covered | width | around the labels |\n|---|---|---|---|---|")
    rows = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as name:
            folder = simulate("hip", Path(name) / "hip", cases=cases, size=size, seed=seed)
            rows.append(_one(folder, seed, epochs, lam, student))
        print(
            f"| {seed} | {rows[-1][0]} | " + " | ".join(f"{v:.3f}" for v in rows[-1][1]) + " |",
            flush=True,
        )
    mean = np.mean([values for _, values in rows], axis=0)
    print("| mean | | " + " | ".join(f"{v:.3f}" for v in mean) + " |")


def _one(
    folder: Path, seed: int, epochs: int | None, lam: str, student: str
) -> tuple[str, tuple[float, float, float]]:
    """lambda; coverage and width of the student's interval, and coverage of the soft labels'."""
    model = load_model(folder / "hip.py")
    table = read_cases(folder / "hip.csv", model, seed=seed)
    labels = soft_labels(fit(model, table.train, seed=seed), table)
    schedule = None if epochs is None else Schedule(epochs=epochs)
    done = distill(
        labels, table, student=StudentOptions(student), schedule=schedule, seed=seed,
        lam=lam if lam in ("auto", "evidence") else float(lam),
    )  # fmt: skip
    chosen = str(done.student.spec.training["lam"]["lam"])
    test = np.flatnonzero(table.split == "test")
    assert table.images is not None
    assert table.p_true is not None
    truth = table.p_true[test, 0]
    own = _covered(labels.lo[test, 0], truth, labels.hi[test, 0])
    spread = done.student.predict([table.images[i] for i in test]).spread
    if spread is None:
        return f"{chosen}, no interval", (np.nan, np.nan, own)
    low, high = spread.low[:, 0], spread.high[:, 0]
    return chosen, (_covered(low, truth, high), float((high - low).mean()), own)


def _covered(low: np.ndarray, truth: np.ndarray, high: np.ndarray) -> float:
    return float(((low <= truth) & (truth <= high)).mean())


if __name__ == "__main__":
    main()
