"""``explain.parquet``: what the report and the audit need to know of the label model, so that neither runs it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..audit import cohort_of
from ..posterior import Posterior
from ..softlabels import SoftLabels
from ..softlabels.densities import class_densities
from ..softlabels.explain import explain_labels
from ..table import Cases

#: Cases that are explained; of a larger table those with a label come first, the most doubtful before the others.
MOST_EXPLAINED = 20_000


def write_explanations(run: Path, posterior: Posterior, labels: SoftLabels, cases: Cases) -> None:
    """Write ``explain.parquet`` of the run's own labels."""
    rows = np.arange(len(labels))
    if len(rows) > MOST_EXPLAINED:
        p = np.where(labels.labels >= 0, labels.probs[rows, labels.labels], 1 + labels.probs.max(1))
        rows = np.sort(np.argsort(p, kind="stable")[:MOST_EXPLAINED])
    terms = explain_labels(posterior, labels.take(rows), cases.take(rows))
    whole = replace(
        terms, cohort=cohort_of(cases), densities=class_densities(posterior, posterior.cases)
    )
    whole.save(run / "explain.parquet")
