"""A student that knows which doubt is whose: in the measurements, or in the label model (docs/methods.md §4).

Two students of the same schedule and seeds, on phantoms whose true p(Y|X) is known: one learns the mean soft label, the
other, with a Dirichlet head, the draws of p(Y|Z, theta) behind it. On the test split: accuracy, NLL, and two Spearman
correlations with what the label model says about the case from its measurements, which no student sees. Of its epistemic
uncertainty: with the Dirichlet student's, and with the entropy of the other's prediction, which is all it has. And of the
epistemic share of its whole uncertainty, which tells the two doubts apart where both are large: with the Dirichlet
student's share, for which the other has nothing to say.

    labelppl simulate hip --cases 1929 --test 1500 --out hips
    python examples/uncertain_targets.py --data hips --out out
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import click
import matplotlib.pyplot as plt
import numpy as np
from labelppl.cli.one_line import OneLine
from scipy.special import entr
from scipy.stats import spearmanr

from labelppl import fit, load_model, read_cases, soft_labels
from labelppl.distillation.distill import distill
from labelppl.students.options import StudentOptions
from labelppl.targets import TARGETS
from labelppl.training.schedule import Schedule

Array = np.ndarray[Any, Any]
Row = dict[str, float | str | None]
#: Draws of p(Y|Z, theta) for every case that the Dirichlet student learns from.
DRAWS = 200


def study(data: Path, seeds: int, size: int, schedule: Schedule | None) -> tuple[list[Row], Array]:
    """A row per student and seed; and the epistemic uncertainty of the test cases, by label model and first student."""
    model = load_model(data / "hip.py")
    cases = read_cases(data / "hip.csv", model)
    labels = soft_labels(fit(model, cases.train), cases, keep_draws=DRAWS)
    test = cases.test
    truth, known = test.labels, labels.epistemic[cases.split == "test"]
    share = known / labels.entropy[cases.split == "test"]
    rows: list[Row] = []
    pair: tuple[Array, Array] | None = None
    for seed in range(seeds):
        for name in ("prob", "dirichlet"):
            student = distill(
                labels,
                cases,
                target=TARGETS[name](),
                lam=math.inf,
                student=StudentOptions(image_size=size),
                schedule=schedule,
                seed=seed,
            ).student
            prediction = student.predict(list(test.images))
            entropy = entr(prediction.probs).sum(1)
            says, apart = entropy, None
            if prediction.epistemic is not None:
                says = prediction.epistemic
                apart = float(spearmanr(says / entropy, share).statistic)
                pair = pair or (known, says)
            own = prediction.probs[np.arange(len(truth)), truth]
            rows.append(
                {
                    "student": name,
                    "seed": seed,
                    "accuracy": float((prediction.probs.argmax(1) == truth).mean()),
                    "nll": float(-np.log(own).mean()),
                    "spearman": float(spearmanr(says, known).statistic),
                    "spearman_share": apart,
                }
            )
            click.echo(rows[-1])
    assert pair is not None
    return rows, np.stack(pair)


def table(rows: list[Row]) -> str:
    """Markdown, a row per student: its accuracy, NLL and correlations by seed."""
    lines = ["| student | accuracy | NLL | Spearman | of the shares |", "|---|---|---|---|---|"]
    for name, what in (("prob", "entropy"), ("dirichlet", "epistemic uncertainty")):
        mine = [row for row in rows if row["student"] == name]
        keys = ("accuracy", "nll", "spearman", "spearman_share")
        cells = [
            " ".join("" if row[key] is None else f"{row[key]:.3f}" for row in mine) for key in keys
        ]
        lines.append(f"| {name}, its {what} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def draw(pair: Array, path: Path) -> None:
    """The student's epistemic uncertainty over the label model's, a point per test case."""
    figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
    axes.loglog(*pair, ".", markersize=3, alpha=0.5)
    ends = pair.min(), pair.max()
    axes.plot(ends, ends, color="0.6", linewidth=1)
    axes.set(
        xlabel="label model, from the measurements (nats)",
        ylabel="student, from the image (nats)",
        title="Epistemic uncertainty of the test cases",
    )
    figure.savefig(path, dpi=150)


@click.command(cls=OneLine)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="Folder that labelppl simulate hip made.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for results.")
@click.option("--seeds", default=3, show_default=True)
@click.option("--image-size", default=32, show_default=True)
@click.option("--quick", is_flag=True, help="One seed, one epoch: does it run?")
def main(data: Path, out: Path, seeds: int, image_size: int, quick: bool) -> None:
    """Run the study and write results.json, table.md and epistemic.png."""
    seeds, schedule = (1, Schedule(epochs=1)) if quick else (seeds, None)
    rows, pair = study(data, seeds, image_size, schedule)
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(rows, indent=2) + "\n")
    (out / "table.md").write_text(table(rows) + "\n")
    draw(pair, out / "epistemic.png")
    click.echo(table(rows))


if __name__ == "__main__":
    main()
