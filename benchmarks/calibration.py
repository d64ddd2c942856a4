"""Simulation-based calibration of every zoo model, and of three planted faults that it must find.

    python benchmarks/calibration.py [--quick] [--simulations 100] [--engine auto] [--only hip ...] [--out DIR]

Each model is checked on tables like a small study of its own: a few dozen cases (310 of `vertebral`), one measurement
in ten missing and one case in ten unlabelled, where the model allows it. The faults are planted in the hip model:
parameters drawn from wider priors than those that are fitted, every likelihood counted twice, and soft labels that have
seen the case's own label. A row says how many fits were refused by their own checks, how many quantities were ranked
and tested, and the smallest p-value times their number, which fails below .01. ``--out`` keeps a picture and the ranks
of each check. The exit status is 1 if a zoo model fails or a fault passes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyro.distributions as dist
from pyro.poutine.messenger import Messenger

from labelppl.checks.sbc import sbc
from labelppl.checks.sbc_record import Sbc
from labelppl.features import Category, Vector, VoteCounts, Votes
from labelppl.model import LabelModel, load_model, read_cases, zoo
from labelppl.model.score import inside_cases
from labelppl.table import Cases

CASES, FEW = 40, 6
# As many as the real table has: forty cases say too little about over sixty parameters.
MORE = {"vertebral": 310}
# Angles that lean on angles cannot be integrated out.
COMPLETE = ("vertebral",)
# Priors and single labels weigh most among few cases.
AMONG_FEW = ("hip, wrong prior", "hip, own label leaked")
READERS = ("ann", "bob", "eve", "joe")


def ratings(rng: np.random.Generator, ids: list[str], classes: list[str]) -> pd.DataFrame:
    """Two to four readers for each case, in long form."""
    rows = [
        (case, reader, rng.choice(classes))
        for case in ids
        for reader in rng.choice(READERS, rng.integers(2, 5), replace=False)
    ]
    return pd.DataFrame(rows, columns=["id", "rater", "label"])


def study(name: str, model: LabelModel, rng: np.random.Generator) -> Cases:
    """A table of the right shape; its values do not matter where the model draws them anew."""
    n = MORE.get(name, CASES)
    ids = [f"c{i}" for i in range(n)]
    classes = list(model.label.classes) or ["a", "b"]
    frame = pd.DataFrame({"id": ids, model.label_name: rng.choice(classes, n)})
    inputs = {
        "liver": dict.fromkeys(("liver", "diaphragm", "periportal"), (30, 220)),
        "raykar": {"diameter": (2, 35), "texture": (0, 1)},
    }.get(name, {})
    for column, (low, high) in inputs.items():
        frame[column] = rng.uniform(low, high, n)
    votes = {}
    for feature_name, feature in model.features.items():
        if isinstance(feature, Votes):
            votes[feature_name] = ratings(rng, ids, classes)
        elif isinstance(feature, VoteCounts):
            counts = rng.multinomial(5, np.full(len(classes), 1 / len(classes)), n)
            frame[[f"{feature_name}_{k}" for k in classes]] = counts
        elif feature_name not in inputs:
            parts = feature.components if isinstance(feature, Vector) else {feature_name: feature}
            for column, kind in parts.items():
                frame[column] = _any_value(kind, rng, n)
                if name not in COMPLETE:
                    frame.loc[rng.random(n) < 0.1, column] = None
    unlabelled = 0.8 if name in ("votes", "dawid_skene") else 0.1  # there the truth is seldom known
    frame.loc[rng.random(n) < unlabelled, model.label_name] = None
    with tempfile.TemporaryDirectory() as folder:
        for feature_name, table in votes.items():
            table.to_csv(Path(folder) / f"{name}_{feature_name}.csv", index=False)
        frame.to_csv(Path(folder) / f"{name}.csv", index=False)
        return read_cases(Path(folder) / f"{name}.csv", model, classes=classes)


def _any_value(kind: Any, rng: np.random.Generator, n: int) -> Any:
    if isinstance(kind, Category):
        return rng.choice(list(kind.names), n)
    low, high = getattr(kind, "low", None), getattr(kind, "high", None)
    return rng.uniform(0.1 if low is None else low, 0.9 if high is None else high, n)


class _Wider(Messenger):
    """Draws every normal parameter with three times the spread that is claimed."""

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if isinstance(msg["fn"], dist.Normal) and not inside_cases(msg):
            msg["fn"] = dist.Normal(msg["fn"].loc, 3 * msg["fn"].scale)


class _Twice(Messenger):
    """Counts the evidence of every case twice."""

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if inside_cases(msg):
            msg["scale"] = 2 * msg["scale"]


def under(handler: type[Messenger], model: LabelModel) -> LabelModel:
    """The same model, run under a handler that spoils it."""

    def fn(cases: Any, **options: Any) -> Any:
        with handler():
            return model.fn(cases, **options)

    return replace(model, fn=fn, called=model.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few simulations: does it run?")
    parser.add_argument("--simulations", type=int, default=100)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--only", nargs="*", default=None, help="some rows of the table, by title")
    parser.add_argument("--out", type=Path, help="folder for pictures and ranks")
    args = parser.parse_args()
    simulations = 20 if args.quick else args.simulations
    hip = load_model("hip")
    checks: dict[str, tuple[LabelModel, str, bool, dict[str, Any]]] = {
        **{name: (load_model(name), name, True, {}) for name in sorted(zoo())},
        "hip, wrong prior": (hip, "hip", False, {"simulator": under(_Wider, hip)}),
        "hip, doubled likelihood": (under(_Twice, hip), "hip", False, {"simulator": hip}),
        "hip, own label leaked": (hip, "hip", False, {"leave_out": "fitted"}),
    }
    if args.only:
        if unknown := set(args.only) - set(checks):
            parser.error(f"--only: got {sorted(unknown)}, expected some of {list(checks)}")
        checks = {title: checks[title] for title in args.only}
    print(f"{simulations} simulations each, engine {args.engine}\n")
    print(
        "| model | cases | refused | ranked and tested | smallest p, adjusted | found | seconds |"
    )
    print("|---|---|---|---|---|---|---|")
    surprises = 0
    for title, (model, name, right, options) in checks.items():
        began = time.perf_counter()
        cases = study(name, model, np.random.default_rng(1))
        if title in AMONG_FEW:
            cases = cases.take(np.arange(FEW))
        found = sbc(model, cases, simulations=simulations, engine=args.engine, **options)
        show(title, found, len(cases), time.perf_counter() - began)
        surprises += found.passed != right
        if args.out is not None:
            args.out.mkdir(parents=True, exist_ok=True)
            stem = title.replace(", ", "-").replace(" ", "-")
            found.save(args.out / f"{stem}.json")
            found.plot(args.out / f"{stem}.png")
    sys.exit(surprises > 0 and not args.quick)


def show(title: str, found: Sbc, cases: int, seconds: float) -> None:
    """Print one row."""
    tested = len(found.quantities) + len(found.tests)
    frame = found.to_frame()
    p = min(1.0, float(frame["p"].min()) * tested) if len(frame) else float("nan")
    verdict = "nothing" if found.passed else found.problems[0]
    print(
        f"| {title} | {cases} | {len(found.refused)} | {tested} | {p:.2g} | {verdict} "
        f"| {seconds:.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
