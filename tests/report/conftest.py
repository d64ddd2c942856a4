"""Run folders made of the real writers where they are in reach, and of nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import softmax

from labelppl.metrics.evaluate import predictions_frame
from labelppl.metrics.evaluate_probs import evaluate_probs
from labelppl.runs import record, versions

Array = np.ndarray[Any, Any]


def beliefs(cases: int, classes: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draws of p(Y|Z) (draws, cases, classes) and labels from their mean, four unlabelled."""
    centre = rng.normal(0, 1.6, (cases, classes))
    centre[:, 0] += 0.5
    spread = rng.uniform(0.1, 0.7, (cases, 1))
    draws = softmax(centre + spread * rng.normal(size=(200, cases, classes)), axis=2)
    mean = draws.mean(axis=0)
    labels = (rng.random(cases)[:, None] > mean.cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)
    labels[:4] = -1
    return draws, labels


def entropy(p: Array) -> Array:
    return -(p * np.log(p)).sum(axis=-1)


def labels_table(draws: Array, labels: Array, classes: Sequence[str], ids: Sequence[str]) -> Any:
    """The columns of labels.parquet."""
    mean = draws.mean(axis=0)
    frame = pd.DataFrame({"id": ids, "label": [classes[k] if k >= 0 else None for k in labels]})
    columns = {
        "p": mean,
        "sd": draws.std(axis=0),
        "lo": np.quantile(draws, 0.05, axis=0),
        "hi": np.quantile(draws, 0.95, axis=0),
    }
    for name, values in columns.items():
        for k, label in enumerate(classes):
            frame[f"{name}_{label}"] = values[:, k]
    frame["entropy"] = entropy(mean)
    frame["aleatoric"] = entropy(draws).mean(axis=0)
    frame["epistemic"] = frame["entropy"] - frame["aleatoric"]
    frame["concentration"] = 20.0
    frame["source"] = np.where(labels >= 0, "loo", "fitted")
    khat = np.where(labels >= 0, 0.1, np.nan)
    surprised = np.flatnonzero((labels >= 0) & (mean[np.arange(len(mean)), labels] < 0.1))[:2]
    khat[surprised] = [0.93, 0.71][: len(surprised)]
    frame["khat"] = khat
    frame.loc[surprised, "source"] = "refit"
    return frame


def save_posterior(path: Path, *, weighted: bool, rng: np.random.Generator) -> None:
    draws = 250
    posterior = xr.Dataset(
        {
            "prevalence": (("chain", "draw", "class"), rng.dirichlet([60, 30], (4, draws))),
            "alpha_mean": (
                ("chain", "draw", "class"),
                rng.normal([1.06, 0.92], 0.01, (4, draws, 2)),
            ),
            "slope": (("chain", "draw"), rng.normal(2.0, 0.4, (4, draws))),
        },
        coords={"class": ["normal", "dysplastic"]},
        attrs={
            "inference_library": "labelppl",
            "inference_engine": "laplace" if weighted else "nuts",
            "khat": 0.14 if weighted else np.nan,
            "diagnostics": json.dumps({"seconds": 0.8123456, "starts": 4}),
            "problems": "[]",
            "seed": 0,
        },
    )
    posterior.to_netcdf(path, group="posterior", engine="h5netcdf")


def student_spec(classes: Sequence[str], *, deployment: Any = None) -> dict[str, Any]:
    """What student.json holds."""
    share = [1 / len(classes)] * len(classes)
    return {
        "format": 1,
        "architecture": "cnn",
        "classes": list(classes),
        "channels": 1,
        "height": 128,
        "width": 128,
        "outputs": 1,
        "keep_aspect": False,
        "seed": 0,
        "study_prevalence": share,
        "deployment_prevalence": deployment,
        "training": {
            "target": "prob",
            "cases": 429,
            "labelled": 425,
            "step1": {},
            "step2": {},
            "lam": {"lam": 0.31, "source": "folds"},
            "notes": [],
        },
    }


REST = ("val_accuracy", "seconds", "images_per_second")


def curve_table(rng: np.random.Generator) -> Any:
    """What curve.csv holds."""
    rows = []
    for step, start, floor, prior in (("step 1", 0.69, 0.42, 0.0), ("step 2", 0.44, 0.36, 0.02)):
        for epoch in range(1, 31):
            loss = floor + (start - floor) * np.exp(-epoch / 7) + rng.normal(0, 0.006)
            rows.append((step, epoch, 1e-3, loss, prior, loss + 0.05, 0.8, 1.2, 350.0))
    return pd.DataFrame(rows, columns=["step", "epoch", "lr", "loss", "penalty", "val_nll", *REST])


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a complete run folder, once for each set of arguments."""

    @cache
    def make(
        classes: tuple[str, ...],
        weighted: bool,
        sharpness: float,
        deployment: tuple[float, ...] | None,
    ) -> Path:
        rng = np.random.default_rng(0)
        folder = tmp_path_factory.mktemp("run")
        size = len(classes)
        draws, labels = beliefs(429, size, rng)
        ids = [f"case-{i:04d}" for i in range(429)]
        labels_table(draws, labels, classes, ids).to_parquet(folder / "labels.parquet", index=False)
        test_draws, test_labels = beliefs(183, size, rng)
        truth = test_draws.mean(axis=0)
        student = softmax(sharpness * np.log(truth) + rng.normal(0, 0.3, truth.shape), axis=1)
        metrics = evaluate_probs(
            student,
            test_labels,
            classes=classes,
            soft=truth,
            p_true=truth,
            groups=np.arange(183) // 2,
            n_boot=200,
        )
        test_ids = [f"test-{i:04d}" for i in range(183)]
        metrics.with_tables(predictions_frame(test_ids, student, test_labels, classes), None).save(
            folder
        )
        save_posterior(folder / "posterior.nc", weighted=weighted, rng=rng)
        (folder / "student.json").write_text(
            json.dumps(student_spec(classes, deployment=deployment))
        )
        curve_table(rng).to_csv(folder / "curve.csv", index=False)
        (folder / "student.safetensors").write_bytes(b"weights")
        record(
            folder,
            command="distill",
            arguments={"lam": "auto", "group": "group", "seed": 0, "student": "cnn"},
            model={"path": "/data/hips/hip.py", "sha256": "ab" * 32, "options": {}},
            data={"path": "/data/hips/hip.csv", "sha256": "cd" * 32},
            classes=list(classes),
            versions=versions(),
            fit={
                "engine": "laplace",
                "khat": 0.14,
                "problems": [],
                "cases": 429,
                "labelled": 425,
            },
            seconds={"label": 0.31, "distill": 96.2},
            status="done",
        )
        return folder

    return make


@pytest.fixture
def make_run(originals: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Return a copy of a complete run folder."""

    def make(
        classes: Sequence[str] = ("normal", "dysplastic"),
        *,
        weighted: bool = True,
        sharpness: float = 1.0,
        deployment: tuple[float, ...] | None = None,
        name: str = "run",
    ) -> Path:
        original = originals(tuple(classes), weighted, sharpness, deployment)
        return shutil.copytree(original, tmp_path / name)

    return make
