"""The record of a calibration check: ranks, residuals, and what is wrong with them in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import ttest_1samp

from ..arrays import Array
from ..errors import InputError
from ..runs import read_json, write_json
from ..seeds import stream
from .sbc_bands import fractional_ranks, p_values
from .sbc_pooled import Pooled, pooled_spread

#: Probability of a false alarm of all quantities and tests together, and of the pooled test beside them.
ALARM = 0.01
#: Fewer simulations than this cannot tell anything.
LEAST_SIMULATIONS = 20


@dataclass(frozen=True)
class Sbc:
    """What simulation-based calibration found.

    ranks: (simulations, quantities) of the true value among ``draws`` posterior draws, 0 to draws, with ``quantities`` their
    names, the first ``parameters`` of them coordinates. scores: (simulations, draws + 1) sums of squared normal scores of all parameters, of the truth first and then of
    every draw in its place. residuals: (simulations, tests) means over cases of what must be zero on average, with ``tests`` their names.
    refused: why fits were set aside, one line each.
    """

    model: str
    engine: str
    quantities: tuple[str, ...]
    ranks: Array
    scores: Array
    parameters: int
    draws: int
    tests: tuple[str, ...]
    residuals: Array
    refused: tuple[str, ...]
    seed: int

    @property
    def passed(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.problems

    @property
    def limit(self) -> float:
        """The p-value below which a single quantity or test fails, so that all together alarm falsely in 1 % of checks."""
        return ALARM / (len(self.quantities) + len(self.tests))

    @cached_property
    def pooled(self) -> Pooled:
        """The spread of all parameters together: p-value, and the smallest fault that could have been found."""
        return pooled_spread(self.scores, self.uniform[:, : self.parameters], self.seed)

    @property
    def detectable(self) -> str:
        """The smallest fault that so many simulations could have found, in words."""
        if not 0 < self.pooled.detectable < 1:
            return "nothing found"
        return (
            f"nothing found; a posterior {1 - self.pooled.detectable:.0%} too narrow in all its parameters would have been "
            "found four times in five"
        )

    @cached_property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, in words; empty if the check was passed."""
        faults = []
        asked = len(self.ranks) + len(self.refused)
        if len(self.ranks) < max(LEAST_SIMULATIONS, asked / 2):
            faults.append(
                f"only {len(self.ranks)} of {asked} simulated data sets could be fitted ({self.refused[0]})"
            )
        if self.pooled.p < ALARM:
            faults.append(
                f"all parameters together: {self.pooled.finding} (p = {self.pooled.p:.1g})"
            )
        frame = self.to_frame()
        for row in frame[~frame["passed"]].itertuples():
            faults.append(f"{row.name}: {row.finding} (p = {row.p:.1g})")
        return tuple(faults)

    @cached_property
    def uniform(self) -> Array:
        """The ranks as values in (0, 1), (simulations, quantities), uniform if the posterior is right."""
        return fractional_ranks(
            self.ranks, self.draws, stream(self.seed, "fractional ranks").numpy()
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per quantity and test: name, kind, mean, p, passed, finding.

        mean: of the ranks as fractions (.5 if right), or of the residuals (0 if right).
        """
        columns = ["name", "kind", "mean", "p", "passed", "finding"]
        if not len(self.ranks):
            return pd.DataFrame([], columns=columns).astype({"passed": bool})
        rows: list[tuple[str, str, float, float, bool, str]] = []
        for name, u, p in zip(self.quantities, self.uniform.T, p_values(self.uniform), strict=True):
            wrong = p < self.limit
            rows.append((name, "ranks", u.mean(), p, not wrong, _shape(u) if wrong else ""))
        for name, r in zip(self.tests, self.residuals.T, strict=True):
            p = float(ttest_1samp(r, 0.0).pvalue) if np.ptp(r) else float(r[0] == 0)
            wrong = p < self.limit
            rows.append(
                (name, "labels", r.mean(), p, not wrong, _direction(name, r) if wrong else "")
            )
        return pd.DataFrame(rows, columns=columns)

    def save(self, path: str | Path) -> None:
        """Write the record as JSON."""
        content = {
            **{name: getattr(self, name) for name in ("model", "engine", "draws", "seed")},
            **{name: list(getattr(self, name)) for name in ("quantities", "tests", "refused")},
            "ranks": self.ranks.tolist(),
            "scores": np.round(self.scores, 6).tolist(),
            "parameters": self.parameters,
            "pooled_p": self.pooled.p,
            "detectable_sd_ratio": self.pooled.detectable,
            "residuals": self.residuals.tolist(),
            "passed": self.passed,
            "problems": list(self.problems),
        }
        write_json(Path(path), content)

    @staticmethod
    def load(path: str | Path) -> Sbc:
        """The record saved at ``path``; InputError if there is none."""
        read = read_json(Path(path))
        if "ranks" not in read:
            raise InputError(f"{path}: no calibration check; run labelppl check --sbc")
        return Sbc(
            model=read["model"],
            engine=read["engine"],
            quantities=tuple(read["quantities"]),
            ranks=by_columns(read["ranks"], len(read["quantities"])).astype(np.int64),
            scores=by_columns(read["scores"], read["draws"] + 1),
            parameters=read["parameters"],
            draws=read["draws"],
            tests=tuple(read["tests"]),
            residuals=by_columns(read["residuals"], len(read["tests"])),
            refused=tuple(read["refused"]),
            seed=read["seed"],
        )

    def plot(self, path: str | Path) -> None:
        """Draw the distribution functions of the ranks with their bands, and the residuals, as PNG, PDF or SVG."""
        from .sbc_figure import draw

        draw(self, Path(path))


def by_columns(rows: Sequence[Sequence[float] | Array], columns: int) -> Array:
    """Rows of numbers as an array (rows, columns), also where there are none."""
    return np.array(rows, dtype=np.float64).reshape(len(rows), columns)


def _shape(u: Array) -> str:
    """What the ranks' distribution says about the posterior."""
    mean, spread = u.mean(), u.var()
    sure = 3 / np.sqrt(12 * len(u))
    if abs(mean - 0.5) > sure:
        return f"the posterior lies too {'low' if mean > 0.5 else 'high'}"
    if abs(spread * 12 - 1) > 3 * np.sqrt(0.8 / len(u)):
        return f"the posterior is too {'narrow' if spread * 12 > 1 else 'wide'}"
    return "the ranks are not uniform"


def _direction(name: str, residual: Array) -> str:
    if name.endswith("sharpness"):
        if residual.mean() > 0:
            return "given labels agree with soft labels more than these claim: has a case's own label leaked in?"
        return "soft labels claim more than they know"
    return f"the soft labels are too {'low' if residual.mean() > 0 else 'high'} on average"
