"""Class-conditional Gaussian with full covariance, the class means and covariances integrated out.

The rows teach what the classes share (`shared_scale`); given that, each class is conjugate (`gaussian_nodes`), and labels
integrate it out (`gaussian_evidence`). Source: Murphy, Conjugate Bayesian analysis of the Gaussian distribution (2007), 9.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...errors import InputError
from ...features import Column
from ...seeds import stream
from .evidence import Evidence
from .factor import Factor, labelled, refuse_censored
from .gaussian_evidence import ByPattern
from .gaussian_nodes import GaussianNodes
from .niw import NIW, Standard
from .scales import Scale, matrix, to_scale
from .shared_scale import SPREAD_FLOOR, ClassSums, SharedScale, class_sums
from .shared_scale_gibbs import by_gibbs
from .shared_scale_grid import draw_spread, on_grid


@dataclass(frozen=True)
class GaussianFactor(Factor):
    """Posterior of the class means and covariances. learned: whether the scale that the classes share was learned; problems:
    why that must not be trusted, empty if its sampler qualifies.
    """

    site: str
    column: Column
    labels: Tensor
    posterior: GaussianNodes
    learned: bool
    how: Scale = "plain"
    problems: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls,
        site: str,
        column: Column,
        labels: Tensor,
        classes: int,
        prior: NIW | Standard,
        seed: int = 0,
        how: Scale = "plain",
    ) -> GaussianFactor:
        """column.values (cases, d); labels (cases,). A class without rows keeps the prior.

        Raises InputError for an unlabelled or censored row, and under `NIW` for one measured in part.
        """
        labels = labelled(labels, classes)
        refuse_censored(site, column)
        values, observed = matrix(column)
        center = prior.mean if isinstance(prior, NIW) else prior.center
        unit = torch.ones_like(center) if isinstance(prior, NIW) else prior.spread
        values = to_scale(values, observed, how)[0]
        z = torch.where(observed, (values - center) / unit, torch.nan).numpy()
        rng = stream(seed, "gaussian", site).numpy()
        shared, sums, problems = _learn(site, z, labels.numpy(), classes, prior, rng)
        return cls.of(site, column, labels, prior, how, shared, sums, problems)

    @classmethod
    def of(
        cls,
        site: str,
        column: Column,
        labels: Tensor,
        prior: NIW | Standard,
        how: Scale,
        shared: SharedScale,
        sums: ClassSums,
        problems: tuple[str, ...],
    ) -> GaussianFactor:
        """The factor where what the classes share is known or sampled, in standard units."""
        learned = isinstance(prior, Standard)
        floor = SPREAD_FLOOR if learned else 0.0
        count, mean = torch.from_numpy(sums.count), torch.from_numpy(sums.mean)
        kappa = prior.kappa + count
        posterior = GaussianNodes(
            prior.mean if isinstance(prior, NIW) else prior.center,
            torch.ones_like(prior.mean) if isinstance(prior, NIW) else prior.spread,
            count,
            kappa,
            mean * (count / kappa)[:, None],
            torch.from_numpy(sums.pull(prior.kappa, floor)),
            torch.from_numpy(shared.scale),
            torch.from_numpy(shared.worth),
            torch.from_numpy(shared.size),
            torch.from_numpy(shared.log_weights),
            None if shared.spread is None else torch.from_numpy(shared.spread),
        )
        return cls(site, column, labels, posterior, learned, how, problems)

    def fitted_columns(self) -> Mapping[str, Column]:
        return {self.site: self.column}

    def new(self, columns: Mapping[str, Column]) -> Evidence:
        refuse_censored(self.site, columns[self.site])
        return self._evidence(columns[self.site], None)

    def left_out(self, rows: Tensor) -> Evidence:
        return self._evidence(self.column.take(rows), self.labels[rows])

    def _evidence(self, column: Column, labels: Tensor | None) -> Evidence:
        values, observed = matrix(column)
        values, log_stretch = to_scale(values, observed, self.how)
        return ByPattern.of(self.posterior, values, observed, log_stretch, labels)

    def draw(self, n: int) -> dict[str, Tensor]:
        rng = np.random.default_rng(int(torch.randint(2**62, ())))
        node, mean, root = self.posterior.draw(n, rng)
        draws = {f"{self.site}_mean": mean, f"{self.site}_scale_tril": root}
        if self.learned:
            sampled, unit = self.posterior.spread, self.posterior.unit
            if sampled is None:
                scale = self.posterior.scale[:, 0, 0].numpy()
                spread = torch.from_numpy(draw_spread(scale, node, rng))
            else:
                spread = sampled[torch.from_numpy(node)]
            draws[f"{self.site}_spread"] = spread * unit
            if len(unit) > 1:
                draws[f"{self.site}_size"] = self.posterior.size[torch.from_numpy(node)]
        return draws


def _learn(
    site: str,
    z: np.ndarray,
    labels: np.ndarray,
    classes: int,
    prior: NIW | Standard,
    rng: np.random.Generator,
) -> tuple[SharedScale, ClassSums, tuple[str, ...]]:
    """What the classes share, given the rows; a prior of one's own is one node that is known."""
    some, whole = ~np.isnan(z).all(-1), ~np.isnan(z).any(-1)
    if isinstance(prior, NIW):
        part = some & ~whole
        if part.any():
            raise InputError(
                f"feature '{site}', row {int(part.nonzero()[0][0]) + 1}: measured in part; under a NIW prior the closed "
                "form needs complete rows to fit on (new cases may be incomplete); use --engine laplace"
            )
        worth = prior.nu - z.shape[1] + 1
        shared = SharedScale(
            scale=(prior.scale / worth).numpy()[None],
            worth=np.array([worth]),
            size=np.ones((1, classes)),
            log_weights=np.zeros(1),
            spread=None,
        )
        return shared, class_sums(z[some], labels[some], classes), ()
    if z.shape[1] == 1:
        sums = class_sums(z[some], labels[some], classes)
        return on_grid(sums.pull(prior.kappa, SPREAD_FLOOR)[0, :, 0, 0], sums.count), sums, ()
    sampled = by_gibbs(z, labels, classes, prior.kappa, rng)
    problems = tuple(f"feature '{site}': {problem}" for problem in sampled.problems)
    return sampled.shared, sampled.sums, problems
