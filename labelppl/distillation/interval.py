"""Measuring the student's 90 % interval on cases that it has not learnt from.

For a held-out case i and class k, the residual l_k(p(Y|Z_i)) - l_k(q(x_i)), l_k the log-odds, says how far the student
was from the soft label. What is known of p(Y|Z_i) takes part too: in place of the one number stand `LEVELS` quantiles of a
normal on the scale of the log-odds, whose 90 % interval is that of the soft label. Of n cases the interval is made of the
quantiles k / (n + 1) and 1 - k / (n + 1) of all residuals, k = floor(.05 (n + 1)): split conformal prediction (Vovk et al.
2005; Lei et al. 2018) with the soft label as the outcome.

Where lambda was chosen by folds, the residuals are those of the students of the folds, at the chosen lambda; with
validation cases they are those of the student itself. The students of folds have seen fewer cases, so that the interval is a
little too wide rather than too narrow. So is it where the picture shows less than the measurements: the spread of p(Y|Z)
around p(Y|X) is counted as the student's error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import logit, ndtri
from torch import nn

from ..arrays import Array
from ..students.interval import LogitInterval
from ..students.logits import log_odds
from ..table import match_ids
from ..training.held import predict_logits

if TYPE_CHECKING:
    from ..softlabels import SoftLabels
    from .prepare import Prepared

OUTSIDE = 0.05
"""On either side of the interval, as of the soft label's own."""
FEWEST_HELD = 19
"""Of fewer cases no order statistic leaves 5 % outside: floor(.05 (n + 1)) is 0."""
NO_INTERVAL = f"fewer than {FEWEST_HELD} held-out cases with a soft label: choose lambda by folds, or add validation cases"
LEVELS = 99
ALMOST_NEVER = 1e-9
"""A soft label of exactly 0 or 1 is taken as this, or 1 less this."""


class LabelOdds(NamedTuple):
    """What is known of the log-odds of p(Y|Z): centre and sd, (cases, classes), NaN where there is no soft label."""

    centre: Array
    sd: Array


def label_odds(labels: SoftLabels, ids: Array) -> LabelOdds:
    """From the ends of the soft labels' 90 % intervals, in the order of `ids`."""
    at = match_ids(ids, labels.ids)
    low, high = (
        logit(np.clip(end[at], ALMOST_NEVER, 1 - ALMOST_NEVER)) for end in (labels.lo, labels.hi)
    )
    centre, sd = (low + high) / 2, (high - low) / (2 * ndtri(1 - OUTSIDE))
    centre[at < 0] = np.nan
    return LabelOdds(centre, sd)


def measure_interval(odds: LabelOdds, student: Array, source: str) -> LogitInterval | None:
    """The interval, or None where fewer than `FEWEST_HELD` cases tell.

    student: log-odds (cases, classes) of the same held-out cases.
    """
    known = np.isfinite(odds.centre).all(1)
    n = int(known.sum())
    if n < FEWEST_HELD:
        return None
    normal = ndtri((np.arange(LEVELS) + 0.5) / LEVELS)[:, None]
    share = np.floor(OUTSIDE * (n + 1)) / (n + 1)
    away = odds.centre[known] - student[known]
    ends = [
        np.quantile(centre + normal * sd, (share, 1 - share), method="inverted_cdf").tolist()
        for centre, sd in zip(away.T, odds.sd[known].T, strict=True)
    ]
    below, above = zip(*ends, strict=True)
    return LogitInterval(below, above, n, source)


def interval_by_validation(network: nn.Module, prepared: Prepared) -> LogitInterval | None:
    """The interval that the validation cases measure on the student itself, None without such cases."""
    held, odds = prepared.held, prepared.data.val_odds
    if held is None or odds is None:
        return None
    device = next(network.parameters()).device
    logits = predict_logits(network, held.source, device).double().cpu()
    return measure_interval(odds, log_odds(logits).numpy(), "validation")


def rows_of(odds: LabelOdds, rows: Array | Sequence[int]) -> LabelOdds:
    """Those of some cases."""
    at = np.asarray(rows, np.int64)
    return LabelOdds(odds.centre[at], odds.sd[at])
