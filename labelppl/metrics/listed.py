"""The list of metrics: what `evaluate`, `compare`, the report and the documentation read.

A new metric is a file with a `Metric` and one line here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..errors import InputError
from .accuracy import ACCURACY, ACCURACY_BAYES, ACCURACY_BAYES_EXPECTED
from .auc import AUC
from .aurc import AURC, AURC_EXCESS
from .brier import BRIER
from .corp import BRIER_PARTS
from .debiased_ece import ECE_DEBIASED
from .ece import ECE
from .hosmer_lemeshow import HOSMER_LEMESHOW
from .kl import KL, KL_DCIC, KL_TRUE
from .macro_accuracy import MACRO_ACCURACY
from .metric import Metric
from .mix_ece import MIX_ECE
from .nll import NLL
from .null_band import NULL_BANDS
from .operating_point import OPERATING_POINT
from .realised import REALISED
from .smece import SMECE
from .soft_metrics import SOFT_METRICS
from .top_k import default_top, top_metric
from .verdict import SMECE_P

METRICS: tuple[Metric, ...] = (
    ACCURACY,
    MACRO_ACCURACY,
    AUC,
    NLL,
    BRIER,
    ECE,
    SMECE,
    SMECE_P,
    ECE_DEBIASED,
    *HOSMER_LEMESHOW,
    AURC,
    *OPERATING_POINT,
    KL,
    *SOFT_METRICS,
    *REALISED,
    KL_TRUE,
    ACCURACY_BAYES,
    ACCURACY_BAYES_EXPECTED,
    *NULL_BANDS,
    *BRIER_PARTS,
    AURC_EXCESS,
    KL_DCIC,
    MIX_ECE,
)
"""In the order of the file and of the tables; `top<k>` follows macro accuracy."""

_TOP = re.compile(r"top(\d+)")
_SUBGROUP = re.compile(r"by/.*/([^/]+)")


def metric_of(key: str) -> Metric | None:
    """Return the metric of a key of `metrics.json`, or None for a user's own.

    `by/sex/f/auc` is the AUC of a subgroup.
    """
    inside = _SUBGROUP.fullmatch(key)
    name = inside.group(1) if inside else key
    top = _TOP.fullmatch(name)
    if top:
        return top_metric(int(top.group(1)))
    return next((metric for metric in METRICS if metric.key == name), None)


def metric_named(key: str) -> Metric:
    """Return the metric of a key. Raises InputError where the list has none."""
    metric = metric_of(key)
    if metric is None:
        keys = ", ".join(m.key for m in METRICS)
        raise InputError(f"metric: got {key!r}, expected one of {keys}, top<k>")
    return metric


def choose_metrics(
    extra: Sequence[str | Metric] = (), *, classes: int, top: int | None = None
) -> list[Metric]:
    """Return the metrics to compute: the list, `top<k>` where it applies, and `extra`.

    An entry of `extra` is a record, or the key of one that is computed only where it is asked for.
    Raises InputError for an unknown key, or one that is there twice.
    """
    k = top or default_top(classes)
    chosen = [metric for metric in METRICS if not metric.asked]
    if k is not None and classes > 2:
        chosen.insert(2, top_metric(k))
    for entry in extra:
        metric = entry if isinstance(entry, Metric) else metric_named(entry)
        if isinstance(entry, Metric) and entry.key in {m.key for m in chosen}:
            raise InputError(f"metric: two are called {metric.key}; give yours another key")
        if metric.key not in {m.key for m in chosen}:
            chosen.append(metric)
    return chosen
