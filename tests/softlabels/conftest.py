"""Tables and posteriors for the tests of soft labels; small, so that every refit is quick."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch

from labelppl import Label, Real, label_model
from labelppl.families import gaussian
from labelppl.model import LabelModel
from labelppl.posterior import Posterior, fit
from labelppl.table import Cases, cases_from_frame

CENTERS = {"normal": (5.0, 3.0), "ill": (4.0, 4.0)}


@pytest.fixture(scope="session")
def read() -> Callable[..., Cases]:
    def read(model: LabelModel, frame: pd.DataFrame, **options: Any) -> Cases:
        return cases_from_frame(frame, model.label_name, model.label, model.features, **options)

    return read


@pytest.fixture(scope="session")
def table() -> Callable[..., pd.DataFrame]:
    """Two classes of two correlated measurements, as in the paper's first experiment."""

    def make(n: int = 40, seed: int = 0, prefix: str = "c", missing: float = 0.0) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        ill = rng.random(n) < 0.5
        noise = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], n)
        at = np.where(ill[:, None], CENTERS["ill"], CENTERS["normal"]) + noise
        at[rng.random(at.shape) < missing] = np.nan
        return pd.DataFrame(
            {
                "id": [f"{prefix}{i}" for i in range(n)],
                "y": np.where(ill, "ill", "normal"),
                "a": at[:, 0],
                "b": at[:, 1],
            }
        )

    return make


@pytest.fixture(scope="session")
def conjugate() -> LabelModel:
    """A class-conditional Gaussian with a closed form."""
    return gaussian(
        y=Label("normal", "ill"), a=Real(), b=Real(), typical={"a": (4.5, 1.2), "b": (3.5, 1.2)}
    )


@label_model(y=Label("normal", "ill"), a=Real(), b=Real())
def naive(cases):  # type: ignore[no-untyped-def]
    prevalence = pyro.sample("prevalence", dist.Dirichlet(torch.ones(2)))
    with pyro.plate("class", 2):
        a_mean = pyro.sample("a_mean", dist.Normal(torch.tensor([5.0, 4.0]), 1.0))
        b_mean = pyro.sample("b_mean", dist.Normal(torch.tensor([3.0, 4.0]), 1.0))
        sd = pyro.sample("sd", dist.LogNormal(0.0, 0.5))
    with cases:
        y = pyro.sample("y", dist.Categorical(prevalence))
        pyro.sample("a", dist.Normal(a_mean[y], sd[y]))
        pyro.sample("b", dist.Normal(b_mean[y], sd[y]))


@label_model(y=Label("normal", "ill"), a=Real(), b=Real())
def logistic(cases):  # type: ignore[no-untyped-def]
    weights = pyro.sample("weights", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    bias = pyro.sample("bias", dist.Normal(0.0, 2.0))
    with cases as z:
        logits = (z.a - 4.5) * weights[0] + (z.b - 3.5) * weights[1] + bias
        pyro.sample("y", dist.Bernoulli(logits=logits))


@pytest.fixture(scope="session")
def models() -> dict[str, LabelModel]:
    return {"naive": naive, "logistic": logistic}


@pytest.fixture(scope="session")
def fitted(read: Any, table: Any) -> Posterior:
    """Forty cases by Laplace with importance weights."""
    return fit(naive, read(naive, table()), engine="laplace")


@pytest.fixture(scope="session")
def fitted_logistic(read: Any, table: Any) -> Posterior:
    return fit(logistic, read(logistic, table()), engine="laplace")


@pytest.fixture(scope="session")
def fitted_exactly(conjugate: LabelModel, read: Any, table: Any) -> Posterior:
    return fit(conjugate, read(conjugate, table(60)), engine="exact")
