"""Posteriors and labels that were wrong in an older labelppl: the same measure then and now, each in a process of its own.

    python benchmarks/before_after.py [--only coverage,tables] [--limit 600] [--before PYTHON]

coverage     90 % intervals of p(Y|Z) of new cases, two classes with SDs .3 and 2, 20 and 60 cases: share that hold the truth
tables       log-loss of `gaussian` on wine and on breast cancer (ten columns), 30 training cases
left-out     SD of p(Y|Z) of a left-out case over its SD when it is fitted without it: nearest to and farthest from 1, cases of SD .02 or more
censored     a new case `>40` between classes at 30 and 40 (SD 5): p(the higher class), .96 if right
impossible   a `Real()` column fed to a Poisson: what `fit` says
refused      labels of a posterior that its engine refused: what `soft_labels` says
arviz        effective draws of a weighted posterior: the engine's, and what `az.summary` says

--before names the Python of another environment, with an older labelppl. What engines do is in `engines.py`.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import torch
from scipy.stats import multivariate_normal
from sklearn import datasets
from sklearn.model_selection import StratifiedShuffleSplit

from labelppl import InputError, Label, Positive, Real, fit, label_model, soft_labels
from labelppl.families import gaussian, logistic
from labelppl.table import Cases, cases_from_frame

Measured = dict[str, Any]
#: Below this the SD of a left-out p(Y|Z) is not compared: the case is as good as certain.
LEAST_SD = 0.02
#: What the engine is chosen by in `fit`; an older labelppl calls it a method.
ENGINE = "engine" if "engine" in inspect.signature(fit).parameters else "method"


def cases_of(model: Any, z: np.ndarray, y: np.ndarray) -> Cases:
    """Columns z0, z1, ... and the label."""
    frame = pd.DataFrame(z, columns=[f"z{j}" for j in range(z.shape[1])])
    names = np.array(["a", "b", "c"])
    return cases_from_frame(
        frame.assign(y=names[y], split="train"), "y", model.label, model.features
    )


def gaussian_of(d: int, classes: int) -> Any:
    """`gaussian` of d numbers."""
    return gaussian(y=Label(*"abc"[:classes]), **{f"z{j}": Real() for j in range(d)})


def new_labels(model: Any, z: np.ndarray, y: np.ndarray, new: np.ndarray, seed: int = 0) -> Any:
    """Labels of ``new`` by a fit to ``z``."""
    every = cases_of(model, np.concatenate([z, new]), np.concatenate([y, np.zeros(len(new), int)]))
    train, rest = np.arange(len(z)), np.arange(len(z), len(z) + len(new))
    return soft_labels(fit(model, every.take(train), seed=seed), every.take(rest))


def coverage(quick: bool) -> Measured:
    """The truth is Gaussian, equal correlations of .3, centers .5 apart."""
    sets, out = (2 if quick else 24), {}
    correlation = np.array([[1.0, 0.3], [0.3, 1.0]])
    laws = [
        multivariate_normal([0.5 * k] * 2, s**2 * correlation) for k, s in enumerate((0.3, 2.0))
    ]
    for n in (20, 60):
        held = []
        for seed in range(sets):
            rng = np.random.default_rng([n, seed])
            y = np.append(rng.integers(0, 2, n - 2), (0, 1))
            z = np.stack([laws[k].rvs(random_state=rng) for k in y])
            new = np.stack([laws[k].rvs(random_state=rng) for k in rng.integers(0, 2, 40)])
            labels = new_labels(gaussian_of(2, 2), z, y, new, seed)
            density = np.stack([law.pdf(new) for law in laws])
            truth = density[1] / density.sum(0)
            held.append(np.mean((labels.lo[:, 1] <= truth) & (truth <= labels.hi[:, 1])))
        error = np.std(held) / sets**0.5
        out[f"n = {n}"] = f"{np.mean(held):.3f} ± {error:.3f}"
    return out


def tables(quick: bool) -> Measured:
    """Stratified splits with seeds from 500 on."""
    breast, kind = datasets.load_breast_cancer(return_X_y=True)
    both = {"wine": datasets.load_wine(return_X_y=True), "breast": (breast[:, :10], kind)}
    out = {}
    for name, (z, y) in both.items():
        losses = []
        for split in range(1 if quick else 4):
            splitter = StratifiedShuffleSplit(1, train_size=30, random_state=500 + split)
            ((train, rest),) = splitter.split(z, y)
            model = gaussian_of(z.shape[1], y.max() + 1)
            p = np.asarray(new_labels(model, z[train], y[train], z[rest]).probs)
            losses.append(-np.log(np.clip(p[np.arange(len(rest)), y[rest]], 1e-6, 1)).mean())
        out[name] = f"{np.mean(losses):.3f}"
    return out


def left_out(quick: bool) -> Measured:
    """Twenty cases of two classes, one of them far on the other class's side."""
    rng = np.random.default_rng(4)
    y = np.arange(20) % 2
    z = rng.normal(size=(20, 2)) + 1.5 * y[:, None]
    z[0] = (3.0, 2.5)
    model = gaussian_of(2, 2)
    own = soft_labels(fit(model, cases_of(model, z, y)))
    ratios = []
    for i in range(3 if quick else 20):
        others = np.arange(20) != i
        alone = new_labels(model, z[others], y[others], z[i : i + 1])
        if alone.sd[0, 1] >= LEAST_SD:
            ratios.append(float(own.sd[i, 1] / alone.sd[0, 1]))
    ratios.sort(key=lambda ratio: abs(np.log(ratio)))
    return {"nearest": f"{ratios[0]:.2f}", "farthest": f"{ratios[-1]:.2f}"}


def censored(quick: bool) -> Measured:
    """Sixty complete cases, and the new one."""
    rng = np.random.default_rng(5)
    y = np.arange(60) % 2
    cells = [f"{v:.3f}" for v in rng.normal(30 + 10 * y, 5)]
    model = gaussian(y=Label("a", "b"), marker=Positive())
    labels: list[str | None] = [*np.array(["a", "b"])[y], None]
    frame = pd.DataFrame({"marker": [*cells, ">40"], "y": labels})
    cases = cases_from_frame(frame, "y", model.label, model.features)
    try:
        posterior = fit(model, cases.take(np.arange(60)))
        return {"p": f"{soft_labels(posterior, cases.take([60])).probs[0, 1]:.4f}"}
    except InputError as error:
        return {"refused": str(error)}


def impossible(quick: bool) -> Measured:
    """Numbers with a fraction under a law of whole numbers."""

    @label_model(y=Label("a", "b"), z0=Real())
    def model(cases):  # type: ignore[no-untyped-def]
        rate = pyro.sample("rate", dist.Gamma(torch.tensor([2.0, 4.0]), 1.0).to_event(1))
        with cases:
            y = pyro.sample("y", dist.Bernoulli(torch.tensor(0.5))).long()
            pyro.sample("z0", dist.Poisson(rate[y]))

    try:
        posterior = fit(
            model, cases_of(model, np.array([[1.5], [2.0], [3.5], [1.0]]), np.array([0, 0, 1, 1]))
        )
    except InputError as error:
        return {"fit refuses": str(error)[:120]}
    return {"fit": "accepts" if not posterior.problems else str(posterior.problems[0])[:120]}


def refused(quick: bool) -> Measured:
    """A logistic model of thirteen columns and three classes, thirty cases, by Laplace alone."""
    z, y = datasets.load_wine(return_X_y=True)
    rows = np.concatenate([np.flatnonzero(y == k)[:10] for k in range(3)])
    model = logistic(y=Label("a", "b", "c"), **{f"z{j}": Real() for j in range(z.shape[1])})
    posterior = fit(model, cases_of(model, z[rows], y[rows]), **{ENGINE: "laplace"})
    others = cases_of(model, z[rows + 10], y[rows + 10])
    others = dataclasses.replace(others, ids=np.array([f"new{i}" for i in range(len(rows))]))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        soft_labels(posterior, others)
    told = [str(w.message) for w in said if issubclass(w.category, UserWarning)]
    return {"problems": len(posterior.problems), "said": (told or ["nothing"])[0][:120]}


def arviz(quick: bool) -> Measured:
    """A logistic model of five columns of wine, two classes, forty cases."""
    z, y = datasets.load_wine(return_X_y=True)
    rows = np.concatenate([np.flatnonzero(y == k)[:20] for k in range(2)])
    model = logistic(y=Label("a", "b"), **{f"z{j}": Real() for j in range(5)})
    posterior = fit(model, cases_of(model, z[rows][:, :5], y[rows]), **{ENGINE: "laplace"})
    summary = az.summary(posterior.to_arviz(), var_names=["weights"], round_to="none")
    return {
        "engine": round(float(posterior.diagnostics["ess"])),
        "summary, least": round(float(summary["ess_bulk"].min())),
        "chains": int(posterior.to_arviz().posterior.sizes["chain"]),
    }


MEASURES: dict[str, Callable[[bool], Measured]] = {
    "coverage": coverage,
    "tables": tables,
    "left-out": left_out,
    "censored": censored,
    "impossible": impossible,
    "refused": refused,
    "arviz": arviz,
}


def in_process(python: str, name: str, quick: bool, limit: float) -> Measured:
    """One measure in a fresh process of ``python``; what it said if it failed or took too long."""
    command = [python, __file__, "--measure", name, *(["--quick"] if quick else [])]
    began = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return {"seconds": f"more than {limit:.0f}"}
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        return {"failed": said[:200], "seconds": round(time.perf_counter() - began, 1)}
    measured: Measured = json.loads(done.stdout.splitlines()[-1])
    return measured


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default=",".join(MEASURES))
    parser.add_argument("--before", metavar="PYTHON")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds for one measure")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    if args.measure:
        print(json.dumps(MEASURES[args.measure](args.quick)))
        return
    pythons = ({"before": args.before} if args.before else {}) | {"now": sys.executable}
    print("| measure | " + " | ".join(pythons) + " |")
    print("|---" * (len(pythons) + 1) + "|")
    for name in args.only.split(","):
        cells = []
        for python in pythons.values():
            measured = in_process(python, name, args.quick, args.limit)
            cells.append("; ".join(f"{what}: {value}" for what, value in measured.items()))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
