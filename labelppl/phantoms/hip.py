"""The simulated population of infant hips: diagnosis, two measurements, and the true p(Y|Z).

    Y ~ Categorical(prevalence);  alpha | Y=k ~ vonMises(mean_k, 1/sd_k²);
    coverage | Y=k ~ Beta(m_k c, (1 - m_k) c);     p(Y=k|z) = π_k f_k(z) / Σ_j π_j f_j(z)

alpha is Graf's bony roof angle, coverage the bony rim index d/D. The picture is drawn from (alpha,
coverage) alone and shows both (`hip_image`), hence p(Y|X) = p(Y|Z) is known for every picture.

Sources: Graf, *Hip Sonography*, 2nd ed. (2006): alpha >= 60 degrees is mature, below 50 is
pathological; Terjesen et al., J. Bone Joint Surg. Br. 71 (1989) 767-773: coverage of 50 % and more
is normal. Half of the cases are dysplastic as in Vega et al., AISTATS 2021 (342 of 685).
Assumption: alpha and coverage are independent given the diagnosis. The overlap is a choice: it puts
the Bayes accuracy at .843.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ..errors import InputError
from .hip_image import ALPHA_RANGE, COVERAGE_RANGE, render
from .phantom import Phantom, Pixels

CLASSES = ("normal", "dysplastic")

_MISSPECIFIED = '''"""Infant hip dysplasia from Graf's angle alpha alone; the coverage is left out.

Source: Vega et al. 2021 (arXiv 2102.06164), who use both. Made to be wrong: two hips of one angle differ
in the coverage, which tells of the diagnosis too.
"""

from labelppl import Angle, Label
from labelppl.families import von_mises

hip = von_mises(diagnosis=Label("normal", "dysplastic"), alpha=Angle("deg", low=20, high=90))
'''


@dataclass(frozen=True)
class HipPopulation(Phantom):
    """Infant hip dysplasia: Graf's angle alpha and the coverage of the head in ultrasound.

    The parameters are per class, in the order normal, dysplastic.

    Args:
        prevalence: p(Y), two probabilities that sum to 1.
        alpha_mean: Mean of alpha, in degrees.
        alpha_sd: Standard deviation of alpha, in degrees.
        coverage_mean: Mean of the coverage, in (0, 1).
        coverage_concentration: The sum of the two parameters of the coverage's Beta distribution.

    Raises:
        InputError: A parameter is out of its range.

    Examples:
        >>> rare = HipPopulation(prevalence=(0.97, 0.03))
        >>> frame = rare.sample(3, seed=0)
        >>> list(frame.columns)
        ['id', 'diagnosis', 'alpha', 'coverage', 'p_true_normal', 'p_true_dysplastic']
        >>> rare.draw(frame.iloc[0], seed=0, size=32).shape
        (32, 32)
    """

    name = "hip"
    label = "diagnosis"

    prevalence: tuple[float, float] = (0.5, 0.5)
    alpha_mean: tuple[float, float] = (61.0, 53.0)
    alpha_sd: tuple[float, float] = (5.0, 6.0)
    coverage_mean: tuple[float, float] = (0.56, 0.46)
    coverage_concentration: tuple[float, float] = (47.0, 47.0)

    def __post_init__(self) -> None:
        sums_to_one = abs(sum(self.prevalence) - 1) <= 1e-9
        if len(self.prevalence) != len(CLASSES) or min(self.prevalence) < 0 or not sums_to_one:
            raise InputError(
                f"prevalence: got {self.prevalence}, expected two probabilities that sum to 1"
            )
        for name, (low, high) in {
            "alpha_mean": ALPHA_RANGE,
            "alpha_sd": (0.0, 30.0),
            "coverage_mean": COVERAGE_RANGE,
            "coverage_concentration": (2.0, np.inf),
        }.items():
            values = getattr(self, name)
            inside = [low < value < high for value in values]
            if len(inside) != len(CLASSES) or not all(inside):
                raise InputError(
                    f"{name}: got {values}, expected one value per class "
                    f"between {low:g} and {high:g}"
                )

    def log_joint(self, alpha: ArrayLike, coverage: ArrayLike) -> NDArray[np.float64]:
        """log p(alpha, coverage, y=k), (cases, classes); alpha in degrees, density per radian.

        The two measurements broadcast against each other as NumPy arrays do.
        """
        radians = np.radians(np.asarray(alpha, dtype=np.float64))
        ratio = np.asarray(coverage, dtype=np.float64)
        with np.errstate(divide="ignore"):  # a class of prevalence 0 has log 0 = -inf
            prior = np.log(np.asarray(self.prevalence, dtype=np.float64))
        classes = []
        for k in range(len(CLASSES)):
            angle = stats.vonmises(
                kappa=np.radians(self.alpha_sd[k]) ** -2, loc=np.radians(self.alpha_mean[k])
            )
            concentration = self.coverage_concentration[k]
            cover = stats.beta(
                self.coverage_mean[k] * concentration, (1 - self.coverage_mean[k]) * concentration
            )
            classes.append(prior[k] + angle.logpdf(radians) + cover.logpdf(ratio))
        return np.stack(classes, axis=-1)

    def posterior(self, alpha: ArrayLike, coverage: ArrayLike) -> NDArray[np.float64]:
        """The true p(Y|Z), (cases, classes), rows summing to 1; alpha in degrees."""
        joint = self.log_joint(alpha, coverage)
        weight = np.exp(joint - joint.max(axis=-1, keepdims=True))
        normalised: NDArray[np.float64] = weight / weight.sum(axis=-1, keepdims=True)
        return normalised

    def bayes_accuracy(self, points: int = 2000) -> float:
        """∫ max_k p(z, y=k) dz, the accuracy no classifier of these pictures can exceed.

        Midpoint rule with `points` nodes for each measurement, over 12 standard deviations of alpha
        (at most the circle) and all of (0, 1); the default errs by less than 1e-5.
        """
        mean, sd = np.asarray(self.alpha_mean), np.asarray(self.alpha_sd)
        low, high = (mean - 12 * sd).min(), (mean + 12 * sd).max()
        if high - low > 360:
            low, high = -180.0, 180.0
        nodes = (np.arange(points) + 0.5) / points
        joint = self.log_joint((low + (high - low) * nodes)[:, None], nodes[None, :])
        best = np.exp(joint.max(axis=-1))
        return float(best.mean() * np.radians(high - low))

    def sample(self, n: int, seed: int) -> pd.DataFrame:
        """`n` cases: id, diagnosis, alpha (degrees), coverage, p_true_normal, p_true_dysplastic.

        Measurements are rounded as a reader notes them (0.1 degree, 0.001) and p_true is computed
        at the rounded values. A case that cannot be drawn (a hip outside `ALPHA_RANGE` or
        `COVERAGE_RANGE`, of probability below 1e-6 at the defaults) is redrawn together with its
        diagnosis, which leaves p(Y|Z) as it is. Raises InputError for n < 1 and where more than
        half the population cannot be drawn.
        """
        if n < 1:
            raise InputError(f"n: got {n}, expected at least 1 case")
        rng = np.random.default_rng(seed)
        y, alpha, coverage = self._draw(n, rng)
        outside = _is_out_of_reach(alpha, coverage)
        while outside.any():
            y[outside], alpha[outside], coverage[outside] = self._draw(int(outside.sum()), rng)
            outside = _is_out_of_reach(alpha, coverage)
        p_true = self.posterior(alpha, coverage)
        width = max(4, len(str(n)))
        return pd.DataFrame(
            {
                "id": [f"hip{i:0{width}d}" for i in range(1, n + 1)],
                "diagnosis": np.asarray(CLASSES)[y],
                "alpha": alpha,
                "coverage": coverage,
                **{f"p_true_{name}": p_true[:, k] for k, name in enumerate(CLASSES)},
            }
        )

    def draw(self, case: Mapping[str, Any], seed: int, size: int) -> Pixels:
        """See `Phantom.draw`, and `hip_image`."""
        return render(case["alpha"], case["coverage"], seed, size)

    def model_file(self, misspecified: bool) -> str:
        """See `Phantom.model_file`: the zoo's `hip`; misspecified: the angle alone."""
        return _MISSPECIFIED if misspecified else (files("labelppl.models") / "hip.py").read_text()

    def _draw(
        self, n: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Diagnoses, rounded angles in degrees and rounded coverages, (cases,) each."""
        y = rng.choice(len(CLASSES), size=n, p=self.prevalence)
        mean, sd = np.radians(self.alpha_mean)[y], np.radians(self.alpha_sd)[y]
        alpha = np.degrees(rng.vonmises(mean, sd**-2))
        cover, concentration = (
            np.asarray(self.coverage_mean)[y],
            np.asarray(self.coverage_concentration)[y],
        )
        coverage = rng.beta(cover * concentration, (1 - cover) * concentration)
        return y, alpha.round(1), coverage.round(3)


def _is_out_of_reach(
    alpha: NDArray[np.float64], coverage: NDArray[np.float64]
) -> NDArray[np.bool_]:
    return (
        (alpha < ALPHA_RANGE[0])
        | (alpha > ALPHA_RANGE[1])
        | (coverage < COVERAGE_RANGE[0])
        | (coverage > COVERAGE_RANGE[1])
    )
