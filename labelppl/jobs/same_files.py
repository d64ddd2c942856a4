"""Whether two files of a run say the same, and where they differ first."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

#: Entries of JSON files that tell how long something took, or when.
CLOCK = ("seconds", "seconds_in_all", "images_per_second", "started", "date", "made")


def difference(one: Path, other: Path) -> str:
    """In words, the first difference in content; empty where the two files hold the same values.

    Times and durations do not count.
    """
    kind = one.suffix
    if kind == ".parquet":
        return _frames(pd.read_parquet(one), pd.read_parquet(other))
    if kind == ".csv":
        return _frames(pd.read_csv(one), pd.read_csv(other))
    if kind == ".json":
        return _json(json.loads(one.read_text()), json.loads(other.read_text()), "")
    if kind == ".nc":
        return _netcdf(one, other)
    if kind == ".safetensors":
        return _tensors(one, other)
    if kind in (".png", ".html"):
        return ""  # a picture of figures that stand in other files
    return "other bytes"


def _frames(one: pd.DataFrame, other: pd.DataFrame) -> str:
    if list(one.columns) != list(other.columns) or len(one) != len(other):
        return f"other columns or rows ({one.shape} and {other.shape})"
    for name in one.columns:
        if str(name).startswith(CLOCK):
            continue
        words = _arrays(one[name].to_numpy(), other[name].to_numpy(), f"column '{name}'")
        if words:
            return words
    return ""


def _arrays(one: Any, other: Any, what: str) -> str:
    if one.shape != other.shape:
        return f"{what}: shapes {one.shape} and {other.shape}"
    if one.dtype.kind in "fc" and other.dtype.kind in "fc":
        equal = (one == other) | (np.isnan(one) & np.isnan(other))
        if equal.all():
            return ""
        return f"{what}: differs by up to {np.nanmax(np.abs(one - other)):.3g}"
    equal = pd.Series(one.ravel()).astype("str") == pd.Series(other.ravel()).astype("str")
    return (
        "" if bool(equal.all()) else f"{what}: {int((~equal).sum())} of {len(equal)} values differ"
    )


def _json(one: Any, other: Any, where: str) -> str:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in sorted({*one, *other}):
            if name in CLOCK:
                continue
            inside = f"{where}.{name}" if where else str(name)
            if name not in one or name not in other:
                return f"entry '{inside}' stands in one of them"
            words = _json(one[name], other[name], inside)
            if words:
                return words
        return ""
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = zip(one, other, strict=True)
        return next(
            (w for i, (a, b) in enumerate(pairs) if (w := _json(a, b, f"{where}[{i}]"))), ""
        )
    both_nan = (
        isinstance(one, float)
        and isinstance(other, float)
        and math.isnan(one)
        and math.isnan(other)
    )
    return (
        ""
        if one == other or both_nan
        else f"entry '{where}': {str(one)[:40]} and {str(other)[:40]}"
    )


def _netcdf(one: Path, other: Path) -> str:
    import h5py

    with h5py.File(one) as a, h5py.File(other) as b:
        names: list[str] = []
        a.visititems(
            lambda name, node: names.append(name) if isinstance(node, h5py.Dataset) else None
        )
        for name in names:
            if name not in b:
                return f"'{name}' stands in one of them"
            words = _arrays(np.asarray(a[name]), np.asarray(b[name]), f"'{name}'")
            if words:
                return words
    return ""


def _tensors(one: Path, other: Path) -> str:
    from safetensors.numpy import load_file

    a, b = load_file(one), load_file(other)
    if set(a) != set(b):
        return "other tensors"
    return next((w for name in sorted(a) if (w := _arrays(a[name], b[name], f"'{name}'"))), "")
