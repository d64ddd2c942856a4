"""What tests of several rooms share."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from torch import Tensor

from labelppl.inference.laplace import laplace
from labelppl.model import LabelDensity

Sample = tuple[Any, Any]


@pytest.fixture
def away() -> Callable[..., Tensor]:
    """Distance of true parameters from the posterior mean in posterior standard deviations, (dim,)."""

    def distance(density: LabelDensity, truth: Mapping[str, Tensor], draws: int = 1000) -> Tensor:
        found = laplace(density, seed=0, draws=draws)
        assert found.log_weights is not None
        weight, points = found.log_weights.exp()[0, :, None], found.points[0]
        mean = (weight * points).sum(0)
        sd = (weight * (points - mean) ** 2).sum(0).sqrt()
        return (density.parameters.unconstrain(truth) - mean) / sd

    return distance


@pytest.fixture
def calibrated() -> Callable[..., Sample]:
    """Draw (probs, labels) with labels from the probabilities themselves."""

    def draw(cases: int, classes: int = 2, seed: int = 0, scale: float = 1.5) -> Sample:
        rng = np.random.default_rng(seed)
        probs = softmax(rng.normal(0, scale, (cases, classes)), axis=1)
        labels = (rng.random(cases)[:, None] > probs.cumsum(axis=1)).sum(axis=1)
        return probs, np.minimum(labels, classes - 1)

    return draw


@pytest.fixture
def binary() -> Callable[[Any], Any]:
    """Turn p of the second class into probs (cases, 2)."""

    def pair(p: Any) -> Any:
        second = np.asarray(p, dtype=np.float64)
        return np.column_stack([1 - second, second])

    return pair


def _chromium() -> ModuleType:
    """`chromium.py` beside this file, which is no package."""
    spec = importlib.util.spec_from_file_location("chromium", Path(__file__).parent / "chromium.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def chromium() -> ModuleType:
    """The module that drives a headless Chromium; the test is skipped on a machine without one."""
    module = _chromium()
    if module.executable() is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    pytest.importorskip(
        "websocket", reason="websocket-client is not installed: make test installs it"
    )
    return module


@pytest.fixture(scope="module")
def page(chromium: ModuleType) -> Iterator[Any]:
    """One tab of a browser that reaches nothing but this machine."""
    with chromium.browser(chromium.executable()) as tab:
        yield tab


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what the tests of pages had to work with."""
    path = _chromium().executable()
    axe = Path(__file__).parents[1] / "node_modules" / "axe-core" / "axe.min.js"
    browser = path or "none, the tests of pages were skipped: apt-get install chromium"
    axe_core = "installed" if axe.is_file() else "none, its test was skipped: npm install"
    terminalreporter.write_line(f"browser: {browser}; axe-core: {axe_core}")


@pytest.fixture
def changeable() -> Callable[[ModuleType], set[str]]:
    """Name the records of a package's modules that are not frozen."""

    def walk(package: ModuleType) -> set[str]:
        names = [m.name for m in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")]
        kinds = [
            k
            for n in names
            for k in vars(importlib.import_module(n)).values()
            if isinstance(k, type)
        ]
        return {k.__name__ for k in kinds if is_dataclass(k) and k.__module__ in names
                and not k.__dataclass_params__.frozen}  # type: ignore[attr-defined]  # fmt: skip

    return walk
