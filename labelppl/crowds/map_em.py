"""The most probable prevalence and confusion matrices of Dawid and Skene's model, by EM from several starts, checked.

EM climbs to the nearest mode. It is started from the shares of votes and from `STARTS` others, drawn around them; the best
counts. Checked: the best mode was reached at least twice.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import Floats, Ints
from ..errors import FailedWork
from ..seeds import stream
from .confusion_em import DawidSkeneFit, dawid_skene_em
from .vote_shares import vote_shares
from .vote_table import VoteTable

#: Starts besides the shares of votes; Dirichlet weight of the shares in them.
STARTS, START_WEIGHT = 5, 4.0
#: Log probability by which two starts may differ and still have reached one mode.
SAME_MODE = 1e-3


class CheckedFit(NamedTuple):
    """fit: the best. reached: how many of ``starts`` reached it. problems: why it must not be trusted."""

    fit: DawidSkeneFit
    reached: int
    starts: int
    problems: tuple[str, ...]


def map_em(
    votes: VoteTable, prior: Floats, known: Ints | None = None, *, seed: int = 0
) -> CheckedFit:
    """Maximum a posteriori under Dirichlet(prior) rows (classes, answers) and a uniform prevalence.

    known: (items,) codes of known classes, -1 elsewhere. Raises FailedWork if no start settles.
    """
    shares = np.nan_to_num(vote_shares(votes.counts()), nan=1 / len(votes.classes))
    fits: list[tuple[float, DawidSkeneFit]] = []
    failed = ""
    for number in range(1 + STARTS):
        start = shares
        if number:
            drawn = stream(seed, "em", number).numpy().standard_gamma(0.5 + START_WEIGHT * shares)
            start = drawn / drawn.sum(1, keepdims=True)
        try:
            fit = dawid_skene_em(votes, prior - 1, 0.0, start=start, known=known)
        except FailedWork as error:
            failed = str(error)
            continue
        fits.append((fit.log_posterior, fit))
    if not fits:
        raise FailedWork(failed)
    best, fit = max(fits, key=lambda pair: pair[0])
    reached = sum(abs(value - best) <= SAME_MODE * (1 + abs(best) / 1000) for value, _ in fits)
    problems = []
    if reached < 2:
        problems.append(
            f"only 1 of {1 + STARTS} starts of EM reached the best mode: there may be a better one"
        )
    return CheckedFit(fit, reached, 1 + STARTS, tuple(problems))
