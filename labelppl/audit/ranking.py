"""Given labels that the label model doubts, ranked, and the reason for each.

A labelled case is ranked by p(y_i | z_i) of its own label, which was left out when the label was made, so that a wrong label
does not speak for itself. It is *doubted* where even the upper end of the 90 % interval of that probability is below one
half. Labels of another kind than leave-one-out (``fitted``) have seen their own label and are not ranked.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..arrays import Array, Floats
from ..errors import InputError
from ..inference.convergence import KHAT_MAX
from ..runs.csv_files import write_csv
from ..softlabels import SoftLabels
from ..softlabels.explanations import Explanations
from .words import term_in_words

#: A label is doubted where the upper end of its interval stays below this.
DOUBTED = 0.5
#: Terms named in one reason.
MOST_REASONS = 4
#: Sources whose labels have not seen the case's own label.
OWN_LABEL_OUT = ("loo", "refit", "crossfit")

DOUBT_COLUMNS = (
    "id",
    "label",
    "p_label",
    "lo_label",
    "hi_label",
    "suggested",
    "p_suggested",
    "doubted",
    "trusted",
    "rarity",
    "reason",
)


@dataclass(frozen=True)
class Doubts:
    """Labelled cases, the most doubtful first.

    Attributes:
        frame: One row per labelled case: its label and the probability of that label given the measurements, with a 90 %
            interval; the class that the measurements suggest; whether the label is doubted; whether the case's own
            leave-one-out can be trusted; how rare its measurements are; and the reason in words.

    Examples:
        >>> len(Doubts(pd.DataFrame({"id": ["7", "3"], "doubted": [True, False]})))
        1
    """

    frame: pd.DataFrame

    def __len__(self) -> int:
        return int(self.frame["doubted"].sum())

    def to_frame(self) -> pd.DataFrame:
        """One row per labelled case, the most doubtful first."""
        return self.frame

    def save(self, path: str | Path) -> None:
        """Write ``audit.csv``; cells that a spreadsheet would run as a formula are quoted with an apostrophe."""
        write_csv(Path(path), self.frame)

    @classmethod
    def load(cls, path: str | Path) -> Doubts:
        """Read what `save` wrote. Raises InputError if the file is missing or another table."""
        if not Path(path).is_file():
            raise InputError(f"{path}: no audit; run labelppl audit")
        frame = pd.read_csv(path, dtype={"id": str, "label": str, "suggested": str})
        lost = set(DOUBT_COLUMNS) - set(frame.columns)
        if lost:
            raise InputError(f"{path}: no column '{min(lost)}'; run labelppl audit again")
        return cls(frame)


def doubts(labels: SoftLabels, explanations: Explanations | None = None) -> Doubts:
    """Rank the labelled cases by how much their measurements contradict the given label.

    Args:
        labels: Soft labels that left each case's own label out.
        explanations: Why each label says what it says, for the column ``reason``; without it the reason is empty.

    Returns:
        The labelled cases, the most doubtful first.

    Raises:
        InputError: If no case has a label that was left out.

    Examples:
        >>> from labelppl.families import gaussian
        >>> from labelppl.table import cases_from_frame
        >>> x = [0.1 * i + 5 * (i % 2) for i in range(40)]
        >>> frame = pd.DataFrame({"id": range(40), "y": ["a", "b"] * 20, "x": x})
        >>> frame.loc[7, "y"] = "a"  # a wrong label
        >>> model = gaussian(y=Label("a", "b"), x=Real())
        >>> cases = cases_from_frame(frame, "y", model.label, model.features)
        >>> doubts(soft_labels(fit(model, cases, seed=0))).frame["id"].iloc[0]
        '7'
    """
    ranked = np.flatnonzero((labels.labels >= 0) & np.isin(labels.source, OWN_LABEL_OUT))
    if len(ranked) == 0:
        raise InputError(
            "audit: no labelled case whose own label was left out; label the cases of the fit with "
            "labelppl label --leave-out loo"
        )
    own = labels.labels[ranked]
    p = labels.probs[ranked, own]
    order = np.lexsort((labels.ids[ranked].astype(str), p))
    ranked, own, p = ranked[order], own[order], p[order]
    names = np.array(labels.classes)
    best = labels.probs[ranked].argmax(1)
    hi = labels.hi[ranked, own]
    khat = labels.khat[ranked]
    reasons, rarity = _reasons(labels.ids[ranked].astype(str), explanations)
    return Doubts(
        pd.DataFrame(
            {
                "id": labels.ids[ranked].astype(str),
                "label": names[own],
                "p_label": p,
                "lo_label": labels.lo[ranked, own],
                "hi_label": hi,
                "suggested": names[best],
                "p_suggested": labels.probs[ranked, best],
                "doubted": (best != own) & (hi < DOUBTED),
                "trusted": (labels.source[ranked] != "loo") | ~(khat >= KHAT_MAX),
                "rarity": rarity,
                "reason": reasons,
            }
        )
    )


def explain(explanations: Explanations, case: str) -> list[str]:
    """The terms of one case in words, the strongest first.

    Args:
        explanations: From `labelppl.softlabels.explain_labels`, or a run's ``explain.parquet``.
        case: The id of the case.

    Returns:
        One sentence per term.

    Raises:
        InputError: For an id that is not among the explained cases.

    Examples:
        >>> from labelppl.families import gaussian
        >>> from labelppl.table import cases_from_frame
        >>> frame = pd.DataFrame({"y": ["a", "b"] * 20, "x": [0.1 * i + 5 * (i % 2) for i in range(40)]})
        >>> model = gaussian(y=Label("a", "b"), x=Real("mm"))
        >>> posterior = fit(model, cases_from_frame(frame, "y", model.label, model.features), seed=0)
        >>> explain(explain_labels(posterior, soft_labels(posterior)), "0")[0][:20]
        'x 0 mm speaks for a,'
    """
    return [_in_words(row) for _, row in explanations.of_case(case).iterrows()]


def _reasons(ids: Array, explanations: Explanations | None) -> tuple[list[str], Floats]:
    """For each case, its strongest terms in words, and how rare it is."""
    if explanations is None:
        return [""] * len(ids), np.full(len(ids), np.nan)
    frame = explanations.frame
    by_case = dict(tuple(frame.groupby(frame["id"].astype(str), sort=False)))
    reasons, rarity = [], np.full(len(ids), np.nan)
    for i, case in enumerate(ids):
        rows = by_case.get(case)
        if rows is None:
            reasons.append("")
            continue
        rarity[i] = rows["rarity"].iloc[0]
        strongest = rows[rows["kind"] != "averaging"]
        strongest = strongest.iloc[np.argsort(-strongest["log_odds"].abs().to_numpy())]
        reasons.append(
            "; ".join(_in_words(row) for _, row in strongest.head(MOST_REASONS).iterrows())
        )
    return reasons, rarity


def _in_words(row: pd.Series[Any]) -> str:
    return term_in_words(
        row["term"], row["kind"], row["cell"], row["log_odds"], row["class"], row["against"]
    )
