"""Small images whose class is how bright their left half is, written as PNG files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from labelppl.softlabels import SoftLabels
from labelppl.table import Cases

Array = np.ndarray[Any, Any]


def soft_labels_of(
    ids: Array, probs: Array, classes: tuple[str, ...] = ("no", "yes"), draws: Array | None = None
) -> SoftLabels:
    """Soft labels with these means, known exactly; what training does not read is anything."""
    n = len(ids)
    flat, each = np.full_like(probs, 0.1), np.full(n, 0.1)
    return SoftLabels(
        ids=ids, classes=classes, labels=np.full(n, -1), probs=probs, sd=flat, lo=probs, hi=probs,
        entropy=each, aleatoric=each, epistemic=each, concentration=each,
        mean_log=np.log(np.clip(probs, 1e-12, 1)), source=np.full(n, "new"),
        khat=np.full(n, np.nan), draws=draws,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., tuple[SoftLabels, Cases]]:
    """Make a study: p(Y = 1 | x) = sigmoid(4 z), z the brightness of the left half."""

    def make(
        n: int = 60, *, test: int = 20, val: int = 0, size: int = 32, seed: int = 0
    ) -> tuple[SoftLabels, Cases]:
        rng = np.random.default_rng(seed)
        z = rng.normal(size=n)
        p = 1 / (1 + np.exp(-4 * z))
        y = (rng.random(n) < p).astype(np.int64)
        paths = []
        for i in range(n):
            pixels = rng.normal(128, 10, size=(size, size))
            pixels[:, : size // 2] += 25 * z[i]
            paths.append(tmp_path / f"{i}.png")
            Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(paths[-1])
        split = np.array(["train"] * (n - test - val) + ["val"] * val + ["test"] * test)
        ids = np.array([f"case{i}" for i in range(n)])
        cases = Cases(ids, ("no", "yes"), y, {}, split, tuple(paths), split_given=True)
        order = rng.permutation(n)
        labels = soft_labels_of(ids[order], np.stack([1 - p, p], 1)[order])
        return labels, cases

    return make
