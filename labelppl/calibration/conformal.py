"""Conformal prediction sets: sets of classes that hold the label with a stated frequency.

    label      s_ik = 1 − p_ik
    adaptive   s_ik = ρ_ik + u p_ik + λ (r_ik − k₀)₊     ρ: the mass of the more probable classes

    set(x) = {k : s_k(x) ≤ q},   q = the ⌈(n + 1)(1 − α)⌉-th smallest score of the calibration labels

r is the rank of the class, u = 1 (deterministic, on the safe side); λ > 0 keeps sets small (RAPS). One
function scores calibration and new cases. Coverage is at least 1 − α for exchangeable cases, whatever the
model, on average over classes and calibration samples; given this calibration sample it is
Beta(k, n + 1 − k) distributed, k = ⌈(n + 1)(1 − α)⌉, whose 90 % range is `coverage_range`. By class, one q
per class from its own cases holds for each. Where k > n there are too few cases to promise anything, and
every class is in the set.

Ambiguous truth: with soft labels p(Y|Z), m labels are drawn for every case and q is the
⌈m (n + 1)(1 − α)⌉-th smallest of the m n scores; m → ∞ needs no drawing: the smallest q with
Σ_i Σ_k t_ik 1{s_ik ≤ q} ≥ (n + 1)(1 − α). Coverage is then of a label drawn from p(Y|Z); the guarantee is
1 − α for m = 1 and 1 − 2α for more, though in practice it is near 1 − α. By class with soft labels:
Σ_i t_ik 1{s_ik ≤ q_k} ≥ (1 − α)(Σ_i t_ik + 1), a heuristic.
Source: Vovk, Gammerman & Shafer 2005; Sadinle, Lei & Wasserman 2019; Romano, Sesia & Candès 2020;
Angelopoulos et al. 2021 (RAPS); Stutz et al. 2023 (ambiguous truth).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta

from ..arrays import Floats
from ..errors import InputError
from ..probabilities import checked_probs
from ..seeds import stream
from .base import soft_target

ScoreName = Literal["label", "adaptive"]
SCORES: tuple[ScoreName, ...] = ("label", "adaptive")


@dataclass(frozen=True)
class Conformal:
    """Prediction sets in force.

    Args:
        limit: (classes,) q per class, infinite where every case keeps the class.
        alpha: The share of labels that may be missed.
        score: `label` or `adaptive`.
        penalty: λ of the adaptive score.
        free: k₀, the ranks without a penalty.
        by_class: Whether each class has a limit of its own.
        cases: (classes,) the calibration cases behind each limit.

    Examples:
        >>> Conformal((0.5, 0.5), 0.1).sets([[0.6, 0.4], [0.5, 0.5]]).tolist()
        [[True, False], [True, True]]
    """

    limit: tuple[float, ...]
    alpha: float
    score: ScoreName = "label"
    penalty: float = 0.0
    free: int = 1
    by_class: bool = False
    cases: tuple[float, ...] = ()

    def sets(self, probs: ArrayLike) -> NDArray[np.bool_]:
        """Return membership (cases, classes); raises InputError for an invalid row.

        A set is never empty: the most probable class is always in it.
        """
        p = checked_probs(probs)
        if p.shape[1] != len(self.limit):
            raise InputError(f"probs: got {p.shape[1]} classes, expected {len(self.limit)}")
        member = set_scores(p, self.score, penalty=self.penalty, free=self.free) <= np.array(
            self.limit
        )
        member[np.arange(len(p)), p.argmax(axis=1)] = True
        return np.asarray(member)

    def record(self) -> dict[str, Any]:
        """Return the content of `conformal.json`; an infinite limit is null."""
        values = asdict(self)
        values["limit"] = [None if math.isinf(q) else q for q in self.limit]
        values["cases"] = list(self.cases)
        return values

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Conformal:
        """Read what `record` wrote. Raises InputError for anything else."""
        try:
            limit = tuple(math.inf if q is None else float(q) for q in record["limit"])
            sets = cls(
                limit,
                float(record["alpha"]),
                record["score"],
                float(record["penalty"]),
                int(record["free"]),
                bool(record["by_class"]),
                tuple(float(n) for n in record["cases"]),
            )
        except (KeyError, TypeError, ValueError):
            sets = None
        if sets is None or sets.score not in SCORES or not 0 < sets.alpha < 1:
            raise InputError(
                "conformal.json: not a record of prediction sets; run labelppl recalibrate again"
            )
        return sets


def fit_conformal(
    probs: ArrayLike,
    reference: ArrayLike,
    *,
    alpha: float = 0.1,
    by_class: bool = False,
    score: ScoreName = "label",
    penalty: float = 0.0,
    free: int = 1,
    labels_per_case: int | None = None,
    seed: int = 0,
) -> Conformal:
    """Find the limits on cases that neither trained nor test the classifier.

    Args:
        probs: Probabilities `(cases, classes)`.
        reference: Hard labels `(cases,)`, soft labels `(cases, classes)` or draws of them
            `(draws, cases, classes)`, which count through their mean.
        alpha: The share of labels that sets may miss.
        by_class: One limit per class, from its own cases.
        score: `label`, or `adaptive`, whose sets are larger for ambiguous cases.
        penalty: λ of the adaptive score; `free` is k₀.
        free: Ranks up to this one are not penalised.
        labels_per_case: m, labels drawn per case from a soft reference; None: the limit m → ∞.
        seed: Of the drawn labels.

    Returns:
        `Conformal`.

    Raises:
        InputError: An invalid or unlabelled row, or alpha outside (0, 1).

    Examples:
        >>> probs = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7]]
        >>> sets = fit_conformal(probs, [0, 1, 0, 1], alpha=0.25)
        >>> sets.sets([[0.55, 0.45], [0.1, 0.9]]).tolist()
        [[True, False], [False, True]]
    """
    p, target = soft_target(probs, reference)
    if not 0 < alpha < 1:
        raise InputError(f"alpha: got {alpha:g}, expected a number between 0 and 1, such as 0.1")
    if score not in SCORES:
        raise InputError(f"score: got {score!r}, expected one of {', '.join(SCORES)}")
    scores = set_scores(p, score, penalty=penalty, free=free)
    if labels_per_case is not None and np.ndim(reference) > 1:
        if labels_per_case < 1:
            raise InputError(f"labels_per_case: got {labels_per_case}, expected 1 or more")
        rng = stream(seed, "conformal").numpy()
        target = np.stack([rng.multinomial(labels_per_case, t / t.sum()) for t in target])
        target = target / labels_per_case
    classes = range(p.shape[1])
    if by_class:
        limits = [_limit(scores[:, [k]], target[:, [k]], alpha) for k in classes]
        counts = [float(target[:, k].sum()) for k in classes]
    else:
        limits = [_limit(scores, target, alpha)] * len(classes)
        counts = [float(len(p))] * len(classes)
    return Conformal(tuple(limits), alpha, score, penalty, free, by_class, tuple(counts))


def set_scores(
    probs: Floats,
    score: ScoreName = "label",
    *,
    u: float = 1.0,
    penalty: float = 0.0,
    free: int = 1,
) -> Floats:
    """Return the score (cases, classes) of every class; a small one belongs in the set."""
    if score == "label":
        return np.asarray(1 - probs)
    order = np.argsort(-probs, axis=1, kind="stable")
    falling = np.take_along_axis(probs, order, axis=1)
    rank = np.arange(1, probs.shape[1] + 1)
    before = np.cumsum(falling, axis=1) - falling
    ranked = before + u * falling + penalty * np.maximum(rank - free, 0)
    scores = np.empty_like(ranked)
    np.put_along_axis(scores, order, ranked, axis=1)
    return scores


def coverage_range(cases: int, alpha: float, level: float = 0.9) -> tuple[float, float]:
    """Return the central range of the coverage that `cases` calibration cases can give; (1, 1) where every class is in every set."""
    rank = _rank(cases, alpha)
    if rank > cases:
        return 1.0, 1.0
    fixed = beta(rank, cases + 1 - rank)
    return float(fixed.ppf((1 - level) / 2)), float(fixed.ppf((1 + level) / 2))


def _rank(cases: int, alpha: float) -> int:
    # Rounded first: (9 + 1)(1 - .1) is 9.000000000000002 in floating point, and its ceiling 10.
    return math.ceil(round((cases + 1) * (1 - alpha), 9))


def _limit(scores: Floats, mass: Floats, alpha: float) -> float:
    """The smallest q with enough mass at or below it; infinite where all of it is too little."""
    total = mass.sum()
    needed = (total + 1) * (1 - alpha)
    flat, weight = scores.ravel(), mass.ravel()
    order = np.argsort(flat, kind="stable")
    reached = np.flatnonzero(np.cumsum(weight[order]) >= needed - 1e-9)
    return math.inf if len(reached) == 0 else float(flat[order][reached[0]])
