"""Engines on the posteriors that were slow or wrong, each timed in a process of its own.

    python benchmarks/engines.py [--only votes,two-modes] [--limit 120] [--before PYTHON]

votes        500 items, 8 raters with skills of their own (Dawid-Skene in Pyro): CPU seconds, the engine, the ladder
ordinal      60 cases graded by three readers on a scale of five: CPU seconds, the engine
two-modes    .7 N(1.5, .2) + .3 N(-1.5, .2) under a wide prior: the mass at x > 0 over ten seeds, .700 if right
lognormal    a detection limit, `<10`, under Pyro's own LogNormal: CPU seconds, p(ill) of a case below it and of one far above
gamma        the same under Pyro's own Gamma
sbc          share of checks of 100 simulations that find a posterior 10 % too narrow (9 independent parameters)

--before names the Python of another environment, with an older labelppl, which measures the same in the same call.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import torch

from labelppl import Category, Label, Positive, Real, fit, label_model, soft_labels
from labelppl.table import cases_from_frame

Measured = dict[str, Any]


def votes(quick: bool) -> Measured:
    """Eight raters right in .55 to .9 of the cases."""
    n, raters = (60 if quick else 500), 8
    rng = np.random.default_rng(0)
    truth = rng.random(n) < 0.4
    skill = np.linspace(0.55, 0.9, raters)
    said = np.where(rng.random((n, raters)) < skill, truth[:, None], ~truth[:, None])
    names = [f"r{j}" for j in range(raters)]

    @label_model(y=Label("no", "yes"), **{name: Category("no", "yes") for name in names})
    def crowd(cases):  # type: ignore[no-untyped-def]
        prevalence = pyro.sample("prevalence", dist.Beta(1.0, 1.0))
        with pyro.plate("rater", raters):
            right = pyro.sample("right", dist.Beta(torch.tensor([4.0, 4.0]), 2.0).to_event(1))
        with cases:
            y = pyro.sample("y", dist.Bernoulli(prevalence)).long()
            for j, name in enumerate(names):
                correct = right[j][y]
                pyro.sample(name, dist.Bernoulli(torch.where(y == 1, correct, 1 - correct)))

    frame = pd.DataFrame({name: np.where(said[:, j], "yes", "no") for j, name in enumerate(names)})
    frame["y"] = None
    cases = cases_from_frame(frame, "y", crowd.label, crowd.features)
    return _fitted(crowd, cases)


def ordinal(quick: bool) -> Measured:
    """Grades of three readers, shifted by the class."""
    from labelppl import Ordinal
    from labelppl.families import Ordinal as OrdinalLaw
    from labelppl.families import independent

    n = 20 if quick else 60
    rng = np.random.default_rng(1)
    y = np.arange(n) % 2
    grades = ("1", "2", "3", "4", "5")
    frame = pd.DataFrame({"y": np.where(y == 1, "malignant", "benign")})
    for j in range(3):
        latent = 1.5 * y + rng.logistic(size=n)
        frame[f"g{j}"] = np.array(grades)[np.digitize(latent, [-1.5, 0.0, 1.0, 2.5])]
    readers = {f"g{j}": OrdinalLaw(Ordinal(*grades)) for j in range(3)}
    model = independent(y=Label("benign", "malignant"), **readers)
    return _fitted(model, cases_from_frame(frame, "y", model.label, model.features))


def two_modes(quick: bool) -> Measured:
    """A parameter with two modes, which the cases say nothing about; its prior draws reach both."""

    @label_model(y=Label("no", "yes"), a=Real())
    def model(cases):  # type: ignore[no-untyped-def]
        x = pyro.sample("x", dist.Normal(0.0, 3.0))
        modes = torch.logaddexp(
            np.log(0.7) - 12.5 * (x - 1.5) ** 2, np.log(0.3) - 12.5 * (x + 1.5) ** 2
        )
        pyro.factor("modes", modes - dist.Normal(0.0, 3.0).log_prob(x))
        with cases:
            y = pyro.sample("y", dist.Bernoulli(torch.tensor(0.5)))
            pyro.sample("a", dist.Normal(y, 1.0))

    frame = pd.DataFrame({"a": [0.1, 0.9], "y": ["no", "yes"]})
    cases = cases_from_frame(frame, "y", model.label, model.features)
    began, masses, engines = cpu_seconds(), [], set()
    for seed in range(3 if quick else 10):
        posterior = fit(model, cases, seed=seed)
        draws = posterior.log_weights.exp()
        masses.append(float(draws[posterior.values["x"] > 0].sum()))
        engines.add(_engine(posterior))
    return {
        "CPU seconds": cpu_seconds() - began,
        "engine": ", ".join(sorted(engines)),
        "mass at x > 0, least and most": f"{min(masses):.3f} to {max(masses):.3f}",
    }


def _censored(law: Callable[[Any], Any], quick: bool) -> Measured:
    @label_model(y=Label("well", "ill"), a=Positive())
    def marker(cases):  # type: ignore[no-untyped-def]
        mean = pyro.sample("mean", dist.Normal(torch.tensor([2.0, 4.0]), 1.0).to_event(1))
        with cases:
            y = pyro.sample("y", dist.Bernoulli(torch.tensor(0.5))).long()
            pyro.sample("a", law(mean[y]))

    n = 20 if quick else 60
    rng = np.random.default_rng(2)
    y = np.arange(n) % 2
    values = rng.lognormal(2.0 + 2.0 * y, 0.5)
    cells = [f"<{10}" if v < 10 else f"{v:.2f}" for v in values]
    labels: list[str | None] = [*np.where(y == 1, "ill", "well"), None, None]
    frame = pd.DataFrame({"a": [*cells, "<10", "60"], "y": labels})
    cases = cases_from_frame(frame, "y", marker.label, marker.features)
    began = cpu_seconds()
    posterior = fit(marker, cases.take(np.arange(n)))
    ill = soft_labels(posterior, cases.take([n, n + 1])).probs[:, 1]
    return {
        "CPU seconds": cpu_seconds() - began,
        "engine": _engine(posterior),
        "refused": bool(posterior.problems),
        "p(ill) of <10 and of 60": f"{ill[0]:.3f}, {ill[1]:.3f}",
    }


def lognormal(quick: bool) -> Measured:
    """Pyro's LogNormal, whose cumulative distribution has no gradient at its closed end."""
    return _censored(lambda mean: dist.LogNormal(mean, 0.5), quick)


def gamma(quick: bool) -> Measured:
    """Pyro's Gamma, which has no cumulative distribution with a gradient in its shape."""
    return _censored(lambda mean: dist.Gamma(4.0, 4.0 / mean.exp()), quick)


def sbc(quick: bool) -> Measured:
    """Truths of spread 1, draws of spread .9: how often a check of 100 simulations says so."""
    from labelppl.checks.sbc_bands import fractional_ranks, p_values

    try:
        from labelppl.checks.sbc_pooled import exchangeable_scores, pooled_spread
    except ImportError:  # an older labelppl has single tests alone
        exchangeable_scores = pooled_spread = None  # type: ignore[assignment]
    n, parameters, draws, checks = 100, 9, 200, (3 if quick else 60)
    rng = np.random.default_rng(3)
    single = together = 0
    for i in range(checks):
        truth = rng.normal(size=(n, parameters))
        sample = 0.9 * rng.normal(size=(n, draws, parameters))
        uniform = fractional_ranks((sample < truth[:, None]).sum(1), draws, rng)
        single += bool((p_values(uniform) < 0.01 / (2 * parameters)).any())
        if pooled_spread is not None:
            scores = [exchangeable_scores(t, d, rng) for t, d in zip(truth, sample, strict=True)]
            together += pooled_spread(np.stack(scores), uniform, i).p < 0.01
    found = f"{together / checks:.2f}" if pooled_spread is not None else "no such test"
    return {"single tests": f"{single / checks:.2f}", "pooled test": found, "checks": checks}


MEASURES: dict[str, Callable[[bool], Measured]] = {
    "votes": votes,
    "ordinal": ordinal,
    "two-modes": two_modes,
    "lognormal": lognormal,
    "gamma": gamma,
    "sbc": sbc,
}


def _fitted(model: Any, cases: Any) -> Measured:
    began = cpu_seconds()
    posterior = fit(model, cases)
    return {
        "CPU seconds": cpu_seconds() - began,
        "engine": _engine(posterior),
        "refused": bool(posterior.problems),
        "tried": posterior.diagnostics.get("tried", ""),
    }


def _engine(posterior: Any) -> str:
    """The engine's name, in an older labelppl, too, which calls it a method."""
    draws = posterior.sampled
    return str(draws.engine if hasattr(draws, "engine") else draws.method)


def cpu_seconds() -> float:
    """Seconds of the processor so far, those of finished child processes included: steady on a busy machine."""
    return sum(os.times()[:4])


def _in_process(python: str, name: str, quick: bool, limit: float) -> Measured:
    """One measure in a fresh process of ``python``; what it said if it failed or took too long."""
    command = [python, __file__, "--measure", name, *(["--quick"] if quick else [])]
    began = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return {"seconds": f"more than {limit:.0f}"}
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        return {"failed": said[:200], "seconds": time.perf_counter() - began}
    measured: Measured = json.loads(done.stdout.splitlines()[-1])
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default=",".join(MEASURES))
    parser.add_argument("--before", metavar="PYTHON")
    parser.add_argument("--limit", type=float, default=120.0, help="seconds for one measure")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--measure", choices=MEASURES, help=argparse.SUPPRESS)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.measure:
        print(json.dumps(MEASURES[args.measure](args.quick)))
        return
    pythons = {"now": sys.executable} | ({"before": args.before} if args.before else {})
    for name in args.only.split(","):
        for when, python in pythons.items():
            measured = _in_process(python, name, args.quick, args.limit)
            told = ", ".join(
                f"{what} {value:.2f}" if isinstance(value, float) else f"{what} {value}"
                for what, value in measured.items()
            )
            print(f"{name:10} {when:7} {told}", flush=True)


if __name__ == "__main__":
    main()
