"""Students with random weights, every kind of head, posterior and map, and pictures for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from labelppl.calibration.base import Recalibration
from labelppl.calibration.in_force import InForce
from labelppl.students.interval import LogitInterval
from labelppl.students.network import build_network
from labelppl.students.spec import Spec
from labelppl.students.student import Student
from labelppl.students.weight_posterior import Full, Kronecker, WeightPosterior

SIZE = 8


@pytest.fixture(scope="session")
def make_student() -> Callable[..., Student]:
    """A linear student whose probabilities are far from 0 and 1."""

    def make(
        *,
        classes: int = 2,
        channels: int = 1,
        depth: str = "uint8",
        posterior: str | None = None,
        mapping: Recalibration | None = None,
        **entries: Any,
    ) -> Student:
        outputs = 1 if classes == 2 and entries.get("head") != "dirichlet" else classes
        prevalence = tuple(np.arange(1.0, classes + 1) / np.arange(1.0, classes + 1).sum())
        interval = LogitInterval((-0.7,) * classes, (0.9,) * classes, 50, "validation")
        facts = {"study_prevalence": prevalence, "interval": interval} | entries
        spec = Spec(
            "logistic", tuple("abcdef"[:classes]), channels, SIZE, SIZE, outputs,
            mean=(0.4,) * channels, std=(0.3,) * channels, depth=depth, **facts,
        )  # fmt: skip
        network = build_network(spec.architecture, spec.shape)
        generator = torch.Generator().manual_seed(classes)
        layer = network[1]
        assert isinstance(layer, nn.Linear)
        with torch.no_grad():
            layer.weight.normal_(0, 0.15, generator=generator)
            layer.bias.normal_(0, 0.15, generator=generator)
        made = _posterior(posterior, layer, generator)
        return Student(network.eval(), spec, made, InForce(mapping))

    return make


def _posterior(
    kind: str | None, layer: nn.Linear, generator: torch.Generator
) -> WeightPosterior | None:
    inputs, outputs = layer.in_features + 1, layer.out_features
    if kind is None:
        return None
    if kind == "full":
        root = torch.randn(inputs * outputs, inputs * outputs, generator=generator)
        precision = root @ root.T + 40 * torch.eye(len(root))
        return Full(torch.linalg.cholesky(precision).contiguous())
    a, axes = torch.linalg.eigh(_square(inputs, generator))
    b, others = torch.linalg.eigh(_square(outputs, generator))
    parts = (axes, a.clamp_min(0), others, b.clamp_min(0), torch.tensor([20.0]))
    return Kronecker(*(part.contiguous() for part in parts))


def _square(n: int, generator: torch.Generator) -> torch.Tensor:
    root = torch.randn(n, n, generator=generator)
    return root @ root.T


@pytest.fixture(scope="session")
def make_pictures(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Path]]:
    """PNG files of noise, of several sizes."""

    def make(channels: int = 1, depth: str = "uint8", count: int = 6) -> list[Path]:
        folder = tmp_path_factory.mktemp("pictures")
        rng = np.random.default_rng(channels)
        paths = []
        for i in range(count):
            shape = [(8, 8), (31, 17), (5, 40)][i % 3]
            full = 65536 if depth == "uint16" else 256
            pixels = rng.integers(0, full, shape if channels == 1 else (*shape, 3))
            path = folder / f"{i}.png"
            Image.fromarray(pixels.astype(depth)).save(path)
            paths.append(path)
        return paths

    return make
