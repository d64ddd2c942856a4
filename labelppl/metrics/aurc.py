"""Risk–coverage area of a student: how wrong it is on the cases it is most sure of.

The area itself stands in `calibration.risk_coverage`; confidence is the largest probability, an error a
prediction that is not the label.
"""

from __future__ import annotations

from ..arrays import Floats
from ..calibration.risk_coverage import aurc, aurc_replicates, excess_aurc
from .accuracy import correct_per_case
from .metric import Metric
from .scored import Scored


def _of(scored: Scored) -> tuple[Floats, Floats]:
    return scored.probs.max(axis=1), 1 - correct_per_case(scored.probs, scored.labels)


def _excess(scored: Scored, weights: Floats) -> Floats:
    confidence, errors = _of(scored)
    return aurc_replicates(confidence, errors, weights) - aurc_replicates(-errors, errors, weights)


AURC = Metric(
    "aurc",
    "Risk–coverage area",
    "mean error among the most confident cases, over all coverages; lower is better",
    "down",
    needs=("labels",),
    value=lambda scored: aurc(*_of(scored)),
    replicates=lambda scored, weights: aurc_replicates(*_of(scored), weights),
)
AURC_EXCESS = Metric(
    "aurc_excess",
    "Risk–coverage area lost",
    "that area less the one of an order that puts every error last",
    "down",
    needs=("labels",),
    value=lambda scored: excess_aurc(*_of(scored)),
    replicates=_excess,
    detail=True,
)
