"""Every metric of the list: a replicate is the metric of the cases that it drew, repeated as often as drawn."""

import numpy as np
import pytest

from labelppl.metrics import METRICS, OperatingPoint
from labelppl.metrics.metric import Metric
from labelppl.metrics.scored import Scored, Settings

NOT_OF_COPIES = {"hl_statistic", "soft_auc", "soft_ap"}
"""The groups of Hosmer-Lemeshow are cut once, on all cases; a case drawn twice has one soft label, not two independent ones."""


def cases(calibrated, classes: int) -> Scored:
    probs, labels = calibrated(80, classes)
    soft, _ = calibrated(80, classes, seed=1)
    names = ("a", "b", "c", "d")[:classes]
    point = OperatingPoint(1, 0.4, "threshold=0.4", prevalence=0.2)
    settings = Settings(top=2, point=point if classes == 2 else None)
    return Scored(probs, labels, np.arange(80), names, soft, soft, settings=settings)


@pytest.mark.parametrize(
    ("metric", "classes"),
    [
        pytest.param(metric, classes, id=f"{metric.key}-{classes}")
        for metric in METRICS
        for classes, other in ((2, "more classes"), (4, "two classes"))
        if metric.replicates
        and not {other, *({"operating point"} if classes > 2 else ())} & set(metric.needs)
    ],
)
def test_a_replicate_is_the_metric_of_the_drawn_cases(
    calibrated, metric: Metric, classes: int
) -> None:
    scored = cases(calibrated, classes)
    scored = scored.take(scored.member(metric.needs))
    weights = np.random.default_rng(5).multinomial(80, np.full(80, 1 / 80), 3).astype(float)
    weights[0] = 1.0
    got = metric.replicate(scored, weights)
    expected = [
        metric.value(scored.take(np.repeat(np.arange(80), row.astype(int)))) for row in weights
    ]
    assert got[0] == pytest.approx(expected[0], abs=1e-9)
    if metric.key not in NOT_OF_COPIES:
        np.testing.assert_allclose(got, expected, atol=1e-9)
