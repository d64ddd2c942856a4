"""Beyond hard labels (Grossmann, Schmarje and Koch, arXiv 2207.06224): raters who disagree, and images between two classes.

    python examples/beyond_hard_labels.py --out out --quick                          # minutes
    python examples/beyond_hard_labels.py --out out --data cifar10h/cifar10h.csv     # the paper's network and size: a GPU

The synthetic ellipses: their statistics beside the published ones, and the same student on hard and on soft labels. With
--data, a table `id, image, split, votes_<class>` of images with many votes, such as CIFAR-10H: majority, mean vote and
p(Y | votes) of a label model by the number of votes. Writes results.json, results.md and the figures.
"""

from __future__ import annotations

from pathlib import Path

import click
from labelppl.cli.one_line import OneLine
from studies.ellipses import CASES, hard_or_soft, statistics
from studies.form import Form, sized
from studies.votes_by_number import votes_study
from studies.writing import Study

PARTS = ("statistics", "ellipses", "votes")
QUICK = Form(student="small", size=32, effort=0.2, seeds=2, test=500, share=0.1)
PAPER = Form(student="timm:densenet121", size=224, effort=1.0, seeds=3, test=3000)


@click.command(cls=OneLine)
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="The table of votes.")
@click.option("--votes", default="1,3,5,10,20,all", show_default=True, help="How many, of each.")
@click.option("--statistics-of", type=int, help="Images for the statistics [15000; quick 1000].")
@click.option("--parts", default=",".join(PARTS), show_default=True)
@sized(QUICK, PAPER)
def main(
    out: Path, form: Form, data: Path | None, votes: str, statistics_of: int | None, parts: str
) -> None:
    """Run the studies of the second paper and write results.json, results.md and figures."""
    chosen = parts.split(",")
    if set(chosen) - set(PARTS):
        raise click.BadParameter(f"--parts: got {parts}, expected some of {','.join(PARTS)}")
    study = Study(out, "Beyond hard labels (Grossmann, Schmarje and Koch 2022)", form)
    if "statistics" in chosen:
        numbers, tables = statistics(statistics_of or (1000 if form.name == "quick" else CASES))
        study.write("statistics", numbers, tables, {})
    if "ellipses" in chosen:
        study.write("ellipses", *hard_or_soft(out, form))
    if "votes" in chosen and data is not None:
        numbers_of = tuple(None if n == "all" else int(n) for n in votes.split(","))
        study.write("votes", *votes_study(data, out, form, numbers_of))
    click.echo(study.markdown())


if __name__ == "__main__":
    main()
