"""Crowds: labels, held-out votes, three simulated crowds and a large one, beside the aggregators people use.

Real crowds lie in a folder as ``<name>_votes.csv`` (``id, rater, label``) and ``<name>_truth.csv`` (``id, label``). Peers
are crowd-kit's, run by another Python that has crowd-kit and scikit-learn below 1.6 (``--peers PYTHON``); without it they
are left out. Log-losses are clipped at 1e-6. Truths are looked at for scoring alone.

    python benchmarks/crowds.py --data ../shared/data/crowd --peers /path/to/python --out out
    python benchmarks/crowds.py --data ../shared/data/crowd --crowds bluebird --parts real --out out --quick
"""

from __future__ import annotations

import json
import resource
import subprocess
import time
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
from labelppl.cli.one_line import OneLine

from labelppl import Label, fit, soft_labels
from labelppl.arrays import Array
from labelppl.crowds import VoteTable, dawid_skene_em, diagonal_counts, predict_votes, vote_shares
from labelppl.crowds.gibbs import sample_labels
from labelppl.crowds.nested import Crowd
from labelppl.crowds.power import VoteParameters, choose_rho, design_effect
from labelppl.families import nested_dawid_skene
from labelppl.features import Ballots, Column, Votes
from labelppl.metrics.ece import ece
from labelppl.table import Cases

Row = dict[str, Any]
CROWDS = ("bluebird", "rte", "web")
SKILLS = (0.71, 0.75, 0.68, 0.8, 0.65)
#: Prevalence and copies of the first source, with 3 % slips.
SCENARIOS = {"independent": (0.5, 0), "duplicates": (0.5, 4), "rare": (0.087, 0)}
CLIP = 1e-6
#: Run by the other Python: votes as CSV on the command line, probabilities as JSON on stdout.
PEERS = """
import json, sys, warnings
warnings.filterwarnings("ignore")
import pandas as pd
from crowdkit.aggregation import DawidSkene, Wawa, ZeroBasedSkill
votes = pd.read_csv(sys.argv[1], dtype=str).rename(columns={"id": "task", "rater": "worker"})
out = {}
for name, made in (("DawidSkene", DawidSkene(n_iter=100)), ("Wawa", Wawa()), ("ZeroBasedSkill", ZeroBasedSkill())):
    probs = made.fit_predict_proba(votes)
    out[name] = {"tasks": list(probs.index), "classes": list(probs.columns), "probs": probs.fillna(0).values.tolist()}
print(json.dumps(out))
"""


def scores(probs: Array, y: Array) -> Row:
    """Log-loss, ECE and accuracy over the items whose class is known."""
    known = y >= 0
    p, truth = probs[known], y[known]
    own = np.clip(p[np.arange(len(p)), truth], CLIP, 1)
    return {
        "log_loss": float(-np.log(own).mean()),
        "ece": float(ece(p, truth)),
        "accuracy": float((p.argmax(1) == truth).mean()),
    }


def cases_of(table: VoteTable) -> Cases:
    """The items as cases of unknown class."""
    n = len(table.items)
    ballots = Ballots.of(table.item, table.rater, table.label, n, len(table.raters))
    columns = {"votes": Column.of_ballots(ballots, table.raters)}
    return Cases(np.array(table.items), table.classes, np.full(n, -1), columns, np.full(n, "train"))


def ours(table: VoteTable, y: Array, seed: int) -> Row:
    """`nested_dawid_skene` by ``auto``, from the votes to the labels."""
    begin, cpu = time.perf_counter(), time.process_time()
    posterior = fit(
        nested_dawid_skene(truth=Label(*table.classes), votes=Votes()), cases_of(table), seed=seed
    )
    labels = soft_labels(posterior)
    row = {"method": "labelppl crowd", **scores(labels.probs, y)}
    printed = labels.probs.argmax(1) if labels.likeliest is None else labels.likeliest
    row["printed_accuracy"] = float((printed == y)[y >= 0].mean())
    row["rho"] = posterior.diagnostics["rho"]
    row["sweeps"] = posterior.diagnostics["sweeps"]
    row["gate"] = "; ".join(posterior.problems) or "passed"
    row["seconds"] = time.perf_counter() - begin
    row["cpu_seconds"] = time.process_time() - cpu
    return row


def peers(python: str, table: VoteTable, y: Array, folder: Path) -> list[Row]:
    """crowd-kit's aggregators on the same votes."""
    path = folder / "votes.csv"
    names = (table.items, table.raters, table.classes)
    codes = (table.item, table.rater, table.label)
    frame = {
        k: np.array(n)[c] for k, n, c in zip(("id", "rater", "label"), names, codes, strict=True)
    }
    pd.DataFrame(frame).to_csv(path, index=False)
    done = subprocess.run(
        [python, "-c", PEERS, str(path)], capture_output=True, text=True, check=True
    )
    rows = []
    for name, made in json.loads(done.stdout).items():
        probs = np.zeros((len(table.items), len(table.classes)))
        at = pd.Index(table.items).get_indexer(made["tasks"])
        columns = pd.Index(table.classes).get_indexer(made["classes"])
        probs[np.ix_(at, columns)] = made["probs"]
        rows.append({"method": f"crowd-kit {name}", **scores(probs, y)})
    return rows


def held_out(table: VoteTable, seed: int) -> Row:
    """Mean -log p of a fifth of the votes, each from the item's other votes and the rater's own record."""
    hidden = np.random.default_rng(seed).random(len(table)) < 0.2
    seen, asked = table.take(~hidden), table.take(hidden)
    at = np.arange(len(asked)), asked.label

    def nll(predicted: Array) -> float:
        return float(-np.log(np.clip(predicted[at], CLIP, 1)).mean())

    run = sample_labels(seen, Crowd.start(len(table.raters), len(table.classes)), seed=seed)
    draws = [VoteParameters(d.prevalence, d.confusion) for chain in run.draws for d in chain[::5]]
    rho = choose_rho(seen, draws, seed=seed)
    n = np.bincount(seen.item, minlength=len(seen.items)).astype(float)[asked.item]
    predicted = np.zeros((len(asked), len(table.classes)))
    for prevalence, confusion in draws:
        evidence = seen.spread(np.log(confusion)[seen.rater, :, seen.label])[asked.item]
        logits = np.log(prevalence) + design_effect(n, rho)[:, None] * evidence
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        predicted += np.einsum("vk,vkl->vl", p, confusion[asked.rater])
    em = dawid_skene_em(seen, diagonal_counts(len(table.classes), 2.0, 0.5), 1.0)
    shares = {a: nll(vote_shares(seen.counts(), a)[asked.item]) for a in (0.1, 0.5, 1.0, 3.0)}
    return {
        "labelppl crowd": nll(predicted / len(draws)),
        "Dawid-Skene by EM": nll(predict_votes(em, asked.item, asked.rater)),
        "vote share, its best smoothing": min(shares.values()),
    }


def real(
    folder: Path, name: str, python: str | None, out: Path, seed: int
) -> tuple[list[Row], Row]:
    """Scores of every method on one crowd, and held-out votes."""
    votes = pd.read_csv(folder / f"{name}_votes.csv", dtype=str).drop_duplicates(["id", "rater"])
    truth = pd.read_csv(folder / f"{name}_truth.csv", dtype=str).set_index("id")["label"]
    classes = sorted(set(votes["label"]) | set(truth))
    table = VoteTable.from_frame(votes, classes=classes)
    y = pd.Index(classes).get_indexer(pd.Index(truth.reindex(table.items)))
    rows = [
        ours(table, y, seed),
        {"method": "vote share + .5", **scores(vote_shares(table.counts(), 0.5), y)},
    ]
    if python is not None:
        rows += peers(python, table, y, out)
    return [{"crowd": name, **row} for row in rows], {"crowd": name, **held_out(table, seed)}


def simulated(scenario: str, seed: int, n: int = 2000) -> Row:
    """One of the three simulated crowds."""
    prevalence, copies = SCENARIOS[scenario]
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < prevalence).astype(np.int64)
    votes = [np.where(rng.random(n) < skill, y, 1 - y) for skill in SKILLS]
    votes += [np.where(rng.random(n) < 0.03, 1 - votes[0], votes[0]) for _ in range(copies)]
    return {
        "scenario": scenario,
        "seed": seed,
        **ours(VoteTable.from_matrix(np.stack(votes, 1), 2), y, seed),
    }


def large(items: int, raters: int, classes: int, votes: int, seed: int) -> Row:
    """A crowd of raters with abilities of .5 to .95, each vote by a rater drawn at random."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, items)
    keys = rng.choice(items * raters, size=votes, replace=False)
    item, rater = keys // raters, keys % raters
    right = rng.random(votes) < rng.uniform(0.5, 0.95, raters)[rater]
    wrong = (y[item] + rng.integers(1, classes, votes)) % classes
    names = [tuple(map(str, range(size))) for size in (items, raters, classes)]
    table = VoteTable(item, rater, np.where(right, y[item], wrong), *names)
    row = ours(table, y, seed)
    row["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"items": items, "raters": raters, "classes": classes, "votes": votes, **row}


def markdown(rows: list[Row]) -> str:
    """The records as a table."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [
        [f"{v:.3f}" if isinstance(v, float) else str(v) for v in (row.get(n, "") for n in names)]
        for row in rows
    ]
    lines = [names, ["---"] * len(names), *cells]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


@click.command(cls=OneLine)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of real crowds.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    help="Folder for crowds.json and crowds.md.",
)
@click.option("--crowds", default=",".join(CROWDS), show_default=True)
@click.option("--parts", default="real,simulated,large", show_default=True)
@click.option("--peers", "python", default=None, help="A Python that has crowd-kit.")
@click.option("--seeds", default="401,402,403", show_default=True, help="Of the simulated crowds.")
@click.option("--quick", is_flag=True, help="A small large crowd and one seed: does it run?")
def main(
    data: Path | None,
    out: Path,
    crowds: str,
    parts: str,
    python: str | None,
    seeds: str,
    quick: bool,
) -> None:
    """Print every figure of the pages on crowds."""
    out.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[Row]] = {"labels": [], "held-out votes": [], "simulated": [], "large": []}
    wanted = set(parts.split(","))
    # First, since the peak of memory is the process's own.
    if "large" in wanted:
        size = (500, 30, 3, 3000) if quick else (20_000, 1_000, 10, 500_000)
        found["large"].append(large(*size, seed=0))
        click.echo(markdown(found["large"]))
    for name in crowds.split(",") if data is not None and "real" in wanted else ():
        assert data is not None
        rows, votes = real(data, name, python, out, seed=0)
        found["labels"] += rows
        found["held-out votes"].append(votes)
        click.echo(markdown(rows) + "\n\n" + markdown([votes]))
    if "simulated" in wanted:
        for scenario in SCENARIOS:
            for seed in seeds.split(",")[: 1 if quick else None]:
                found["simulated"].append(simulated(scenario, int(seed), 300 if quick else 2000))
        click.echo(markdown(found["simulated"]))
    (out / "crowds.json").write_text(json.dumps(found, indent=2) + "\n")
    text = "\n\n".join(f"## {part}\n\n{markdown(rows)}" for part, rows in found.items() if rows)
    (out / "crowds.md").write_text(text + "\n")


if __name__ == "__main__":
    main()
