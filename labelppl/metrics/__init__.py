"""How good and how well calibrated predictions are, with honest intervals.

`evaluate` measures a student on cases, `evaluate_probs` a set of probabilities; both return
`Metrics`. Each quantity stands alone in its own module under its own name (`ece.ece`,
`reliability.reliability`, `temperature.fit_temperature`, …). Nothing here needs Pyro.
"""

from .evaluate import evaluate
from .evaluate_probs import evaluate_probs
from .metrics import Metrics
from .null_band import NullBand, null_band
from .reliability import Reliability

__all__ = ["Metrics", "NullBand", "Reliability", "evaluate", "evaluate_probs", "null_band"]
