"""Recalibration maps as torch operations, for a graph that computes them; the numbers are those of `transform`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..calibration.base import Recalibration
from ..calibration.beta import BetaMap
from ..calibration.dirichlet import DirichletMap
from ..calibration.isotonic import IsotonicMap
from ..calibration.maps import MAPS
from ..calibration.platt import Platt
from ..calibration.temperature import Temperature
from ..calibration.venn_abers import VennAbers
from ..errors import InputError
from ..probabilities import FLOOR

MapLayer = Callable[[Tensor], Tensor]


def map_layer(mapping: Recalibration) -> MapLayer:
    """Return the map as a function of p (cases, classes) float64.

    Raises InputError for a map of the user's own, whose Python code no graph can hold.

    Examples:
        >>> map_layer(Temperature(2.0))(torch.tensor([[0.9, 0.1]], dtype=torch.float64)).round(decimals=4).tolist()
        [[0.75, 0.25]]
    """
    if (
        type(mapping) not in MAPS.values()
    ):  # a subclass of a built-in map may transform in a way of its own
        raise InputError(
            f"export: the map {type(mapping).__name__} is Python code of your own, which an ONNX file cannot hold; run "
            "labelppl recalibrate with a built-in map, or labelppl export --raw"
        )
    match mapping:
        case Temperature():
            return lambda p: (_logs(p) / mapping.temperature).softmax(1)
        case DirichletMap():
            weight, bias = _constant(mapping.weight).T, _constant(mapping.bias)
            return lambda p: (_logs(p) @ weight + bias).softmax(1)
        case Platt():
            return lambda p: _both(torch.sigmoid(mapping.slope * _logit(p) + mapping.intercept))
        case BetaMap():
            return lambda p: _both(torch.sigmoid(_beta(p, mapping)))
        case IsotonicMap():
            return _isotonic(mapping)
        case VennAbers():
            return _venn_abers(mapping)
    raise AssertionError(f"no layer for {type(mapping).__name__}")


def steps_of(mapping: Recalibration | None) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the forecasts (steps,) of the second class at which the map jumps; most maps are continuous and have none."""
    if isinstance(mapping, VennAbers):
        return np.unique(np.asarray(mapping.forecast, dtype=np.float64))
    return np.empty(0)


def _constant(values: object) -> Tensor:
    return torch.as_tensor(np.asarray(values, dtype=np.float64))


def _logs(p: Tensor) -> Tensor:
    return torch.maximum(p, _constant(FLOOR)).log()


def _both(second: Tensor) -> Tensor:
    return torch.stack([1 - second, second], 1)


def _inside(p: Tensor) -> Tensor:
    """p of the second class (cases,), 1e-12 away from 0 and 1; exporters round the limits of `clamp` to float32."""
    return torch.minimum(torch.maximum(p[:, 1], _constant(FLOOR)), _constant(1 - FLOOR))


def _logit(p: Tensor) -> Tensor:
    inside = _inside(p)
    return inside.log() - (1 - inside).log()


def _beta(p: Tensor, mapping: BetaMap) -> Tensor:
    inside = _inside(p)
    return mapping.a * inside.log() - mapping.b * (1 - inside).log() + mapping.c


def _isotonic(mapping: IsotonicMap) -> MapLayer:
    """Linear between the knots: the sum of the rises of all pieces, each as far as p has come in it."""
    at, value = _constant(mapping.at), _constant(mapping.value)
    start, length, rise = at[:-1], at.diff(), value.diff()

    def layer(p: Tensor) -> Tensor:
        share = ((p[:, 1:2] - start) / length).clamp(0, 1)
        return _both(value[0] + (share * rise).sum(1))

    return layer


def _venn_abers(mapping: VennAbers) -> MapLayer:
    """The map is constant between neighbouring forecasts: a table of its values at and between them."""
    forecast = steps_of(mapping)
    ends = np.concatenate([[0.0], forecast, [1.0]])
    places = np.empty(2 * len(forecast) + 1)
    places[0::2] = (ends[:-1] + ends[1:]) / 2
    places[1::2] = forecast
    table = _constant(mapping.transform(np.column_stack([1 - places, places]))[:, 1])
    knots = _constant(forecast)

    def layer(p: Tensor) -> Tensor:
        second = p[:, 1:2]
        index = (second > knots).to(torch.int64).sum(1) + (second >= knots).to(torch.int64).sum(1)
        return _both(table[index])

    return layer
