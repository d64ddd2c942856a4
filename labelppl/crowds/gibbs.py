"""Gibbs sampling of raters and true classes together, in time and memory that grow with the votes.

A sweep draws the parameters given the classes (`nested`, `flat`) and the classes given the parameters,

    y_i ~ softmax_k( log pi_k + sum over votes (j, l) of i of log C_j[k, l] ),

where the sum is one product with a sparse table of votes. Labels are averages of these probabilities over the sweeps
(Rao-Blackwell), kept as means of batches; no array of items times draws exists. Half of the chains start from the shares
of votes, half from shares sharpened towards the majority, because crowds can have several modes.

Gate: split R-hat of pi and of what the raters share at most `RHAT_MOST`; the same for at least `SHARE` of the confusion
entries (R-hat means nothing for one that hardly moves); a Monte Carlo standard error of at most `MCSE_MOST` for that share
of the labels. Until it is passed the sweeps so far become warm-up and as many again are made, up to `MOST_SWEEPS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
from scipy.sparse import csr_array

from ..arrays import Floats, Ints
from ..seeds import stream
from .vote_table import VoteTable

CHAINS, WARM_UP, SWEEPS, MOST_SWEEPS = 4, 80, 160, 5120
#: Where a sweep is cheap, with at most `SHARED_VOTES` votes, the first attempt makes so many.
CHEAP_SWEEPS = 320
#: What the raters share moves slowly and costs a pass over the votes: it is drawn so often in a sweep that about
#: `SHARED_VOTES` votes are passed, at most `MOST_TIMES`; where there are more votes, once in every third sweep.
SHARED_VOTES, MOST_TIMES, EVERY = 60_000, 2, 3
#: Batches of a chain's sweeps whose means give the labels' Monte Carlo error.
BATCHES = 10
#: Gate of the methods page; 1.05 rather than 1.01 because every entry is tested, and in few sweeps.
RHAT_MOST, SHARE, MCSE_MOST = 1.05, 0.99, 0.01
#: Draws kept of each chain, and numbers kept of all: 128 MiB.
MOST_KEPT, KEPT_NUMBERS = 250, 2**24
#: Pseudo-votes of the starting shares, and the power to which half of the chains raise them.
START_VOTES, START_POWER = 0.3, 8.0


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

    def draw(self, rng: np.random.Generator, counts: Floats, times: int) -> Self:
        """The next draw of all but the prevalence given counts (raters, classes, answers).

        times: how often what the raters share is drawn.
        """


S = TypeVar("S", bound=ChainState)


@dataclass(frozen=True)
class GibbsRun(Generic[S]):
    """draws: of each chain, thinned. probs, mcse (items, classes): the labels and their Monte Carlo error.

    rhat: of pi and of what raters share, the largest. rhat_entries: below it lies `SHARE` of the confusion entries.
    mcse_labels: below it lies `SHARE` of the labels' errors. sweeps: of each chain, those that count.
    """

    draws: tuple[tuple[S, ...], ...]
    probs: Floats
    mcse: Floats
    rhat: float
    rhat_entries: float
    mcse_labels: float
    sweeps: int

    @property
    def problems(self) -> tuple[str, ...]:
        """What the gate refuses, in words."""
        found = []
        if not self.rhat <= RHAT_MOST:
            found.append(
                f"R-hat of the prevalence or of what the raters share is {self.rhat:.3f}, more than {RHAT_MOST}: the "
                "chains have not met; the votes may allow several readings of the crowd"
            )
        if not self.rhat_entries <= RHAT_MOST:
            found.append(
                f"R-hat of the confusion matrices is {self.rhat_entries:.3f} at the worst {1 - SHARE:.0%}, more than "
                f"{RHAT_MOST}: the chains have not met"
            )
        if not self.mcse_labels <= MCSE_MOST:
            found.append(
                f"the labels' Monte Carlo error is {self.mcse_labels:.3f} at the worst {1 - SHARE:.0%}, more than "
                f"{MCSE_MOST}"
            )
        return tuple(found)


def sample_labels(
    votes: VoteTable,
    start: S,
    *,
    known: Ints | None = None,
    seed: int = 0,
    chains: int = CHAINS,
    sweeps: int | None = None,
    warm_up: int = WARM_UP,
    most_sweeps: int = MOST_SWEEPS,
    progress: Callable[[int, int], None] | None = None,
) -> GibbsRun[S]:
    """Sample the raters and the classes of ``votes``.

    Args:
        votes: The votes; items without any get the prevalence.
        start: The model, as its parameters where chains start.
        known: (items,) codes of classes that are known for certain, -1 elsewhere.
        seed: Each chain has a stream of its own.
        chains: Parallel chains.
        sweeps: Of each chain that count in the first attempt; doubled until the gate is passed. None: `SWEEPS`, or
            `CHEAP_SWEEPS` for few votes.
        warm_up: Sweeps of each chain before those.
        most_sweeps: No attempt counts more than these.
        progress: Called with (sweeps done, sweeps in this attempt).
    """
    sampler = _Sampler(votes, known)
    if sweeps is None:
        sweeps = min(most_sweeps, CHEAP_SWEEPS if len(votes) <= SHARED_VOTES else SWEEPS)
    each = [_Chain(sampler, start, seed, c) for c in range(chains)]
    for chain in each:
        chain.run(warm_up)
    while True:
        numbers = start.confusion.size + start.shared.size
        kept = max(2, min(MOST_KEPT, sweeps, KEPT_NUMBERS // (chains * numbers)))
        trace: _Trace[S] = _Trace(sampler, chains, sweeps, kept)
        for c, chain in enumerate(each):
            chain.run(sweeps, trace, c)
            if progress is not None:
                progress((c + 1) * sweeps, chains * sweeps)
        result = trace.result()
        if not result.problems or 2 * sweeps > most_sweeps:
            return result
        sweeps *= 2


def gibbs_diagnostics(run: GibbsRun[Any]) -> dict[str, float | int | str]:
    """What the gate saw."""
    return {
        "rhat": run.rhat,
        "rhat_entries": run.rhat_entries,
        "mcse_labels": run.mcse_labels,
        "chains": len(run.draws),
        "sweeps": run.sweeps,
    }


class _Sampler:
    """The votes as sparse tables, shared by all chains."""

    def __init__(self, votes: VoteTable, known: Ints | None) -> None:
        self.votes = votes
        self.items, self.raters, self.classes = map(len, (votes.items, votes.raters, votes.classes))
        shape = self.items, self.raters * self.classes
        ones = np.ones(len(votes))
        self.cast = csr_array((ones, (votes.item, votes.rater * self.classes + votes.label)), shape)
        self.known = np.full(self.items, -1) if known is None else known
        self.certain = np.flatnonzero(self.known >= 0)

    def label_probs(self, state: ChainState) -> Floats:
        """p(y | votes, parameters) (items, classes), one-hot where the class is known."""
        k = self.classes
        table = np.log(state.confusion).transpose(0, 2, 1).reshape(-1, k)
        logits = np.log(state.prevalence) + self.cast @ table
        logits -= logits.max(1, keepdims=True)
        probs = np.exp(logits)
        probs /= probs.sum(1, keepdims=True)
        probs[self.certain] = np.eye(k)[self.known[self.certain]]
        return np.asarray(probs)

    def counts(self, y: Ints) -> Floats:
        """Votes (raters, classes, answers) when the items' classes are ``y`` (items,)."""
        k, votes = self.classes, self.votes
        at = (votes.rater * k + y[votes.item]) * k + votes.label
        return np.bincount(at, minlength=self.raters * k * k).reshape(-1, k, k).astype(np.float64)

    def start_probs(self, power: float) -> Floats:
        """Shares of votes raised to ``power``; unnormalised."""
        counts = self.votes.counts() + START_VOTES
        probs = (counts / counts.sum(1, keepdims=True)) ** power
        probs[self.certain] = np.eye(self.classes)[self.known[self.certain]]
        return probs


class _Chain(Generic[S]):
    """One chain: its random numbers, its parameters and its classes."""

    def __init__(self, sampler: _Sampler, start: S, seed: int, number: int) -> None:
        self.sampler, self.state, self.done = sampler, start, 0
        self.rng = stream(seed, "gibbs", number).numpy()
        self.y = _pick(self.rng, sampler.start_probs(START_POWER if number % 2 else 1.0))

    def run(self, sweeps: int, trace: _Trace[S] | None = None, number: int = 0) -> None:
        k = self.sampler.classes
        for sweep in range(sweeps):
            counts = self.sampler.counts(self.y)
            state = self.state.draw(self.rng, counts, self._times())
            pi = self.rng.dirichlet(1.0 + np.bincount(self.y, minlength=k))
            self.state = replace(state, prevalence=np.maximum(pi, 1e-300))  # type: ignore[type-var]
            probs = self.sampler.label_probs(self.state)
            self.y = _pick(self.rng, probs)
            self.done += 1
            if trace is not None:
                trace.add(number, sweep, self.state, probs)

    def _times(self) -> int:
        """How often this sweep draws what the raters share."""
        times = SHARED_VOTES // max(1, len(self.sampler.votes))
        return min(times, MOST_TIMES) if times else int(self.done % EVERY == 0)


class _Trace(Generic[S]):
    """What is kept of the sweeps that count: means by batch, moments by half, some draws."""

    def __init__(self, sampler: _Sampler, chains: int, sweeps: int, kept: int) -> None:
        self.chains, self.sweeps, self.kept = chains, sweeps, kept
        size = sampler.items, sampler.classes
        self.batch, self.mean, self.squares = np.zeros(size), np.zeros(size), np.zeros(size)
        self.batches = self.in_batch = 0
        self.draws: list[list[S]] = [[] for _ in range(chains)]
        self.totals: list[list[Floats]] = []
        self.shared = self.entries = 0

    def add(self, chain: int, sweep: int, state: S, probs: Floats) -> None:
        half = 2 * chain + (2 * sweep >= self.sweeps)
        vector = np.concatenate([state.prevalence, state.shared, state.confusion.ravel()])
        self.shared = len(state.prevalence) + len(state.shared)
        if half == len(self.totals):
            self.totals.append([np.zeros_like(vector), np.zeros_like(vector), vector])
        total, squares, origin = self.totals[half]
        total += vector - origin
        squares += (vector - origin) ** 2
        if (sweep + 1) * self.kept // self.sweeps > sweep * self.kept // self.sweeps:
            self.draws[chain].append(state)
        self.batch += probs
        self.in_batch += 1
        if (sweep + 1) * BATCHES // self.sweeps > sweep * BATCHES // self.sweeps:
            self.batches += 1
            apart = self.batch / self.in_batch - self.mean
            self.mean += apart / self.batches
            self.squares += apart * (self.batch / self.in_batch - self.mean)
            self.batch[:] = 0
            self.in_batch = 0

    def result(self) -> GibbsRun[S]:
        n = self.sweeps / 2
        means = np.stack([origin + total / n for total, _, origin in self.totals])
        inside = np.stack([(squares - total**2 / n) / (n - 1) for total, squares, _ in self.totals])
        within = np.maximum(inside.mean(0), 1e-300)
        rhat = np.sqrt((n - 1) / n + means.var(0, ddof=1) / within)
        mcse = np.sqrt(self.squares / (self.batches - 1) / self.batches)
        return GibbsRun(
            draws=tuple(tuple(chain) for chain in self.draws),
            probs=self.mean / self.mean.sum(1, keepdims=True),
            mcse=mcse,
            rhat=float(rhat[: self.shared].max()),
            rhat_entries=float(np.quantile(rhat[self.shared :], SHARE)),
            mcse_labels=float(np.quantile(mcse, SHARE)),
            sweeps=self.sweeps,
        )


def _pick(rng: np.random.Generator, probs: Floats) -> Ints:
    """One class per row of unnormalised probabilities (items, classes)."""
    cumulative = probs.cumsum(1)
    drawn: Ints = (cumulative < rng.random((len(probs), 1)) * cumulative[:, -1:]).sum(1)
    return drawn
