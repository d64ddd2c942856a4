"""What each entry of ``student.json`` may be, so that a damaged or hostile file is refused before a network is built."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..images.decode import FULL_SCALE
from .pooling import POOLS

#: No picture that a network takes has longer sides or more channels.
LONGEST_SIDE, MOST_CHANNELS = 65_535, 4_096


def check_entries(path: Path, record: Mapping[str, Any]) -> None:
    """Raise InputError, naming file and entry, for the first entry that no student has."""
    classes = record["classes"]
    _check(path, record, "classes", _are_classes(classes), "two or more different names")
    k = len(classes)
    whole = {"channels": MOST_CHANNELS, "height": LONGEST_SIDE, "width": LONGEST_SIDE}
    for name, most in whole.items():
        _check(
            path, record, name, _is_whole(record[name], 1, most), f"a whole number from 1 to {most}"
        )
    outputs = {k, 1} if k == 2 else {k}
    right = _is_whole(record["outputs"], 1, k) and record["outputs"] in outputs
    _check(path, record, "outputs", right, " or ".join(map(str, sorted(outputs))))
    channels = record["channels"]
    _check(
        path, record, "mean", _are_numbers(record["mean"], channels), f"{channels} finite numbers"
    )
    spread = _are_numbers(record["std"], channels) and all(v > 0 for v in record["std"])
    _check(path, record, "std", spread, f"{channels} finite numbers above 0")
    _check(path, record, "architecture", _is_text(record["architecture"]), "the name of a network")
    _check(path, record, "depth", record["depth"] in FULL_SCALE, f"one of {', '.join(FULL_SCALE)}")
    _check(path, record, "head", record["head"] in ("softmax", "dirichlet"), "softmax or dirichlet")
    _check(path, record, "pool", record["pool"] in POOLS, " or ".join(POOLS))
    _check(path, record, "keep_aspect", isinstance(record["keep_aspect"], bool), "true or false")
    _check(path, record, "seed", _is_whole(record["seed"], 0, None), "a whole number of 0 or more")
    # A class that no training case had has a study prevalence of 0; nobody deploys a student there.
    study, deployment = record["study_prevalence"], record["deployment_prevalence"]
    _check(path, record, "study_prevalence", study is None or _is_prevalence(study, k, zero=True),
           f"{k} numbers of 0 or more that sum to 1")  # fmt: skip
    _check(path, record, "deployment_prevalence",
           deployment is None or _is_prevalence(deployment, k, zero=False),
           f"{k} numbers above 0 that sum to 1")  # fmt: skip
    interval = record["interval"]
    _check(path, record, "interval", interval is None or _is_interval(interval, k),
           f"null, or 'below' and 'above' of {k} numbers each, 'cases' and 'source'")  # fmt: skip
    for name in ("versions", "training"):
        _check(path, record, name, isinstance(record[name], dict), "an object of names and values")


def _check(path: Path, record: Mapping[str, Any], name: str, right: bool, expected: str) -> None:
    if not right:
        raise InputError(
            f"{path}: damaged, entry '{name}': got {str(record[name])[:80]}, expected {expected}; distil again"
        )


def _are_classes(value: Any) -> bool:
    return (
        isinstance(value, list)
        and all(_is_text(name) for name in value)
        and len(set(value)) == len(value) > 1
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_whole(value: Any, least: int, most: int | None) -> bool:
    return (
        isinstance(value, int)
        and not isinstance(value, bool)
        and value >= least
        and (most is None or value <= most)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _are_numbers(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(map(_is_number, value))


def _is_interval(value: Any, classes: int) -> bool:
    """Whether the ends are in order, and the words beside them are there."""
    if not isinstance(value, dict) or set(value) != {"below", "above", "cases", "source"}:
        return False
    below, above = value["below"], value["above"]
    if not _are_numbers(below, classes) or not _are_numbers(above, classes):
        return False
    ordered = all(low <= high for low, high in zip(below, above, strict=True))
    return ordered and _is_whole(value["cases"], 1, None) and _is_text(value["source"])


def _is_prevalence(value: Any, classes: int, zero: bool) -> bool:
    """Whether these are probabilities that sum to 1. zero: 0 is allowed."""
    if not _are_numbers(value, classes) or abs(sum(value) - 1) >= 1e-6:
        return False
    return all(p > 0 or (zero and p == 0) for p in value)
