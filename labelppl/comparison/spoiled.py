"""Soft labels spoiled on purpose, to see what a method does with them. Only those of training cases change.

shuffled: exchanged among cases of one hard label. What they lose is what a soft label says about its own
case; what they keep is smoothing. uniform: drawn uniformly from the simplex, nothing but noise. flipped:
(1 - p) / (K - 1), the opposite of what is known. The last two are the misleading labels of Vega et al. 2021,
Experiment 1, whose generator the paper leaves open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..seeds import stream
from ..softlabels import SoftLabels
from ..table import Cases, match_ids

Spoil = Callable[[SoftLabels, Cases, int], SoftLabels]


def shuffle(labels: SoftLabels, cases: Cases, seed: int) -> SoftLabels:
    """Soft labels exchanged among training cases of one hard label; all others keep their own.

    Unlabelled training cases exchange among themselves. Ids and given labels stay where they are.
    """
    rng = stream(seed, "shuffled").numpy()
    kind = np.where(_trained(labels, cases), _hard(labels, cases), -2)
    order = np.arange(len(kind))
    for k in np.unique(kind[kind > -2]):
        where = np.flatnonzero(kind == k)
        order[where] = rng.permutation(where)
    return replace(labels.take(order), ids=labels.ids, labels=labels.labels)


def uniform(labels: SoftLabels, cases: Cases, seed: int) -> SoftLabels:
    """Training cases get probabilities drawn uniformly from the simplex."""
    n, classes = labels.probs.shape
    drawn = stream(seed, "uniform").numpy().dirichlet(np.ones(classes), n)
    return _instead(labels, cases, drawn)


def flip(labels: SoftLabels, cases: Cases, seed: int) -> SoftLabels:
    """Training cases get (1 - p) / (classes - 1)."""
    return _instead(labels, cases, (1 - labels.probs) / (labels.probs.shape[1] - 1))


SPOILED: dict[str, Spoil] = {"shuffled": shuffle, "uniform": uniform, "flipped": flip}


def _instead(labels: SoftLabels, cases: Cases, probs: NDArray[np.float64]) -> SoftLabels:
    """Other probabilities for the training cases, and nothing beside them that says otherwise."""
    trained = _trained(labels, cases)[:, None]
    mean_log = np.log(np.clip(probs, np.finfo(np.float64).tiny, None))
    return replace(
        labels,
        probs=np.where(trained, probs, labels.probs),
        mean_log=np.where(trained, mean_log, labels.mean_log),
        draws=None,
    )


def _trained(labels: SoftLabels, cases: Cases) -> NDArray[np.bool_]:
    at = match_ids(labels.ids, cases.ids)
    return (at >= 0) & (cases.split[at] == "train")


def _hard(labels: SoftLabels, cases: Cases) -> NDArray[np.int64]:
    at = match_ids(labels.ids, cases.ids)
    return np.where(at >= 0, cases.labels[at], -2)
