"""Prevalence p(Y) as users write it: class -> probability, one class may be left out and gets the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .errors import InputError


def read_prevalence(stated: Mapping[str, float], classes: Sequence[str]) -> tuple[float, ...]:
    """(classes,) probabilities that sum to 1; InputError for unknown classes or impossible numbers."""
    for name, p in stated.items():
        if name not in classes:
            raise InputError(
                f"prevalence: unknown class '{name}', expected one of {', '.join(classes)}"
            )
        if not 0 < p < 1:
            raise InputError(
                f"prevalence of '{name}': got {p:g}, expected a probability above 0 and below 1"
            )
    missing = [k for k in classes if k not in stated]
    total = sum(stated.values())
    if len(missing) > 1 or (missing and total >= 1) or (not missing and abs(total - 1) > 1e-9):
        raise InputError(
            f"prevalence: got {', '.join(f'{k}={p:g}' for k, p in stated.items())}, expected probabilities of "
            f"{', '.join(classes)} that sum to 1; one class may be left out"
        )
    return tuple(stated.get(k, 1 - total) for k in classes)
