"""Seconds from the call to 4,000 effective draws of every parameter: labelppl, Pyro's NUTS, NumPyro's.

The hip model of the zoo (von Mises angle, Beta coverage, nine parameters) on 429 simulated cases. Each
engine runs alone in a fresh process. The clock starts at the call, after the imports: building the
density, tuning and compilation count. Where a sampler's draws are not exactly 4,000 effective ones, the
time of its sampling phase is scaled to them; what came before it is not.

    OMP_NUM_THREADS=2 python benchmarks/posterior.py            # the whole table
    python benchmarks/posterior.py --quick                      # a smoke test, no figures to quote

NumPyro is needed here alone and may live in an environment of its own, so that nothing else changes:

    python3.11 -m venv bench-venv
    bench-venv/bin/pip install numpyro==0.22.0 jax==0.10.2 jaxlib==0.10.2
    python benchmarks/posterior.py --numpyro-python bench-venv/bin/python

Accuracy is against a long run of NumPyro's NUTS (of Pyro's where NumPyro is absent): the largest
distance of a posterior mean in posterior SDs, and of p(Y|Z) over the cases. CPU seconds, of the run as
measured, tell more than the wall does on a machine that others use too.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]

TARGET_ESS = 4000.0
NAMES = (
    "prevalence[0]",
    *(f"alpha_mean[{k}]" for k in (0, 1)),
    *(f"alpha_kappa[{k}]" for k in (0, 1)),
    *(f"coverage_mean[{k}]" for k in (0, 1)),
    *(f"coverage_size[{k}]" for k in (0, 1)),
)
CHAINS = 2  # the rivals run one on each of two cores


class Run(NamedTuple):
    """Draws (chains, draws, 9) with log weights (chains, draws) or None, and what they took.

    seconds on the wall in all, and before the first draw; cpu: of all processes and threads.
    """

    draws: Array
    log_weights: Array | None
    seconds: float
    before: float
    cpu: float


class Clock:
    """Runs from its making."""

    def __init__(self) -> None:
        self.wall, self._cpu = time.perf_counter(), sum(os.times()[:4])

    def seconds(self) -> float:
        """On the wall."""
        return time.perf_counter() - self.wall

    def cpu(self) -> float:
        """Of this process, its threads and its children that have ended."""
        return sum(os.times()[:4]) - self._cpu


def simulate(cases: int, seed: int) -> dict[str, Array]:
    """Angles in radians and coverages of two classes that overlap as the zoo's phantoms do."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, cases)
    alpha = np.radians(rng.normal(np.where(y, 53.0, 61.0), np.where(y, 6.0, 5.0)))
    mean = np.where(y, 0.46, 0.56)
    return {"y": y, "alpha": alpha, "coverage": rng.beta(47 * mean, 47 * (1 - mean))}


def label_density(data: dict[str, Array]) -> Any:
    """labelppl's density of the zoo's hip model on these cases; part of what is timed."""
    import pandas as pd

    from labelppl.model import LabelDensity, load_model
    from labelppl.table import cases_from_frame

    model = load_model("hip")
    frame = pd.DataFrame(
        {
            "diagnosis": np.array(["normal", "dysplastic"])[data["y"].astype(int)],
            "alpha": np.degrees(data["alpha"]),
            "coverage": data["coverage"],
        }
    )
    cases = cases_from_frame(frame, model.label_name, model.label, model.features)
    return lambda: LabelDensity(model, cases)


def run_labelppl(engine: str, data: dict[str, Array], draws: int, warmup: int) -> Run:
    """Laplace with PSIS, or many chains."""
    from labelppl.inference.chains import chains
    from labelppl.inference.convergence import psis
    from labelppl.inference.laplace import laplace

    build = label_density(data)
    psis(np.zeros(100))  # imports ArviZ
    clock = Clock()
    density = build()
    if engine == "laplace":
        found, before = laplace(density, draws=draws), 0.0
    else:
        marks: list[float] = []
        found = chains(
            density,
            draws=draws,
            warmup=warmup,
            progress=lambda done, total: marks.append(time.perf_counter()),
        )
        before = marks[warmup - 1] - clock.wall
    seconds, cpu = clock.seconds(), clock.cpu()
    shape = found.points.shape[:2]
    values = density.constrain(found.points.flatten(0, 1))
    columns = [values["prevalence"][:, :1]] + [
        values[name] for name in ("alpha_mean", "alpha_kappa", "coverage_mean", "coverage_size")
    ]
    flat = np.concatenate([column.numpy() for column in columns], -1)
    weights = None if found.log_weights is None else found.log_weights.numpy()
    for problem in found.problems:
        print(f"{engine}: {problem}", file=sys.stderr)
    return Run(flat.reshape(*shape, -1), weights, seconds, before, cpu)


def run_pyro(data: dict[str, Array], draws: int, warmup: int) -> Run:
    """Pyro's own NUTS on the zoo's plain Pyro function, one process for each chain."""
    import pyro
    import torch
    from pyro.infer import MCMC, NUTS

    from labelppl.model import load_model

    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    # Pyro would leave one core free, and so run two chains in turn on two cores.
    torch.multiprocessing.cpu_count = lambda: CHAINS + 1
    pyro.set_rng_seed(0)
    hip = load_model("hip").fn
    given = {
        "diagnosis": torch.from_numpy(data["y"]).long(),
        "alpha": torch.from_numpy(data["alpha"]),
        "coverage": torch.from_numpy(data["coverage"]),
    }

    def model() -> None:
        pyro.condition(hip, data=given)(pyro.plate("cases", len(data["y"])))

    warm = Path(tempfile.mkstemp()[1])

    def hook(kernel: Any, sample: Any, stage: str, i: int) -> None:
        if i == 0 and not stage.startswith("Warmup"):  # the slower chain's mark stays
            warm.write_text(str(time.time()))

    began, clock = time.time(), Clock()
    untuned = warmup < 100  # a smoke test would spend minutes on trees of untuned steps
    mcmc = MCMC(
        NUTS(model, max_tree_depth=4 if untuned else 10),
        num_samples=draws,
        warmup_steps=warmup,
        num_chains=CHAINS,
        mp_context="fork",
        disable_progbar=True,
        hook_fn=hook,
    )
    mcmc.run()
    seconds, cpu = clock.seconds(), clock.cpu()
    found = mcmc.get_samples(group_by_chain=True)
    marked = warm.read_text()
    warm.unlink()
    return Run(_stacked(found), None, seconds, float(marked) - began, cpu)


def run_numpyro(data: dict[str, Array], draws: int, warmup: int) -> Run:
    """NumPyro's NUTS, chains in parallel on two host devices, the same model in float64."""
    import numpyro

    numpyro.set_host_device_count(CHAINS)
    numpyro.enable_x64()
    import jax
    import jax.numpy as jnp
    import numpyro.distributions as dist
    from numpyro.infer import MCMC, NUTS

    def hip(y: Any, alpha: Any, coverage: Any) -> None:
        prevalence = numpyro.sample("prevalence", dist.Dirichlet(jnp.ones(2)))
        with numpyro.plate("class", 2):
            middle = jnp.radians(jnp.array([62.0, 52.0]))
            mean = numpyro.sample("alpha_mean", dist.Normal(middle, jnp.radians(10.0)))
            kappa = numpyro.sample("alpha_kappa", dist.LogNormal(4.5, 0.7))
            m = numpyro.sample("coverage_mean", dist.Beta(jnp.array([11.0, 9.0]), 9.0))
            size = numpyro.sample("coverage_size", dist.LogNormal(3.3, 0.8))
        with numpyro.plate("cases", len(alpha)):
            numpyro.sample("diagnosis", dist.Categorical(prevalence), obs=y)
            numpyro.sample("alpha", dist.VonMises(mean[y], kappa[y]), obs=alpha)
            first, second = m[y] * size[y], (1 - m[y]) * size[y]
            numpyro.sample("coverage", dist.Beta(first, second), obs=coverage)

    y = jnp.asarray(data["y"].astype(int))
    alpha, coverage = jnp.asarray(data["alpha"]), jnp.asarray(data["coverage"])
    jax.block_until_ready(alpha)
    clock = Clock()
    mcmc = MCMC(
        NUTS(hip),
        num_warmup=warmup,
        num_samples=draws,
        num_chains=CHAINS,
        chain_method="parallel",
        progress_bar=False,
    )
    mcmc.run(jax.random.PRNGKey(0), y, alpha, coverage)
    found = jax.block_until_ready(mcmc.get_samples(group_by_chain=True))
    seconds, cpu = clock.seconds(), clock.cpu()
    return Run(_stacked(found), None, seconds, 0.0, cpu)


def _stacked(found: dict[str, Any]) -> Array:
    names = ("alpha_mean", "alpha_kappa", "coverage_mean", "coverage_size")
    parts = [np.asarray(found["prevalence"])[..., :1], *(np.asarray(found[n]) for n in names)]
    return np.concatenate(parts, -1)


def in_own_process(
    engine: str, data: Path, draws: int, warmup: int, python: str = sys.executable
) -> Run:
    """Run one engine in a fresh interpreter and read what it wrote."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run.npz"
        command = [python, __file__, "--worker", engine, "--data", str(data), "--out", str(out)]
        subprocess.run([*command, "--draws", str(draws), "--warmup", str(warmup)], check=True)
        with np.load(out) as read:
            weights = read.get("log_weights")
            times = (float(read[name]) for name in ("seconds", "before", "cpu"))
            return Run(read["draws"], weights, *times)


def worker(args: argparse.Namespace) -> None:
    """What `in_own_process` starts."""
    with np.load(args.data) as read:
        data = {name: read[name] for name in read}
    engines = {"pyro": run_pyro, "numpyro": run_numpyro}
    if args.worker in engines:
        run = engines[args.worker](data, args.draws, args.warmup)
    else:
        run = run_labelppl(args.worker, data, args.draws, args.warmup)
    np.savez(args.out, **{k: v for k, v in run._asdict().items() if v is not None})


def weights_of(run: Run) -> Array:
    """(draws,) normalised weights of the flattened draws."""
    n = run.draws.shape[0] * run.draws.shape[1]
    return np.full(n, 1 / n) if run.log_weights is None else np.exp(run.log_weights.ravel())


def effective(run: Run) -> float:
    """Effective draws of the worst parameter: bulk ESS of chains; for weights the smaller of Kish's
    and that of each mean."""
    from labelppl.inference.convergence import convergence

    if run.log_weights is None:
        return float(convergence(run.draws).ess_bulk.min())
    w, flat = weights_of(run)[:, None], run.draws.reshape(-1, run.draws.shape[-1])
    off = (flat - (w * flat).sum(0)) ** 2
    return float(min(1 / (w**2).sum(), ((w * off).sum(0) / (w**2 * off).sum(0)).min()))


def moments(run: Run) -> tuple[Array, Array]:
    """Posterior means and SDs (9,)."""
    w, flat = weights_of(run)[:, None], run.draws.reshape(-1, run.draws.shape[-1])
    mean = (w * flat).sum(0)
    return mean, np.sqrt((w * (flat - mean) ** 2).sum(0))


def label_probabilities(density: Any, run: Run) -> Array:
    """p(Y|Z) (cases, 2): the classes' joint densities, averaged over the draws, normalised."""
    import torch

    flat = torch.from_numpy(run.draws.reshape(-1, run.draws.shape[-1]))
    step = max(1, len(flat) // 10_000)
    log_weights = torch.from_numpy(np.log(weights_of(run)))[::step]
    flat = flat[::step]
    names = ("alpha_mean", "alpha_kappa", "coverage_mean", "coverage_size")
    values = {name: flat[:, 1 + 2 * i : 3 + 2 * i] for i, name in enumerate(names)}
    values["prevalence"] = torch.stack([flat[:, 0], 1 - flat[:, 0]], -1)
    joint = density.class_log_joint(values).joint
    return torch.logsumexp(joint + log_weights[:, None, None], 0).softmax(-1).numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few cases and draws: does it run?")
    parser.add_argument("--cases", type=int, default=429)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--numpyro-python", default="", help="interpreter that has NumPyro")
    for hidden in ("--worker", "--data", "--out"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    for hidden in ("--draws", "--warmup"):
        parser.add_argument(hidden, type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        worker(args)
    else:
        compare(args)


def compare(args: argparse.Namespace) -> None:
    """Run every engine and print the table."""
    short = args.quick
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "cases.npz"
        simulated = simulate(40 if short else args.cases, args.seed)
        np.savez(data, **simulated)
        runs = {
            "labelppl laplace": in_own_process("laplace", data, 500 if short else 4600, 0),
            "labelppl chains": in_own_process(
                "chains", data, 4 if short else 96, 10 if short else 200
            ),
            "Pyro NUTS": in_own_process("pyro", data, 20 if short else 1000, 20 if short else 1000),
        }
        reference = runs["Pyro NUTS"]
        if args.numpyro_python:
            python = args.numpyro_python
            tuned = in_own_process("numpyro", data, 1, 20 if short else 1000, python).seconds
            found = in_own_process(
                "numpyro", data, 20 if short else 2500, 20 if short else 1000, python
            )
            runs["NumPyro NUTS"] = found._replace(before=tuned)
            reference = in_own_process(
                "numpyro", data, 20 if short else 20_000, 20 if short else 1000, python
            )
        elif not short:
            reference = in_own_process("pyro", data, 10_000, 1000)
    report(runs, reference, simulated)


def report(runs: dict[str, Run], reference: Run, simulated: dict[str, Array]) -> None:
    """Print one row for each engine, as Markdown."""
    density = label_density(simulated)()
    wanted, spread = moments(reference)
    probabilities = label_probabilities(density, reference)
    rows = {}
    for name, run in runs.items():
        ess = effective(run)
        sampling = run.seconds - run.before
        needed = run.before + sampling * TARGET_ESS / ess
        if run.log_weights is not None:  # one pass: more draws than needed are not given back
            needed = max(run.seconds, needed)
        off = float((np.abs(moments(run)[0] - wanted) / spread).max())
        label = float(np.abs(label_probabilities(density, run) - probabilities).max())
        rows[name] = (run.seconds, run.cpu, ess, needed, off, label)
    print(
        f"{len(simulated['y'])} cases, {len(NAMES)} parameters, seconds to 4,000 effective draws\n"
    )
    print("| engine | s | CPU s | effective | s to 4,000 | times ours | mean off, SDs | p off |")
    print("|---|---|---|---|---|---|---|---|")
    ours = rows["labelppl laplace"][3]
    for name, (seconds, cpu, ess, needed, off, label) in rows.items():
        print(
            f"| {name} | {seconds:.2f} | {cpu:.2f} | {ess:.0f} | {needed:.2f} "
            f"| {needed / ours:.1f} | {off:.3f} | {label:.4f} |"
        )


if __name__ == "__main__":
    main()
