"""Gibbs sampling of raters and true classes together, in time and memory that grow with the votes.

A sweep draws the parameters given the classes (`nested`, `flat`) and the classes given the parameters,

    y_i ~ softmax_k( log pi_k + sum over votes (j, l) of i of log C_j[k, l] ),

where the sum is one product with a sparse table of votes, in which votes of raters who repeat each other have a weight below
1; the parameters are drawn from all votes in full. Labels are averages of these probabilities over the sweeps
(Rao-Blackwell). Half of the chains start from the shares of votes, half from shares sharpened towards the majority, because
crowds can have several modes. Until the gate (`gibbs_run`) is passed, the sweeps so far become warm-up and twice as many or
more are made, as the gate asks, up to `MOST_SWEEPS`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from threading import Event
from typing import Generic

import numpy as np
from scipy.sparse import csr_array

from ..arrays import Floats, Ints
from ..seeds import stream
from .gibbs_run import ChainState, ChainTrace, GibbsRun, Pace, S, gather
from .vote_table import VoteTable

CHAINS, WARM_UP, SWEEPS, MOST_SWEEPS = 4, 80, 160, 5120
#: Where a sweep is cheap, with at most `CHEAP_VOTES` votes, the first attempt makes so many.
CHEAP_SWEEPS, CHEAP_VOTES = 320, 60_000
#: What the raters share moves slowly and costs a pass over the votes: it is drawn so often in a sweep that about
#: `SHARED_VOTES` votes are passed, at most `MOST_TIMES`; where there are more votes, once in `EVERY` sweeps. Steps of random
#: walks, which cost less, come to `STEPS` a sweep all the same.
SHARED_VOTES, MOST_TIMES, EVERY, STEPS = 10_000, 2, 4, 2
#: An attempt has at most so many times the sweeps of the one before, and so much more than the gate asks for.
MOST_GROWTH, MARGIN = 16, 1.2
#: Draws kept of each chain, and numbers kept of all: 128 MiB.
MOST_KEPT, KEPT_NUMBERS = 250, 2**24
#: Pseudo-votes of the starting shares, and the power to which half of the chains raise them.
START_VOTES, START_POWER = 0.3, 8.0


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
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> GibbsRun[S]:
    """Sample the raters and the classes of ``votes``.

    Args:
        votes: The votes; items without any get the prevalence.
        start: The model, as its parameters where chains start.
        known: (items,) codes of classes that are known for certain, -1 elsewhere.
        seed: Each chain has a stream of its own.
        chains: Parallel chains.
        sweeps: Of each chain that count in the first attempt; at least doubled until the gate is passed. None: `SWEEPS`, or
            `CHEAP_SWEEPS` for few votes.
        warm_up: Sweeps of each chain before those.
        most_sweeps: No attempt counts more than these.
        threads: Chains that run at the same time; the draws do not depend on it.
        progress: Called with (sweeps done, sweeps in this attempt).
    """
    sampler = _Sampler(votes, known)
    if sweeps is None:
        sweeps = min(most_sweeps, CHEAP_SWEEPS if len(votes) <= CHEAP_VOTES else SWEEPS)
    each = [_Chain(sampler, start, seed, c) for c in range(chains)]
    _run_all(each, warm_up, None, threads, None)
    while True:
        numbers = start.confusion.size + start.shared.size
        kept = max(2, min(MOST_KEPT, sweeps, KEPT_NUMBERS // (chains * numbers)))
        traces: list[ChainTrace[S]] = [
            ChainTrace(sampler.items, sampler.classes, sweeps, kept) for _ in each
        ]
        _run_all(each, sweeps, traces, threads, progress)
        result: GibbsRun[S] = gather(traces)
        if not result.problems or sweeps >= most_sweeps:
            return result
        growth = min(max(2.0, MARGIN * result.sweeps_short), MOST_GROWTH)
        sweeps = min(int(growth * sweeps), most_sweeps)


class _Sampler:
    """The votes as sparse tables, shared by all chains."""

    def __init__(self, votes: VoteTable, known: Ints | None) -> None:
        self.votes = votes
        self.items, self.raters, self.classes = map(len, (votes.items, votes.raters, votes.classes))
        shape = self.items, self.raters * self.classes
        weight = np.ones(len(votes)) if votes.weight is None else votes.weight
        self.cast = csr_array(
            (weight, (votes.item, votes.rater * self.classes + votes.label)), shape
        )
        self.known = np.full(self.items, -1) if known is None else known
        self.certain = np.flatnonzero(self.known >= 0)
        self.cell = votes.rater * self.classes**2 + votes.label

    def label_probs(self, state: ChainState) -> Floats:
        """p(y | votes, parameters) (items, classes), one-hot where the class is known."""
        k = self.classes
        table = np.log(state.confusion).transpose(0, 2, 1).reshape(-1, k)
        probs: Floats = self.cast @ table
        probs += np.log(state.prevalence)
        probs -= probs.max(1, keepdims=True)
        np.exp(probs, out=probs)
        probs /= probs.sum(1, keepdims=True)
        probs[self.certain] = np.eye(k)[self.known[self.certain]]
        return probs

    def counts(self, y: Ints) -> Floats:
        """Votes (raters, classes, answers) when the items' classes are ``y`` (items,)."""
        k = self.classes
        at = self.cell + (k * y)[self.votes.item]
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

    def run(self, sweeps: int, trace: ChainTrace[S] | None, stop: Event) -> None:
        """So many sweeps, or fewer if ``stop`` is set."""
        k = self.sampler.classes
        for sweep in range(sweeps):
            if stop.is_set():
                return
            counts = self.sampler.counts(self.y)
            state = self.state.draw(self.rng, counts, self._pace())
            pi = self.rng.dirichlet(1.0 + np.bincount(self.y, minlength=k))
            self.state = replace(state, prevalence=np.maximum(pi, 1e-300))  # type: ignore[type-var]
            probs = self.sampler.label_probs(self.state)
            self.y = _pick(self.rng, probs)
            self.done += 1
            if trace is not None:
                trace.add(sweep, self.state, probs)

    def _pace(self) -> Pace:
        """How often this sweep draws what the raters share."""
        times = SHARED_VOTES // max(1, len(self.sampler.votes))
        if times:
            times = min(times, MOST_TIMES)
            return Pace(times, STEPS // times)
        return Pace(int(self.done % EVERY == 0), STEPS * EVERY)


def _run_all(
    chains: list[_Chain[S]],
    sweeps: int,
    traces: list[ChainTrace[S]] | None,
    threads: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Run every chain ``sweeps`` sweeps further, ``threads`` at a time."""
    stop = Event()
    of = [None] * len(chains) if traces is None else traces
    with ThreadPoolExecutor(min(threads, len(chains))) as pool:
        try:
            jobs = [
                pool.submit(partial(chain.run, sweeps, trace, stop))
                for chain, trace in zip(chains, of, strict=True)
            ]
            for number, job in enumerate(jobs, 1):
                job.result()
                if progress is not None:
                    progress(number * sweeps, len(chains) * sweeps)
        finally:
            # Whatever ends the wait, an interrupt too, ends the chains.
            stop.set()


def _pick(rng: np.random.Generator, probs: Floats) -> Ints:
    """One class per row of unnormalised probabilities (items, classes)."""
    cumulative = probs.cumsum(1)
    drawn: Ints = (cumulative < rng.random((len(probs), 1)) * cumulative[:, -1:]).sum(1)
    return drawn
