"""Raters' votes as soft labels (Grossmann, Schmarje & Koch 2022, arXiv 2207.06224) on CIFAR-10H.

The same student, schedule and seeds, trained once on the soft labels p(Y | votes) of the zoo's `votes` model, once on the
raw mean vote and once on the majority class. On the test split: KL from the human votes to the student, and accuracy
against the majority.

    python examples/beyond_hard_labels.py --data cifar10h.csv --out out
    python examples/beyond_hard_labels.py --data cifar10h.csv --out out --quick
"""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
from labelppl.cli.one_line import OneLine

from labelppl import fit, load_model, read_cases, soft_labels
from labelppl.distillation.distill import distill
from labelppl.metrics.kl import kl_per_case
from labelppl.targets import TARGETS
from labelppl.training.schedule import Schedule

ARMS = ("prob", "mean-vote", "majority")


def study(
    data: Path, seeds: int, epochs: int, most: int | None
) -> dict[str, list[dict[str, float]]]:
    """Arm -> one record of test metrics for each seed. most: training and test cases kept, None for all."""
    model = load_model("votes")
    cases = read_cases(data, model)
    if most is not None:
        kept = [np.flatnonzero(cases.split == s)[:most] for s in ("train", "test")]
        cases = cases.take(np.concatenate(kept))
    votes = cases.columns["votes"].values.numpy()
    human = votes / votes.sum(1, keepdims=True)
    labels = soft_labels(fit(model, cases.train), cases)
    test = cases.split == "test"
    results: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    for seed in range(seeds):
        for arm in ARMS:
            student = distill(
                labels,
                cases,
                target=TARGETS[arm](),
                votes=votes,
                schedule=Schedule(epochs=epochs, batch_size=64),
                seed=seed,
                progress=True,
            )
            probs = student.predict_proba([p for p, t in zip(cases.images, test, strict=True) if t])
            agrees = probs.argmax(1) == human[test].argmax(1)
            results[arm].append(
                {
                    "kl": float(kl_per_case(human[test], probs).mean()),
                    "accuracy": float(agrees.mean()),
                }
            )
            click.echo(
                f"seed {seed}, {arm:>9}: KL to the votes {results[arm][-1]['kl']:.3f}, accuracy {agrees.mean():.3f}"
            )
    return results


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """A Markdown table: KL to the human votes by seed, their mean, and the mean accuracy."""
    seeds = len(next(iter(results.values())))
    lines = [
        "| trained on | "
        + " | ".join(f"KL, seed {s}" for s in range(seeds))
        + " | mean KL | accuracy |",
        "|---" * (seeds + 3) + "|",
    ]
    for arm, runs in results.items():
        kl = [run["kl"] for run in runs]
        accuracy = np.mean([run["accuracy"] for run in runs])
        lines.append(
            f"| {arm} | "
            + " | ".join(f"{v:.3f}" for v in kl)
            + f" | {np.mean(kl):.3f} | {accuracy:.3f} |"
        )
    return "\n".join(lines)


@click.command(cls=OneLine)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    help="cifar10h.csv beside its images.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for results.json and table.md.",
)
@click.option("--seeds", default=3, show_default=True)
@click.option("--epochs", default=8, show_default=True)
@click.option("--quick", is_flag=True, help="One seed, one epoch, 128 cases: does it run?")
def main(data: Path, out: Path, seeds: int, epochs: int, quick: bool) -> None:
    """Run the study and write its results."""
    results = study(data, 1, 1, 128) if quick else study(data, seeds, epochs, None)
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    (out / "table.md").write_text(table(results) + "\n")
    click.echo(table(results))


if __name__ == "__main__":
    main()
