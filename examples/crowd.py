"""Crowds of raters: what is true, from their votes alone, by Bayesian label models.

Three real crowds (bluebird, rte, web: ``<name>_votes.csv`` with ``id, rater, label`` and ``<name>_truth.csv``): the
accuracy of p(Y | votes), and the negative log-likelihood of a fifth of the votes, held out, each predicted from the item's
other votes and the rater's own record. Three simulated ones (2,000 items, five sources; independent, one source copied four
times with 3 % slips, or a prevalence of 8.7 %): expected calibration error in ten bins, with
`hierarchical_dawid_skene(groups="detect")` the same model in all three. Neighbours: majority, mean vote, Dawid and Skene by EM.

    python examples/crowd.py --data crowd --out out
    python examples/crowd.py --data crowd --out out --quick
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import click
import numpy as np
import pandas as pd
import torch
from labelppl.cli.one_line import OneLine

from labelppl import Label, LabelModel, fit, read_cases, soft_labels
from labelppl.crowds import (
    VoteTable,
    dawid_skene_em,
    diagonal_counts,
    majority,
    predict_votes,
    vote_shares,
)
from labelppl.families import dawid_skene, hierarchical_dawid_skene
from labelppl.features import Ballots, Column, Votes
from labelppl.metrics.ece import ece
from labelppl.posterior import Posterior
from labelppl.table import Cases

Array = np.ndarray[Any, Any]
Row = dict[str, float | str]
CROWDS = ("bluebird", "rte", "web")
FAMILIES: dict[str, Callable[..., LabelModel]] = {
    "dawid_skene": dawid_skene,
    "hierarchical": hierarchical_dawid_skene,
}
SKILLS = (0.71, 0.75, 0.68, 0.8, 0.65)
#: Prevalence and copies of the first source.
SCENARIOS = {"independent": (0.5, 0), "duplicates": (0.5, 4), "rare": (0.087, 0)}
#: Draws over which the probability of a held-out vote is averaged.
DRAWS = 200


def with_votes(cases: Cases, table: VoteTable) -> Cases:
    """The cases with the votes of ``table`` in place of their own."""
    size = len(cases), len(table.raters)
    ballots = Ballots.of(table.item, table.rater, table.label, *size)
    return replace(cases, columns={"votes": Column.of_ballots(ballots, table.raters)})


def held_out_nll(posterior: Posterior, hidden: VoteTable) -> float:
    """Mean of -log p(vote | the item's other votes, the fit), by p(votes with it) / p(votes without it) in every draw."""
    seen = posterior.cases.take(hidden.item)
    before = seen.columns["votes"].ballots
    assert before is not None
    case = np.concatenate([before.case.numpy(), np.arange(len(hidden))])
    rater = np.concatenate([before.rater.numpy(), hidden.rater])
    said = np.concatenate([before.said.numpy(), hidden.label])
    after = Ballots.of(case, rater, said, len(hidden), before.raters)
    more = replace(seen, columns={"votes": Column.of_ballots(after)})
    rows = posterior.equal_weight_rows(DRAWS)
    draws = {name: value[rows] for name, value in posterior.values.items()}
    p = []
    for part in np.array_split(np.arange(len(hidden)), 1 + len(hidden) // 2000):
        after, before = (
            posterior.density.class_log_joint(draws, c.take(part)).joint.logsumexp(-1)
            for c in (more, seen)
        )
        p.append((after - before).exp().mean(0))
    return float(-torch.cat(p).log().mean())


def one_crowd(
    folder: Path, name: str, families: tuple[str, ...], engine: str, seed: int
) -> list[Row]:
    """A record for every method on one crowd."""
    truth = pd.read_csv(folder / f"{name}_truth.csv", dtype=str).set_index("id")["label"]
    votes_file = folder / f"{name}_votes.csv"
    said = set(pd.read_csv(votes_file, dtype=str)["label"])
    classes = sorted(said | set(truth))
    cases = read_cases(votes_file, dawid_skene(truth=Label(*classes), votes=Votes()), seed=seed)
    y = pd.Index(classes).get_indexer(pd.Index(truth.reindex(cases.ids)))
    column = cases.columns["votes"]
    assert column.ballots is not None
    whole = column.ballots.table(cases.ids, column.names, tuple(classes))
    held = np.random.default_rng(seed).random(len(whole)) < 0.2
    rows: list[Row] = []

    def add(who: str, probs: Array, nll: float, seconds: float, how: str = "") -> None:
        top = majority(probs, "split")
        known = y >= 0
        accuracy = float(top[known, y[known]].mean())
        rows.append(
            {
                "crowd": name,
                "method": who,
                "accuracy": accuracy,
                "nll": nll,
                "seconds": seconds,
                "engine": how,
            }
        )
        click.echo(f"{name}, {who}: accuracy {accuracy:.3f}, NLL {nll:.3f}, {seconds:.0f} s {how}")

    seen, hidden = whole.take(~held), whole.take(held)
    item, rater, label = hidden.item, hidden.rater, hidden.label

    def nll(predicted: Array) -> float:
        return float(-np.log(predicted[np.arange(len(label)), label]).mean())

    winner, counts = majority(seen.counts(), "split"), seen.counts()
    shares = np.arange(0.05, 1, 0.05)
    by_winner = min(nll(((1 - q) / len(classes) + q * winner)[item]) for q in shares)
    by_mean = min(nll(vote_shares(counts, a)[item]) for a in (0.1, 0.3, 0.5, 1.0, 2.0, 3.0))
    add("majority", whole.counts(), by_winner, 0.0, "its best share")
    add("mean vote", vote_shares(whole.counts(), 1.0), by_mean, 0.0, "its best smoothing")
    prior = diagonal_counts(len(classes), 2.0, 0.5)
    begin = time.perf_counter()
    em = dawid_skene_em(whole, prior, 1.0)
    by_em = nll(predict_votes(dawid_skene_em(seen, prior, 1.0), item, rater))
    add("Dawid-Skene EM", em.probs, by_em, time.perf_counter() - begin)
    for family in families:
        model = FAMILIES[family](truth=Label(*classes), votes=Votes())
        begin = time.perf_counter()
        posterior = fit(model, cases, engine=engine, seed=seed)
        probs = soft_labels(posterior).probs
        seconds = time.perf_counter() - begin
        other = fit(model, with_votes(cases, seen), engine=engine, seed=seed)
        problems = (*posterior.problems, *other.problems)
        how = "; ".join((posterior.sampled.engine, *problems))
        add(family, probs, held_out_nll(other, hidden), seconds, how)
    return rows


def simulated(scenario: str, seed: int, n: int = 2000) -> tuple[Cases, Array]:
    """Cases and their true classes (cases,)."""
    prevalence, copies = SCENARIOS[scenario]
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < prevalence).astype(np.int64)
    votes = [np.where(rng.random(n) < skill, y, 1 - y) for skill in SKILLS]
    votes += [np.where(rng.random(n) < 0.03, 1 - votes[0], votes[0]) for _ in range(copies)]
    raters = tuple(f"source {j + 1}" for j in range(len(votes)))
    column = Column.of_ballots(Ballots.from_matrix(np.stack(votes, 1)), raters)
    ids, unknown = np.arange(n).astype(str), np.full(n, -1)
    return Cases(ids, ("no", "yes"), unknown, {"votes": column}, np.full(n, "train")), y


def one_scenario(scenario: str, seed: int) -> list[Row]:
    """A record for every method on one simulated crowd."""
    cases, y = simulated(scenario, seed)
    column = cases.columns["votes"]
    assert column.ballots is not None
    votes = column.ballots.table(cases.ids, column.names, cases.classes)
    begin = time.perf_counter()
    detect: Literal["detect"] = "detect"
    model = hierarchical_dawid_skene(truth=Label(*cases.classes), votes=Votes(), groups=detect)
    posterior = fit(model, cases, seed=seed)
    probs_of = {
        "majority": majority(votes.counts(), "split"),
        "mean vote": vote_shares(votes.counts(), 1.0),
        "Dawid-Skene EM": dawid_skene_em(votes, diagonal_counts(2, 2.0, 0.5), 1.0).probs,
        "hierarchical, groups detected": soft_labels(posterior).probs,
    }
    seconds = time.perf_counter() - begin
    how = "; ".join((posterior.sampled.engine, *posterior.problems))
    rows: list[Row] = []
    for who, probs in probs_of.items():
        error = float(ece(probs, y, quantity="positive"))
        accuracy = float((probs.argmax(1) == y).mean())
        rows.append({"scenario": scenario, "seed": seed, "method": who, "ece": error})
        rows[-1]["accuracy"] = accuracy
        click.echo(f"{scenario}, seed {seed}, {who}: ECE {error:.4f}, accuracy {accuracy:.3f}")
    rows[-1] |= {"seconds": seconds, "engine": how}
    click.echo(f"  in {seconds:.0f} s by {how}")
    return rows


def table(rows: list[Row]) -> str:
    """The records as a Markdown table."""
    names = list(dict.fromkeys(name for row in rows for name in row))

    def cell(value: float | str | None) -> str:
        return f"{value:.3f}" if isinstance(value, float) else str("" if value is None else value)

    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    lines += ["| " + " | ".join(cell(row.get(name)) for name in names) + " |" for row in rows]
    return "\n".join(lines)


@click.command(cls=OneLine)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of the real crowds; without it only the simulated ones are run.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for results.")
@click.option("--crowds", default=",".join(CROWDS), show_default=True)
@click.option("--families", default=",".join(FAMILIES), show_default=True)
@click.option("--engine", default="auto", show_default=True, help="Engine for the real crowds.")
@click.option("--seeds", default="401,402,403", show_default=True, help="Of the simulated crowds.")
@click.option("--quick", is_flag=True, help="One crowd, one family, one seed: does it run?")
def main(
    data: Path | None, out: Path, crowds: str, families: str, engine: str, seeds: str, quick: bool
) -> None:
    """Run both studies and write results.json and table.md."""
    if quick:
        crowds, families, seeds = "bluebird", "hierarchical", seeds.split(",", maxsplit=1)[0]
    chosen = tuple(families.split(","))
    scenarios = [
        row
        for scenario in (["independent"] if quick else SCENARIOS)
        for seed in seeds.split(",")
        for row in one_scenario(scenario, int(seed))
    ]
    real: list[Row] = []
    for name in crowds.split(",") if data is not None and crowds else ():
        assert data is not None
        real += one_crowd(data, name, chosen, engine, seed=0)  # type: ignore[arg-type]
    out.mkdir(parents=True, exist_ok=True)
    results = {"crowds": real, "scenarios": scenarios}
    (out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    text = "\n\n".join(table(rows) for rows in (real, scenarios) if rows)
    (out / "table.md").write_text(text + "\n")
    click.echo(text)


if __name__ == "__main__":
    main()
