"""How good and how well calibrated predictions are, with honest intervals.

`evaluate` measures a student on cases, `evaluate_probs` a set of probabilities; both return
`Metrics`. Each quantity stands alone in its own module under its own name (`ece.ece`,
`auc.auc`, …), declares itself as a `Metric`, and `METRICS` lists them all. Nothing here needs Pyro.
"""

from .curves import curves
from .evaluate import evaluate
from .evaluate_probs import evaluate_probs
from .listed import METRICS
from .metric import Metric
from .metrics import Metrics
from .null_band import NullBand, null_band
from .reliability import Reliability, reliability
from .scored import Scored
from .threshold import OperatingPoint, ThresholdRule

__all__ = [
    "METRICS",
    "Metric",
    "Metrics",
    "NullBand",
    "OperatingPoint",
    "Reliability",
    "Scored",
    "ThresholdRule",
    "curves",
    "evaluate",
    "evaluate_probs",
    "null_band",
    "reliability",
]
