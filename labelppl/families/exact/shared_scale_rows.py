"""The rows that a sampler of the shared scale sees, and what it makes of them."""

from __future__ import annotations

from dataclasses import dataclass

import arviz as az
import numpy as np

from ...arrays import Array, Floats
from .shared_scale import ClassSums, SharedScale, class_sums

#: Limits of R-hat and of effective draws of log |c_k S| and log delta (Vehtari et al., Bayesian Analysis 16, 2021).
MOST_RHAT, LEAST_ESS = 1.05, 100.0


@dataclass(frozen=True)
class Sampled:
    """What the sampler found: the nodes, the sums of the completed rows at each, R-hat and effective draws."""

    shared: SharedScale
    sums: ClassSums
    rhat: float
    ess: float

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the nodes must not be trusted; empty if they qualify."""
        if self.rhat <= MOST_RHAT and self.ess >= LEAST_ESS:
            return ()
        return (
            f"the scale that the classes share did not settle: R-hat {self.rhat:.2f} (at most {MOST_RHAT}), "
            f"{self.ess:.0f} effective draws (at least {LEAST_ESS:.0f}); standardise the columns or drop nearly equal ones",
        )


@dataclass(frozen=True)
class ClassRows:
    """Complete rows as sums, and the rows measured in part (cases, d) with their classes; count (classes,) of both."""

    complete: ClassSums
    part: Floats
    part_labels: Array
    count: Floats

    @classmethod
    def of(cls, z: Floats, labels: Array, classes: int) -> ClassRows:
        seen = ~np.isnan(z)
        some, whole = seen.any(-1), seen.all(-1)
        count = np.bincount(labels[some], minlength=classes).astype(np.float64)
        complete = class_sums(z[whole], labels[whole], classes)
        return cls(complete, z[some & ~whole], labels[some & ~whole], count)

    @property
    def partial(self) -> bool:
        """Whether some rows were measured in part."""
        return len(self.part) > 0

    def result(
        self,
        scale: Floats,
        worth: Floats,
        size: Floats,
        spread: Floats,
        *completed: Floats,
    ) -> Sampled:
        """The nodes of all chains (chains, kept, ...) as one list, with R-hat and effective draws of log |c_k S| and log delta."""
        log_sizes = np.linalg.slogdet(size[..., None, None] * scale[:, :, None])[1]
        watched = [np.log(worth), *np.moveaxis(log_sizes, -1, 0)]
        moving = [value for value in watched if np.ptp(value) > 0]
        rhat = [float(az.rhat(value)) for value in moving]
        ess = [float(az.ess(value)) for value in moving]
        scale, worth, size, spread = (
            x.reshape(-1, *x.shape[2:]) for x in (scale, worth, size, spread)
        )
        sums = self.complete
        if self.partial:
            mean, scatter = (x.reshape(-1, *x.shape[2:]) for x in completed)
            sums = ClassSums(self.count, mean, scatter)
        n = len(worth)
        shared = SharedScale(scale, worth, size, np.full(n, -np.log(n)), spread)
        return Sampled(shared, sums, max(rhat), min(ess))
