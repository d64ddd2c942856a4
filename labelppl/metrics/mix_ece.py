"""MIX-ECE: a replica of the calibration error that paper 1 appears to have printed.

    MIX = Σ_b n_b/n |mean p_b − mean 1{(p > ½) = y}_b|,   p = Pr(second class), equal-width bins

It bins the probability of the second class but compares it with the fraction *predicted correctly*.
That is not a calibration error: perfectly calibrated predictions score about accuracy − prevalence,
and saturated ones about ½ whatever they are worth. It exists so that the paper's Table 1 can be set
beside numbers of the same kind. Never compare it with `ece`, and never select a model by it.
Evidence: inferred from the published table (Vega et al. 2021), not stated there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError
from ..probabilities import hard_pair
from .bootstrap import each_once
from .ece import ece_replicates
from .metric import Metric


def mix_ece_replica(probs: ArrayLike, labels: ArrayLike, *, bins: int = 10) -> float:
    """Return the replica for `probs` (cases, 2) against `labels` (cases,).

    Raises InputError for more than two classes or an invalid or unlabelled row.
    """
    p, y = hard_pair(probs, labels)
    if p.shape[1] != 2:
        raise InputError(
            f"probs: got {p.shape[1]} classes, expected 2; the replica is defined for one sigmoid"
        )
    right = np.asarray((p[:, 1] > 0.5) == (y == 1), dtype=np.float64)
    return float(ece_replicates(p[:, 1:], right[:, None], each_once(len(p)), bins=bins).item())


MIX_ECE = Metric(
    "mix_ece",
    "Calibration error as paper 1 prints it",
    "replica of a published number that is not a calibration error; only to compare with that table",
    "none",
    needs=("labels", "two classes"),
    value=lambda scored: mix_ece_replica(scored.probs, scored.labels, bins=scored.settings.bins),
    interval=None,
    asked=True,
)
