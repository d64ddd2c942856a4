"""The maps by name, and choosing one by what measures better."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Array, Floats
from ..errors import InputError
from ..probabilities import FLOOR
from ..python_files import load_object, names_object
from ..seeds import stream
from .base import Recalibration, cross_entropy, soft_target
from .beta import BetaMap
from .dirichlet import DirichletMap
from .isotonic import IsotonicMap
from .platt import Platt
from .temperature import Temperature
from .venn_abers import VennAbers

MAPS: dict[str, type[Recalibration]] = {
    kind.name: kind for kind in (Temperature, Platt, BetaMap, IsotonicMap, DirichletMap, VennAbers)
}
"""From few numbers to many; the first of equals is chosen."""

MAP_FOLDS = 5
GAIN_IN_ERRORS = 1.0
"""A map must beat doing nothing by so many standard errors of the paired difference (Breiman's rule)."""


class Chosen(NamedTuple):
    """A map, None where nothing measured better, and the cross-validated loss of every candidate."""

    mapping: Recalibration | None
    losses: dict[str, float]
    standard_error: float


def open_map(name: str) -> type[Recalibration]:
    """Return the map of a name, or the class that ``FILE.py:NAME`` names; that file is executed.

    Raises InputError for another name, or an object that is no map.
    """
    if names_object(name):
        kind = load_object(name)
        if not (isinstance(kind, type) and issubclass(kind, Recalibration)):
            raise InputError(
                f"{name}: expected a class that extends labelppl.calibration.Recalibration"
            )
        return kind
    if name not in MAPS:
        raise InputError(
            f"map: got {name!r}, expected auto, FILE.py:NAME or one of {', '.join(MAPS)}"
        )
    return MAPS[name]


def applicable(classes: int) -> list[str]:
    """Return the names of the maps for so many classes."""
    return [name for name, kind in MAPS.items() if classes == 2 or not kind.two_classes]


def choose_map(
    probs: ArrayLike,
    reference: ArrayLike,
    *,
    names: Sequence[str] | None = None,
    groups: Array | None = None,
    seed: int = 0,
) -> Chosen:
    """Fit the map of least cross-validated cross-entropy to all cases.

    Nothing is chosen unless the best map beats the probabilities as they are by one standard error.

    Args:
        probs: Probabilities (cases, classes).
        reference: Hard labels (cases,), soft labels (cases, classes) or draws of them (draws, cases, classes).
        names: Which maps to try; None tries all that can take so many classes.
        groups: (cases,) patients, whom a fold keeps together; None: each case is one.
        seed: Of the folds.

    Returns:
        The map or None, and the loss of every candidate in nats per case.

    Raises:
        InputError: As `fit` does, and for fewer groups than folds.

    Examples:
        >>> probs = np.tile([[0.99, 0.01], [0.01, 0.99]], (50, 1))
        >>> reference = np.tile([[0.75, 0.25], [0.25, 0.75]], (50, 1))
        >>> choose_map(probs, reference, names=["temperature"]).mapping.name
        'temperature'
    """
    p, target = soft_target(probs, reference)
    folds = _folds(len(p), groups, seed)
    losses: dict[str, Floats] = {"none": _per_case(p, target)}
    for name in names or applicable(p.shape[1]):
        held = np.zeros(len(p))
        for fold in folds:
            inside, rest = fold_masks(fold, len(p))
            mapping = MAPS[name]().fit(p[rest], _rows(reference, rest))
            held[inside] = _per_case(mapping.transform(p[inside]), target[inside])
        losses[name] = held
    means = {name: float(loss.mean()) for name, loss in losses.items()}
    best = min((name for name in means if name != "none"), key=lambda name: means[name])
    gain = losses["none"] - losses[best]
    error = float(gain.std(ddof=1) / np.sqrt(len(p)))
    better = gain.mean() > GAIN_IN_ERRORS * error
    return Chosen(MAPS[best]().fit(p, reference) if better else None, means, error)


def fold_masks(fold: Array, cases: int) -> tuple[Array, Array]:
    """Return the masks (cases,) of a fold and of the rest."""
    inside = np.zeros(cases, dtype=bool)
    inside[fold] = True
    return inside, ~inside


def _folds(cases: int, groups: Array | None, seed: int) -> list[Array]:
    codes = np.arange(cases) if groups is None else np.unique(groups, return_inverse=True)[1]
    count = int(codes.max()) + 1
    if count < MAP_FOLDS:
        raise InputError(
            f"recalibrate: got {count} independent validation cases, expected at least {MAP_FOLDS}; name "
            "a map with --map, or mark more rows as val"
        )
    order = stream(seed, "recalibrate").numpy().permutation(count)
    return [np.flatnonzero(np.isin(codes, order[k::MAP_FOLDS])) for k in range(MAP_FOLDS)]


def _rows(reference: ArrayLike, rows: Array) -> Array:
    array = np.asarray(reference)
    return array[:, rows] if array.ndim == 3 else array[rows]


def _per_case(probs: Floats, target: Floats) -> Floats:
    return np.asarray(-(target * np.log(np.maximum(probs, FLOOR))).sum(axis=1))


def gain_in_words(chosen: Chosen, name: str) -> str:
    """Return what a map is worth: `log loss .52 → .48 in 5 folds`."""
    return f"log loss {chosen.losses['none']:.3f} → {chosen.losses[name]:.3f} in {MAP_FOLDS} folds"


def loss_of(probs: ArrayLike, reference: ArrayLike) -> float:
    """Return the mean cross-entropy of `probs` against a reference, in nats."""
    return cross_entropy(*soft_target(probs, reference), FLOOR)
