"""p(Y|Z) for all draws and cases: labelppl against Pyro's enumeration and against the same density written by hand.

    python benchmarks/labels.py [--quick]

All on the same draws and cases of the hip model, in one run. ``labelppl`` is LabelDensity.class_log_joint, the call behind
every soft label: log p(z_i, y_i = k | theta_s). ``hand`` is what one would write in vectorised torch for this one model: no
Pyro, no names, constants once per draw. ``Pyro`` is TraceEnum_ELBO.compute_marginals, p(y_i = k | z_i, theta_s) draw by
draw, timed on a few draws and scaled up. The full table needs about 6 GB of memory.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import pyro
import torch
from hips import hip_cases
from pyro import poutine
from pyro.infer import TraceEnum_ELBO, config_enumerate
from torch import Tensor

from labelppl.model import LabelDensity, LabelModel, load_model
from labelppl.model.precision import float64_defaults
from labelppl.table import Cases


def by_hand(values: Mapping[str, Tensor], cases: Cases) -> Tensor:
    """log p(z, y = k), (draws, cases, classes)."""
    alpha, coverage = cases.columns["alpha"], cases.columns["coverage"]
    log_c, log_1c = torch.log(coverage.values), torch.log1p(-coverage.values)
    kappa, mean = values["alpha_kappa"], values["alpha_mean"]
    a = values["coverage_mean"] * values["coverage_size"]
    b = (1 - values["coverage_mean"]) * values["coverage_size"]
    angle_constant = -kappa - torch.log(2 * math.pi * torch.special.i0e(kappa))
    ratio_constant = torch.lgamma(a + b) - torch.lgamma(a) - torch.lgamma(b)
    log_prior = values["prevalence"].log()
    joint = []
    for k in range(2):
        at = (slice(None), slice(k, k + 1))
        angle = kappa[at] * torch.cos(alpha.values - mean[at]) + angle_constant[at]
        ratio = (a[at] - 1) * log_c + (b[at] - 1) * log_1c + ratio_constant[at]
        angle = torch.where(alpha.observed, angle, 0.0)
        ratio = torch.where(coverage.observed, ratio, 0.0)
        joint.append(log_prior[at] + angle + ratio)
    return torch.stack(joint, -1)


class _Masked(poutine.messenger.Messenger):
    def __init__(self, cases: Cases) -> None:
        super().__init__()
        self.cases = cases

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        column = self.cases.columns.get(msg["name"])
        if column is not None:
            msg["mask"] = column.observed


def by_pyro(model: LabelModel, values: Mapping[str, Tensor], cases: Cases) -> Tensor:
    """p(y = k | z), (draws, cases, classes), one draw after the other."""
    data = {name: column.values for name, column in cases.columns.items()}
    plate = model.plate(cases)
    elbo = TraceEnum_ELBO(max_plate_nesting=1)
    probs = []
    with float64_defaults(), pyro.validation_enabled(False), torch.no_grad():
        for i in range(len(values["prevalence"])):
            draw = {name: value[i] for name, value in values.items()}

            def clamped(given: Mapping[str, Tensor] = {**data, **draw}) -> None:
                with poutine.condition(data=given), _Masked(cases):
                    model(plate)

            marginals = elbo.compute_marginals(config_enumerate(clamped), lambda: None)
            probs.append(marginals[model.label_name].probs)
    return torch.stack(probs)


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Best of ``repeats``."""
    took = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return min(took)


def measure(draws: int, n: int, pyros: int, missing: float, repeats: int) -> list[str]:
    """One row of the table for each program."""
    model = load_model("hip")
    cases = hip_cases(model, n, missing)
    density = LabelDensity(model, cases.take(range(429)))
    generator = torch.Generator().manual_seed(0)
    spread = 0.1 * torch.randn(draws, density.dim, generator=generator, dtype=torch.float64)
    values = density.constrain(density.start(1, seed=0) + spread)
    few = {name: value[:pyros] for name, value in values.items()}

    joint = density.class_log_joint(few, cases).joint
    error = float((joint - by_hand(few, cases)).abs().max())
    pyro_error = float((joint.softmax(-1) - by_pyro(model, few, cases)).abs().max())
    del joint
    ours = seconds(lambda: density.class_log_joint(values, cases), repeats)
    hand = seconds(lambda: by_hand(values, cases), repeats)
    pyros_own = seconds(lambda: by_pyro(model, few, cases), 1) * draws / pyros
    rows = [
        ("labelppl", ours, "0"),
        ("hand", hand, f"{error:.1e} (log joint)"),
        (f"Pyro ({pyros} draws, scaled)", pyros_own, f"{pyro_error:.1e} (probability)"),
    ]
    size = f"{draws:,} x {n:,} x 2, {missing:.0%} missing"
    return [
        f"| {size} | {name} | {took:.2f} | {took / ours:.2f} | {difference} |"
        for name, took, difference in rows
    ]


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the draws and cases")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    warnings.filterwarnings("ignore", category=FutureWarning)
    draws, n, repeats = (100, 10_000, 3) if chosen.quick else (1000, 100_000, 2)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, float64\n")
    print("| draws x cases x classes | program | seconds | against labelppl | largest difference |")
    print("|---|---|---:|---:|---|")
    for missing in (0.0, 0.1):
        print("\n".join(measure(draws, n, 20 if chosen.quick else 5, missing, repeats)), flush=True)


if __name__ == "__main__":
    main()
