"""What may move in training, and where step 2 ends, through the command line: frozen layers, rates, a prior on some layers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from click.testing import Result
from safetensors.torch import load_file
from scipy.optimize import minimize
from torch import Tensor

from labelppl.images.read import read_images
from labelppl.students.load import load_student
from labelppl.students.network import Shape, build_network
from labelppl.students.student import normalise

Run = Callable[..., Result]


def _training(run: Path) -> dict[str, Any]:
    training: dict[str, Any] = json.loads((run / "student.json").read_text())["training"]
    return training


def _start() -> dict[str, Tensor]:
    return build_network("cnn", Shape(1, 32, 32, 1), seed=0).state_dict()


def _moved(one: dict[str, Tensor], two: dict[str, Tensor], layer: str) -> float:
    return max(float((one[name] - two[name]).abs().max()) for name in two if name.startswith(layer))


def test_frozen_layers_stay_and_slow_ones_hardly_move_in_both_steps(
    own_hips: Path, labelppl: Run
) -> None:
    run = own_hips / "layers"
    done = labelppl(
        "distill", "--model", "hip.py", "--epochs", 2, "--lam", 0.1, "--quiet", "--run", run,
        "--frozen", "features.0.*", "--rates", "features.3.*=0.001", folder=own_hips,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    weights = {name: load_file(run / f"{name}.safetensors") for name in ("theta_p", "student")}
    start = _start()
    for moved in (
        _moved(start, weights["theta_p"], "features.0"),
        _moved(weights["theta_p"], weights["student"], "features.0"),
    ):
        assert moved == 0
    slow = _moved(start, weights["student"], "features.3")
    layers = sorted({name.rsplit(".", 1)[0] for name in start})
    others = [_moved(start, weights["student"], name) for name in layers if name[:10] not in ("features.0", "features.3")]  # fmt: skip
    assert 0 < slow < 0.01 * max(others)


def test_the_prior_holds_the_named_layers_and_no_other(own_hips: Path, labelppl: Run) -> None:
    """With a prior that nothing can move against, the last layer is that of theta_p; the others learn."""
    run = own_hips / "held"
    start = _start()
    last = list(start)[-1].rsplit(".", 1)[0]
    done = labelppl(
        "distill", "--model", "hip.py", "--epochs", 2, "--lam", 1e9, "--quiet", "--run", run,
        "--layers", f"{last}.*", folder=own_hips,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    weights = [load_file(run / f"{name}.safetensors") for name in ("theta_p", "student")]
    assert _moved(*weights, last) < 1e-6
    assert _moved(*weights, "features.0") > 1e-4
    prior = _training(run)["prior"]
    held = sum(value.numel() for name, value in start.items() if name.startswith(f"{last}."))
    assert (prior["layers"], prior["penalised"]) == ([f"{last}.*"], held)
    assert "nothing bounds how far the optimum is" in done.output
    assert "nothing bounds how far the optimum is" in (run / "report.html").read_text()


@pytest.mark.parametrize("lam", [0.1, 1.0, 10.0])
def test_a_linear_student_ends_at_the_optimum_that_scipy_finds(
    own_hips: Path, labelppl: Run, lam: float
) -> None:
    """Eq. 5 on the training images, minimised anew from theta_p by another optimiser."""
    run = own_hips / "linear"
    done = labelppl(
        "distill", "--model", "hip.py", "--student", "logistic", "--augment", "none", "--epochs", 3,
        "--lam", lam, "--quiet", "--run", run, folder=own_hips,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    optimum = _training(run)["optimum"]
    assert optimum["gap"] == pytest.approx(optimum["gradient"] ** 2 / (4 * lam))
    assert optimum["gap"] <= 0.01
    assert f"{optimum['objective']:.4g} nats, with a gradient of norm" in done.output
    table = pd.read_csv(own_hips / "hip.csv")
    train = table[table["split"] == "train"]
    hard = torch.tensor((train["diagnosis"] == "dysplastic").to_numpy(float))
    student, theta_p = load_student(run), load_student(run, "theta_p")
    pixels = read_images([own_hips / name for name in train["image"]]).pixels
    x = normalise(torch.from_numpy(pixels), student.spec).flatten(1).double()
    x = torch.cat([x, torch.ones(len(x), 1, dtype=torch.float64)], 1)
    centre = torch.cat([p.detach().flatten() for p in theta_p.network.parameters()]).double()

    def objective(flat: Any) -> tuple[float, Any]:
        theta = torch.tensor(flat, requires_grad=True)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            x @ theta, hard, reduction="sum"
        )
        total = loss + lam * (theta - centre).square().sum()
        total.backward()
        assert theta.grad is not None
        return float(total.detach()), theta.grad.numpy()

    least = minimize(objective, centre.numpy(), jac=True, method="L-BFGS-B", options={"gtol": 1e-8, "ftol": 1e-14})  # fmt: skip
    assert -1e-4 < optimum["objective"] - least.fun <= optimum["gap"] + 1e-4


def test_a_tolerance_beside_augmentation_is_refused_before_the_fit(
    own_hips: Path, labelppl: Run
) -> None:
    refused = labelppl(
        "distill",
        "--model",
        "hip.py",
        "--lam",
        1,
        "--tolerance",
        0.1,
        "--run",
        "t",
        folder=own_hips,
    )
    assert refused.exit_code == 2, refused.output
    assert "give --augment none" in refused.output
    assert not (own_hips / "t" / "posterior.nc").exists()
