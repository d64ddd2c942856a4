"""What accuracy and AUC on these very cases may be, when their labels are known as p(Y|Z) only.

    s ~ posterior draws of the label model,  y_i ~ Categorical(p_s(Y|Z_i)),  metric(y)

One draw of the parameters serves all cases, since it moves their labels together. The spread of the
metric over draws is its posterior; the cases themselves are not resampled, since the question is about
these cases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..arrays import Floats, Ints
from ..seeds import stream
from .accuracy import correct_per_case
from .auc import auc_replicates
from .bootstrap import Interval, each_once, percentile_interval
from .intervals import Estimate, Rule
from .metric import Metric
from .null_band import draw_labels
from .scored import Scored

REALISED_DRAWS = 500


def over_labellings(scored: Scored, key: str, of: Callable[[Floats, Ints], float]) -> Floats:
    """Return the metric `of` of every drawn labelling (draws,), NaN where one does not define it."""
    draws = scored.require("draws")
    rng = stream(scored.settings.seed, "realised", key).numpy()
    values = np.empty(REALISED_DRAWS)
    for number in range(REALISED_DRAWS):
        labels = draw_labels(draws[number % len(draws)], 1, rng)[0]
        values[number] = of(scored.probs, labels)
    return values


def _listed(key: str, name: str, meaning: str, of: Callable[[Floats, Ints], float]) -> Metric:
    def posterior(scored: Scored) -> Floats:
        return over_labellings(scored, key, of)

    def ends(estimate: Estimate, scored: Sequence[Scored]) -> Interval:
        return percentile_interval(np.mean([some.once(posterior) for some in scored], axis=0))

    def value(scored: Scored) -> float | None:
        values = scored.once(posterior)
        return float(np.nanmean(values)) if np.isfinite(values).any() else None

    return Metric(
        key, name, meaning, "up",
        needs=("draws",), value=value, interval=Rule(ends, alone=True),
    )  # fmt: skip


REALISED = (
    _listed(
        "realised_accuracy",
        "Accuracy on these cases",
        "posterior of the accuracy on these very cases, their labels drawn from the label model",
        lambda probs, labels: float(correct_per_case(probs, labels).mean()),
    ),
    _listed(
        "realised_auc",
        "AUC on these cases",
        "posterior of the AUC on these very cases, their labels drawn from the label model",
        # The definition of `auc`, without scikit-learn's checks of every one of the drawn labellings.
        lambda probs, labels: float(auc_replicates(probs, labels, each_once(len(probs))).item()),
    ),
)
