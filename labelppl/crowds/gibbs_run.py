"""What is kept of the sweeps of a Gibbs sampler of votes, and what its gate makes of them.

The sweeps of each chain that count are split into two halves. Kept are the mean of the label probabilities of each half, two
moments of each parameter in each half, and some draws; no array of items times draws exists.

Gate: split R-hat of pi at most `RHAT_MOST`, of what the raters share at most `RHAT_SHARED`; of at least `SHARE` of the
confusion entries at most `RHAT_MOST` (R-hat means nothing for one that hardly moves); and for that share of the labels a Monte Carlo standard error of at
most `MCSE_MOST`, or at least `LEAST_EFFECTIVE` effective draws. That error is taken from how far the halves' means lie apart, so
that chains that disagree count as an error of the labels. Source: Gelman et al., Bayesian Data Analysis (2013), sections
11.4 and 11.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np

from ..arrays import Floats

#: Gate of the methods page; 1.05 rather than 1.01 because every entry is tested, and in few sweeps. What the raters share are
#: many numbers, of which the largest R-hat counts and on which no label depends but through the confusion entries: 1.1.
RHAT_SHARED = 1.1
RHAT_MOST, SHARE, MCSE_MOST = 1.05, 0.99, 0.01
#: Effective draws (sd / error)^2 of a label that is itself uncertain: five for each half of four chains.
LEAST_EFFECTIVE = 40


class Pace(NamedTuple):
    """How much of a sweep goes to what the raters share: so many ``times`` it is drawn, each with so many ``steps`` of random walks."""

    times: int
    steps: int


class ChainState(Protocol):
    """Parameters of a crowd at one draw."""

    @property
    def prevalence(self) -> Floats:
        """(classes,)"""

    @property
    def confusion(self) -> Floats:
        """(raters, classes, answers)"""

    @property
    def shared(self) -> Floats:
        """What the raters share, as one vector."""

    def draw(self, rng: np.random.Generator, counts: Floats, pace: Pace) -> Self:
        """The next draw of all but the prevalence given counts (raters, classes, answers).

        pace: how often what the raters share is drawn.
        """


S = TypeVar("S", bound=ChainState)


@dataclass(frozen=True)
class GibbsRun(Generic[S]):
    """draws: of each chain, thinned. probs, mcse (items, classes): the labels and their Monte Carlo error.

    rhat, rhat_shared: of pi and of what the raters share, the largest. rhat_entries: below it lies `SHARE` of the confusion entries.
    mcse_labels: below it lies `SHARE` of the labels' errors. excess_labels: the same of each label's error relative to what the
    gate lets pass. sweeps: of each chain, those that count.
    """

    draws: tuple[tuple[S, ...], ...]
    probs: Floats
    mcse: Floats
    rhat: float
    rhat_shared: float
    rhat_entries: float
    mcse_labels: float
    excess_labels: float
    sweeps: int

    @property
    def problems(self) -> tuple[str, ...]:
        """What the gate refuses, in words."""
        refused = []
        if not self.rhat <= RHAT_MOST:
            refused.append(
                f"R-hat of the prevalence is {self.rhat:.3f}, more than {RHAT_MOST}: the chains have not met; the votes may "
                "allow several readings of the crowd"
            )
        if not self.rhat_shared <= RHAT_SHARED:
            refused.append(
                f"R-hat of what the raters share is {self.rhat_shared:.3f}, more than {RHAT_SHARED}: the chains have not met"
            )
        if not self.rhat_entries <= RHAT_MOST:
            refused.append(
                f"R-hat of the confusion matrices is {self.rhat_entries:.3f} at the worst {1 - SHARE:.0%}, more than "
                f"{RHAT_MOST}: the chains have not met"
            )
        if not self.excess_labels <= 1:
            refused.append(
                f"the labels' Monte Carlo error is {self.mcse_labels:.3f} at the worst {1 - SHARE:.0%}, more than "
                f"{MCSE_MOST}, with fewer than {LEAST_EFFECTIVE} effective draws"
            )
        return tuple(refused)

    @property
    def sweeps_short(self) -> float:
        """How many times as many sweeps the gate asks for, by what the error and R-hat are now; they fall like 1 / sweeps."""
        short = [
            (rhat**2 - 1) / (limit**2 - 1)
            for rhat, limit in (
                (self.rhat, RHAT_MOST),
                (self.rhat_shared, RHAT_SHARED),
                (self.rhat_entries, RHAT_MOST),
            )
        ]
        return max(*short, self.excess_labels**2)

    @property
    def diagnostics(self) -> dict[str, float | int | str]:
        """What the gate saw."""
        return {
            "rhat": self.rhat,
            "rhat_shared": self.rhat_shared,
            "rhat_entries": self.rhat_entries,
            "mcse_labels": self.mcse_labels,
            "chains": len(self.draws),
            "sweeps": self.sweeps,
        }


class ChainTrace(Generic[S]):
    """What is kept of one chain: of each half the labels' mean and the parameters' moments, and some draws."""

    def __init__(self, items: int, classes: int, sweeps: int, kept: int) -> None:
        self.sweeps, self.kept = sweeps, kept
        self.labels, self.squares = np.zeros((2, items, classes)), np.zeros((items, classes))
        self.draws: list[S] = []
        self.moments: list[RunningMoments] = []
        self.classes, self.shared = classes, 0

    def add(self, sweep: int, state: S, probs: Floats) -> None:
        """One sweep: its number, its parameters and p(y | votes, parameters) (items, classes)."""
        half = int(2 * sweep >= self.sweeps)
        vector = np.concatenate([state.prevalence, state.shared, state.confusion.ravel()])
        self.shared = len(state.shared)
        if half == len(self.moments):
            self.moments.append(RunningMoments(vector))
        self.moments[half].add(vector)
        self.labels[half] += probs
        self.squares += probs**2
        if (sweep + 1) * self.kept // self.sweeps > sweep * self.kept // self.sweeps:
            self.draws.append(state)


class RunningMoments:
    """Mean and variance of a vector, sum by sum, about its first value."""

    def __init__(self, origin: Floats) -> None:
        self.origin, self.number = origin, 0
        self.total, self.squares = np.zeros_like(origin), np.zeros_like(origin)

    def add(self, vector: Floats) -> None:
        """One more value."""
        apart = vector - self.origin
        self.number += 1
        self.total += apart
        apart *= apart
        self.squares += apart

    @property
    def mean(self) -> Floats:
        """Of the values so far."""
        return np.asarray(self.origin + self.total / self.number)

    @property
    def variance(self) -> Floats:
        """Of the values so far, with n - 1."""
        n = self.number
        return np.asarray((self.squares - self.total**2 / n) / (n - 1))


def gather(traces: Sequence[ChainTrace[Any]]) -> GibbsRun[Any]:
    """The run of all chains."""
    halves = [moments for trace in traces for moments in trace.moments]
    n = np.mean([half.number for half in halves])
    within = np.maximum(np.mean([half.variance for half in halves], 0), 1e-300)
    between = np.var([half.mean for half in halves], 0, ddof=1)
    rhat = np.sqrt((n - 1) / n + between / within)
    of_pi, of_shared, of_entries = np.split(rhat, np.cumsum([traces[0].classes, traces[0].shared]))
    # Sums over the halves, one chain after the other: nothing of all chains is copied.
    probs = sum(trace.labels.sum(0) for trace in traces)
    number = float(probs[0].sum())
    probs = probs / number
    variance = sum(trace.squares for trace in traces) / number - probs**2
    spread = np.zeros_like(probs)
    for trace in traces:
        for half in trace.labels:
            spread += (half / half[0].sum() - probs) ** 2
    mcse = np.sqrt(spread / (len(halves) - 1) / len(halves))
    enough = np.maximum(np.sqrt(np.maximum(variance, 0) / LEAST_EFFECTIVE), MCSE_MOST)
    return GibbsRun(
        draws=tuple(tuple(trace.draws) for trace in traces),
        probs=probs,
        mcse=mcse,
        rhat=float(of_pi.max()),
        rhat_shared=float(of_shared.max(initial=1.0)),
        rhat_entries=float(np.quantile(of_entries, SHARE)),
        mcse_labels=float(np.quantile(mcse, SHARE)),
        excess_labels=float(np.quantile(mcse / enough, SHARE)),
        sweeps=traces[0].sweeps,
    )
