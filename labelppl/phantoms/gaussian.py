"""A population of Gaussian measurements given the class, cut to a box, with its true p(Y|Z).

    Y ~ Categorical(prevalence);  Z | Y=k ~ N(mean_k, covariance_k), redrawn with Y outside the box

Redrawing the case together with its class leaves p(Y|Z) = π_k f_k(Z) / Σ_j π_j f_j(Z) as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from ..arrays import Array, Floats, Ints
from ..errors import InputError
from .phantom import Phantom


@dataclass(frozen=True, eq=False)
class GaussianPopulation:
    """What the classes measure.

    classes, measurements: names. prevalence: (classes,). mean: (classes, measurements). covariance:
    (classes, measurements, measurements). low, high: (measurements,), the box that can be drawn.
    decimals: (measurements,), as a reader notes them.
    """

    classes: tuple[str, ...]
    measurements: tuple[str, ...]
    prevalence: Floats
    mean: Floats
    covariance: Floats
    low: Floats
    high: Floats
    decimals: tuple[int, ...]

    def posterior(self, z: Array, columns: Sequence[int] | None = None) -> Floats:
        """The true p(Y|Z), (cases, classes), from all measurements or from some `columns`."""
        keep = list(range(len(self.measurements)) if columns is None else columns)
        log = np.empty((len(z), len(self.classes)))
        for k in range(len(self.classes)):
            root = np.linalg.cholesky(self.covariance[k][np.ix_(keep, keep)])
            white = np.linalg.solve(root, (z[:, keep] - self.mean[k, keep]).T)
            log[:, k] = -0.5 * (white**2).sum(0) - np.log(np.diag(root)).sum()
        shares: Floats = special.softmax(log + np.log(self.prevalence), axis=1)
        return shares

    def sample(self, n: int, rng: np.random.Generator) -> tuple[Ints, Floats]:
        """Classes (cases,) and rounded measurements (cases, measurements)."""
        roots = np.linalg.cholesky(self.covariance)
        y = np.empty(n, np.int64)
        z = np.full((n, len(self.measurements)), np.nan)
        outside = np.ones(n, bool)
        while outside.any():
            some = int(outside.sum())
            drawn = rng.choice(len(self.classes), size=some, p=self.prevalence)
            noise = rng.standard_normal((some, len(self.measurements)))
            values = self.mean[drawn] + np.einsum("nij,nj->ni", roots[drawn], noise)
            y[outside] = drawn
            z[outside] = np.stack(
                [values[:, j].round(places) for j, places in enumerate(self.decimals)], 1
            )
            outside = np.asarray(((z < self.low) | (z > self.high)).any(1))
        return y, z

    def accuracy(self, columns: Sequence[int] | None = None, n: int = 200_000) -> float:
        """The accuracy of the true p(Y|Z) from some `columns`, by `n` simulated cases of seed 0."""
        y, z = self.sample(n, np.random.default_rng(0))
        return float((self.posterior(z, columns).argmax(1) == y).mean())


class GaussianPhantom(Phantom):
    """A phantom whose measurements are a `GaussianPopulation`."""

    population: GaussianPopulation

    def sample(self, n: int, seed: int) -> pd.DataFrame:
        """See `Phantom.sample`."""
        if n < 1:
            raise InputError(f"n: got {n}, expected at least 1 case")
        people = self.population
        y, z = people.sample(n, np.random.default_rng(seed))
        p_true = people.posterior(z)
        width = max(4, len(str(n)))
        return pd.DataFrame(
            {
                "id": [f"{self.name}{i:0{width}d}" for i in range(1, n + 1)],
                self.label: np.asarray(people.classes)[y],
                **{name: z[:, j] for j, name in enumerate(people.measurements)},
                **{f"p_true_{name}": p_true[:, k] for k, name in enumerate(people.classes)},
            }
        )
