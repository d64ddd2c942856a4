"""Which label model predicts the labels of the cases it was fitted on better, each case left out?

    score_i = log p(y_i | z_i, D without i),   difference = mean_i (score_i of one - score_i of the other)

with the standard error of the paired differences. It is the *conditional* score: models of different measurements, or of none,
can be compared, and a model that describes the measurements badly but the labels well does not lose. A difference of less than
two standard errors says nothing. Source: Vehtari, Gelman and Gabry, Statistics and Computing 27 (2017).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..arrays import Floats
from ..errors import InputError
from ..posterior import Posterior
from ..softlabels import soft_labels

#: A probability of zero counts as this.
LEAST_P = 1e-6


@dataclass(frozen=True)
class Against:
    """Leave-one-out scores (models, cases) of models by name, the first one that of the model in question."""

    names: tuple[str, ...]
    scores: Floats

    def to_frame(self) -> pd.DataFrame:
        """One row per model: its mean score, and by how much the first one's is higher, with the standard error."""
        away = self.scores[0] - self.scores
        error = away.std(1, ddof=1) / np.sqrt(self.scores.shape[1])
        return pd.DataFrame(
            {
                "model": self.names,
                "log_score": self.scores.mean(1),
                "difference": away.mean(1),
                "se": error,
            }
        )

    def lines(self) -> tuple[str, ...]:
        """What to print: one line per model."""
        rows = self.to_frame().to_dict("records")
        said = [f"leave-one-out log score of {rows[0]['model']}: {rows[0]['log_score']:.4f} a case"]
        for row in rows[1:]:
            verdict = "no difference to speak of"
            if abs(row["difference"]) > 2 * row["se"]:
                verdict = "worse" if row["difference"] > 0 else "better"
            said.append(
                f"{row['model']}: {row['log_score']:.4f}, {rows[0]['model']} - {row['model']} = {row['difference']:+.4f} "
                f"± {row['se']:.4f}: {verdict}"
            )
        return tuple(said)

    @property
    def best(self) -> str:
        """The name of the model with the highest mean score."""
        return self.names[int(self.scores.mean(1).argmax())]


def conditional_scores(posterior: Posterior) -> Floats:
    """log p(y_i | z_i, D without i) (labelled cases,) of the cases of the fit.

    Raises InputError where fewer than two of them are labelled.
    """
    labels = soft_labels(posterior)
    known = np.flatnonzero(labels.labels >= 0)
    if len(known) < 2:
        raise InputError(
            f"check --against: got {len(known)} labelled cases, expected at least two to score models by"
        )
    p = labels.probs[known, labels.labels[known]]
    return np.log(np.maximum(p, LEAST_P))


def against(posteriors: dict[str, Posterior]) -> Against:
    """Scores of ``posteriors`` by name, all of the same labelled cases.

    Raises InputError where they were fitted on other cases.
    """
    names = tuple(posteriors)
    first = posteriors[names[0]].cases
    for name, posterior in posteriors.items():
        same = np.array_equal(posterior.cases.ids, first.ids)
        if not same or not np.array_equal(posterior.cases.labels, first.labels):
            raise InputError(
                f"check --against: {name} was fitted on other cases or labels than {names[0]}; use one table for all"
            )
    return Against(names, np.stack([conditional_scores(p) for p in posteriors.values()]))
