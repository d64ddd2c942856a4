"""Simulated tables for families: parameters and cases drawn from the model's own prior."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyro
import pytest
import torch
from pyro import poutine

from labelppl.features import Ballots, Column, Vector
from labelppl.model import LabelModel
from labelppl.table import Cases

Simulated = tuple[Cases, dict[str, torch.Tensor]]


@pytest.fixture
def simulate() -> Callable[..., Simulated]:
    """``simulate(model, n, seed, given)``: cases and the parameters behind them; `given` fixes some."""

    def run(model: LabelModel, n: int, seed: int, given: dict[str, Any] | None = None) -> Simulated:
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            with torch.random.fork_rng(devices=[]), pyro.validation_enabled(False):
                torch.manual_seed(seed)
                fixed = poutine.condition(model, data=given or {})
                trace = poutine.trace(fixed).get_trace(model.plate(n))
        finally:
            torch.set_default_dtype(before)
        columns, parameters = {}, {}
        for name, site in trace.nodes.items():
            if site["type"] != "sample" or type(site["fn"]).__name__ == "_Subsample":
                continue
            if name in model.features:
                seen = torch.ones(n, dtype=torch.bool)
                if isinstance(model.features[name], Vector):
                    seen = torch.ones_like(site["value"], dtype=torch.bool)
                value = site["value"]
                is_votes = isinstance(value, Ballots)
                columns[name] = Column.of_ballots(value) if is_votes else Column(value, seen)
            elif name != model.label_name:
                parameters[name] = site["value"]
        labels = trace.nodes[model.label_name]["value"].numpy().astype(np.int64)
        ids = np.array([str(i) for i in range(n)])
        split = np.full(n, "train")
        return Cases(ids, model.label.classes, labels, columns, split), parameters

    return run
