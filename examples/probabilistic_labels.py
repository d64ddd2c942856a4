"""Learning classifiers from probabilistic labels (Vega et al., AISTATS 2021): experiments 1 to 4.

    python examples/probabilistic_labels.py --out out --quick       # minutes
    python examples/probabilistic_labels.py --out out               # the paper's network and image size: a GPU, or days

Experiment 1 is the paper's own; experiments 2 to 4 are its three diseases on phantoms whose true p(Y|X) is known, at its
numbers of cases, with a misspecified label model for the liver, training sets of 25 to 429 hips, and soft labels that
mislead. Writes results.json, results.md and the figures; what was trained is kept in `out` and not trained again.
"""

from __future__ import annotations

from pathlib import Path

import click
from labelppl.cli.one_line import OneLine
from studies import experiment_1
from studies.experiments_2_to_4 import figure_2, figure_6, learning_curve, misleading, one_world
from studies.form import Form, sized
from studies.phantom_worlds import WORLDS
from studies.writing import Study

PARTS = ("experiment 1", *WORLDS, "training cases", "misleading labels")
QUICK = Form(student="small", size=32, effort=0.1, seeds=2, test=1000, share=0.5)
PAPER = Form(student="cnn", size=128, effort=1.0, seeds=5, test=2000)


@click.command(cls=OneLine)
@click.option(
    "--repetitions", type=click.IntRange(min=2), default=100, show_default=True,
    help="Of experiment 1.",
)  # fmt: skip
@click.option("--seed", default=2, show_default=True, help="Of experiment 1.")
@click.option("--parts", default=",".join(PARTS), show_default=True)
@sized(QUICK, PAPER)
def main(out: Path, form: Form, repetitions: int, seed: int, parts: str) -> None:
    """Run the experiments of the first paper and write results.json, results.md and figures."""
    chosen = {part.strip() for part in parts.split(",")}
    unknown = chosen - set(PARTS)
    if unknown:
        raise click.BadParameter(f"got {unknown.pop()!r}, expected some of {', '.join(PARTS)}")
    study = Study(out, "Probabilistic labels (Vega et al. 2021)", form)
    if "experiment 1" in chosen:
        results = experiment_1.run(repetitions, seed)
        tables, figures = experiment_1.tables(results), experiment_1.figures(results)
        study.write("experiment 1", results, tables, figures)
    for name, world in WORLDS.items():
        if name not in chosen:
            continue
        numbers, tables, said, data = one_world(name, world, out, form)
        figures = {"fig2": figure_2(data), "fig6": figure_6(said, data)} if name == "hip" else {}
        study.write(name, numbers, tables, figures)
    if "training cases" in chosen:
        numbers, tables, figure = learning_curve(WORLDS["hip"], out, form)
        study.write("training cases", numbers, tables, {"training_cases": figure})
    if "misleading labels" in chosen:
        study.write("misleading labels", *misleading(out, WORLDS["hip"], form), {})
    click.echo(study.markdown())


if __name__ == "__main__":
    main()
