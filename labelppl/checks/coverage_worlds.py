"""Worlds that a label model does not quite describe, in which the true p(Y|Z) is known all the same.

Measurements drawn from the model at known parameters are moved, class by class, by an invertible map of the real line on which
each measurement can lie (a logarithm for a positive one, a logit for a ratio),

    unequal spreads    u' = m_k + s_k (u - m_k),  s_k from .4 in the first class to 2 in the last
    outliers           so with s = 4 in one case of twenty, whatever its class
    dependent          u'_j = u_j + (sd_j / sd_i) (u_i - m_ik) for neighbouring measurements: correlated by .7 more than before
    rare class         labels drawn with 5 % of the first class

so that the density of what is seen is that of the model where it came from, times the map's slope:

    f'_k(u') = sum_w p(w) f_k(T_wk^-1(u')) |det DT_wk^-1|,      p(Y = k | u') = pi'_k f'_k(u') / sum_j pi'_j f'_j(u').
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.distributions import biject_to

from ..arrays import Array
from ..features import Column, Scalar, Vector
from ..model import LabelDensity
from ..model.impossible import kind_of
from ..table import Cases

SPREADS = (0.4, 2.0)
OUTLIERS, OUTLIER_SPREAD = 0.05, 4.0
RARE = 0.05


@dataclass(frozen=True)
class World:
    """spreads: factors of the spread in the first and the last class. outliers: share of cases whose spread is
    `OUTLIER_SPREAD` times as wide. sheared: whether neighbouring measurements depend on each other. rare: the first class's
    share, or None for the model's own. mend: what helps where intervals cover too little.
    """

    name: str
    mend: str
    spreads: tuple[float, float] = (1.0, 1.0)
    outliers: float = 0.0
    sheared: bool = False
    rare: float | None = None


WORLDS = (
    World("as the model says", "run labelppl check --sbc: the posterior itself may be wrong"),
    World(
        "unequal spreads",
        "give each class a spread of its own, with a prior that holds a tenfold difference",
        spreads=SPREADS,
    ),
    World("rare class", "give the prevalence a wide prior, and collect cases of it", rare=RARE),
    World(
        "outliers",
        "use a StudentT in place of a Normal, or look at the doubted cases",
        outliers=OUTLIERS,
    ),
    World(
        "dependent measurements",
        "model them together: a Vector with a MultivariateNormal, or one as the other's parent",
        sheared=True,
    ),
)


class MovableFeature(NamedTuple):
    """One movable measurement: its feature, its component or None, and the map from the real line to its values."""

    feature: str
    component: int | None
    transform: Any


def movable(density: LabelDensity) -> tuple[MovableFeature, ...]:
    """The measurements that lie on the real line or a part of it; angles that close in a circle and codes are left alone."""
    places: list[MovableFeature] = []
    for name, feature in density.model.features.items():
        fn = density.structure.sites.get(name)
        if fn is None or not isinstance(feature, Scalar | Vector) or fn.support.is_discrete:
            continue
        if "VonMises" in kind_of(fn) or kind_of(fn) == "ProjectedNormal":
            continue
        if isinstance(feature, Vector):
            base = getattr(fn.support, "base_constraint", fn.support)
            transform = biject_to(torch.distributions.constraints.real)
            if base.event_dim == 0:
                transform = biject_to(base)
            places += [MovableFeature(name, j, transform) for j in range(len(feature.components))]
        else:
            places.append(MovableFeature(name, None, biject_to(fn.support)))
    return tuple(places)


@dataclass(frozen=True)
class Moves:
    """A world's maps for one set of parameters. centres: (classes, places) of the measurements; sds: (places,)."""

    world: World
    places: tuple[MovableFeature, ...]
    centres: Tensor
    sds: Tensor

    def spread(self, k: int) -> float:
        """s_k."""
        first, last = self.world.spreads
        return float(first * (last / first) ** (k / max(1, len(self.centres) - 1)))

    def forward(self, u: Tensor, labels: Array, rng: np.random.Generator) -> Tensor:
        """u (cases, places) moved by the maps of the cases' classes (cases,)."""
        out = torch.from_numpy(rng.random(len(u)) < self.world.outliers)
        moved = torch.empty_like(u)
        for k in range(len(self.centres)):
            for outlier in (False, True):
                rows = torch.from_numpy(labels == k) & (out == outlier)
                centre = self.centres[k]
                stretched = centre + self._stretch(k, outlier) * (u[rows] - centre)
                moved[rows] = self._shear(stretched, centre, 1.0)
        return moved

    def log_densities(self, moved: Tensor, density: Any) -> Tensor:
        """log f'_k (cases, classes); ``density(u, k)`` is log f_k (cases,) of the model, on the real line."""
        every = []
        for k, centre in enumerate(self.centres):
            parts = []
            for outlier, share in ((False, 1 - self.world.outliers), (True, self.world.outliers)):
                if share == 0:
                    continue
                stretch = self._stretch(k, outlier)
                u = centre + (self._shear(moved, centre, -1.0) - centre) / stretch
                parts.append(np.log(share) + density(u, k) - len(self.places) * np.log(stretch))
            every.append(torch.logsumexp(torch.stack(parts), 0))
        return torch.stack(every, -1)

    def _stretch(self, k: int, outlier: bool) -> float:
        return self.spread(k) * (OUTLIER_SPREAD if outlier else 1.0)

    def _shear(self, u: Tensor, centre: Tensor, sign: float) -> Tensor:
        """Each second measurement of a pair gains or loses the first one's distance from its centre, in its own units."""
        if not self.world.sheared:
            return u
        columns = list(u.unbind(-1))
        for i in range(0, len(columns) - 1, 2):
            slope = self.sds[i + 1] / self.sds[i]
            columns[i + 1] = columns[i + 1] + sign * slope * (columns[i] - centre[i])
        return torch.stack(columns, -1)


def on_line(cases: Cases, places: Sequence[MovableFeature]) -> Tensor:
    """The movable measurements on the real line (cases, places)."""
    return torch.stack(
        [p.transform.inv(_part(cases.columns[p.feature].values, p.component)) for p in places], -1
    )


def off_line(cases: Cases, places: Sequence[MovableFeature], u: Tensor) -> Cases:
    """The cases with the movable measurements that stand at ``u`` (cases, places) on the real line."""
    columns: dict[str, Column] = dict(cases.columns)
    for j, place in enumerate(places):
        value = place.transform(u[:, j])
        column = columns[place.feature]
        values = value
        if place.component is not None:
            values = column.values.clone()
            values[:, place.component] = value
        columns[place.feature] = replace(column, values=values)
    return replace(cases, columns=columns)


def log_slopes(places: Sequence[MovableFeature], u: Tensor) -> Tensor:
    """log |dz / du| (cases,), summed over the places."""
    slopes = [
        p.transform.log_abs_det_jacobian(u[:, j], p.transform(u[:, j]))
        for j, p in enumerate(places)
    ]
    return torch.stack(slopes).sum(0) if slopes else torch.zeros(len(u), dtype=torch.float64)


def _part(values: Tensor, component: int | None) -> Tensor:
    return values if component is None else values[:, component]


def class_shares(world: World, own: Mapping[int, float]) -> Array:
    """The world's class shares (classes,); own: the model's."""
    share = np.array([own[k] for k in sorted(own)])
    if world.rare is not None:
        share[1:] *= (1 - world.rare) / share[1:].sum()
        share[0] = world.rare
    return share / share.sum()
