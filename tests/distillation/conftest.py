"""Small images whose class is how bright their left half is, written as PNG files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, eq=False)
class FakeCases:
    """As much of `labelppl.table.Cases` as distillation reads."""

    ids: Array
    classes: tuple[str, ...]
    labels: Array
    images: tuple[Path, ...] | None
    split: Array
    groups: Array | None = None


@dataclass(frozen=True, eq=False)
class FakeLabels:
    """As much of `labelppl.softlabels.SoftLabels` as distillation reads."""

    ids: Array
    classes: tuple[str, ...]
    probs: Array
    draws: Array | None = None


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., tuple[FakeLabels, FakeCases]]:
    """Make a study: p(Y = 1 | x) = sigmoid(4 z), z the brightness of the left half."""

    def make(
        n: int = 60, *, test: int = 20, val: int = 0, size: int = 32, seed: int = 0
    ) -> tuple[FakeLabels, FakeCases]:
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
        cases = FakeCases(ids, ("no", "yes"), y, tuple(paths), split)
        order = rng.permutation(n)
        labels = FakeLabels(ids[order], ("no", "yes"), np.stack([1 - p, p], 1)[order])
        return labels, cases

    return make
