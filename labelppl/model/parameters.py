"""The parameters of a label model: its latent sites outside ``with cases:``, as one unconstrained vector.

Each site's value theta = t(u) with t = biject_to(support); the density of u carries log |dt/du|. A von Mises latent has
support `Real()` in Pyro, where its density is periodic and so improper: chains could wrap by 2 pi. Here it lives on one
turn around its prior mean.

A location m whose spread goes with a variance v makes a funnel that no normal fits. A model may name an `Anchor` for it,
(m0, v0) near the posterior's centre; the coordinate is then x with m = m0 + (x - m0) sqrt(v / v0), in which a
normal-inverse-gamma posterior around m0 has x independent of v. Any anchor gives the same posterior, a good one a simpler
shape.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from pyro.distributions import constraints
from torch import Tensor
from torch.distributions import biject_to
from torch.distributions.transforms import (
    IndependentTransform,
    StickBreakingTransform,
    Transform,
)

from ..errors import InputError


@dataclass(frozen=True)
class Anchor:
    """variance: the site, sampled earlier, whose size the location goes with; location and unit: m0 and v0.

    location has the site's shape, unit that of the variance, whose axes are the site's first ones.
    """

    variance: str
    location: Tensor
    unit: Tensor


@dataclass(frozen=True)
class Site:
    """One latent site: its prior as first met, where it sits in the unconstrained vector, and its transform."""

    name: str
    prior: Any
    transform: Transform
    shape: torch.Size
    unconstrained_shape: torch.Size
    offset: int

    @property
    def size(self) -> int:
        """Number of unconstrained coordinates."""
        return self.unconstrained_shape.numel()

    def on_one_turn(self, value: Tensor) -> Tensor:
        """A direction drawn from the prior, on the turn on which the fit holds it; other values as they are."""
        base = self.prior
        while hasattr(base, "base_dist"):
            base = base.base_dist
        if type(base).__name__ != "VonMises":
            return value
        low = base.loc - math.pi
        return low + torch.remainder(value - low, 2 * math.pi)


class Parameters:
    """The layout of the unconstrained vector u (dim,); every method takes one vector and works under ``vmap``."""

    def __init__(
        self,
        nodes: Mapping[str, Mapping[str, Any]],
        *,
        anchors: Mapping[str, Anchor] = MappingProxyType({}),
        independent: bool = False,
    ) -> None:
        """``nodes``: site name -> Pyro trace node with its distribution and a value from the prior.

        anchors: site name -> where its values are measured from, and in what unit. independent: whether no site's prior
        depends on another site's value.
        """
        self.nodes, self.anchors, self.independent = nodes, anchors, independent
        self.sites: list[Site] = []
        offset = 0
        for name, node in nodes.items():
            support = _support(name, node["fn"])
            transform = _transform(support)
            shape = node["value"].shape
            # Not transform.inverse_shape: torch.broadcast_shapes imports sympy, a second or more.
            flat_shape = transform.inv(node["value"]).shape
            site = Site(name, node["fn"], transform, shape, flat_shape, offset)
            self.sites.append(site)
            offset += site.size
        self.dim = offset

    def with_anchors(self, anchors: Mapping[str, Anchor]) -> Parameters:
        """The same sites, measured from ``anchors``."""
        return Parameters(self.nodes, anchors=anchors, independent=self.independent)

    def __iter__(self) -> Iterator[Site]:
        return iter(self.sites)

    @property
    def coordinates(self) -> tuple[str, ...]:
        """A name for each unconstrained coordinate."""
        names: list[str] = []
        for site in self.sites:
            for at in np.ndindex(*site.unconstrained_shape):
                names.append(f"{site.name}[{','.join(map(str, at))}]" if at else site.name)
        return tuple(names)

    def constrain(self, u: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Values of every site at ``u`` (dim,), and the log Jacobian ()."""
        values, log_jacobian = {}, u.new_zeros(())
        for site in self.sites:
            x = u[site.offset : site.offset + site.size].reshape(site.unconstrained_shape)
            values[site.name] = site.transform(x)
            log_jacobian = (
                log_jacobian + site.transform.log_abs_det_jacobian(x, values[site.name]).sum()
            )
            if site.name in self.anchors:
                anchor, log_stretch = self._stretch(site, values)
                away = values[site.name] - anchor.location
                values[site.name] = anchor.location + away * log_stretch.exp()
                log_jacobian = log_jacobian + log_stretch.sum()
        return values, log_jacobian

    def unconstrain(self, values: Mapping[str, Tensor]) -> Tensor:
        """The vector (dim,) of one value for every site."""
        flat = []
        for site in self.sites:
            value = values[site.name].double()
            if site.name in self.anchors:
                anchor, log_stretch = self._stretch(site, values)
                value = anchor.location + (value - anchor.location) * (-log_stretch).exp()
            flat.append(site.transform.inv(value).reshape(-1))
        return torch.cat(flat) if flat else torch.zeros(0, dtype=torch.float64)

    def _stretch(self, site: Site, values: Mapping[str, Tensor]) -> tuple[Anchor, Tensor]:
        """The anchor of ``site`` and log sqrt(v / v0) in the site's shape."""
        anchor = self.anchors[site.name]
        ratio = values[anchor.variance].double() / anchor.unit
        ratio = ratio.reshape(*ratio.shape, *[1] * (len(site.shape) - ratio.dim()))
        return anchor, 0.5 * ratio.log().expand(site.shape)


class _StickBreaking(StickBreakingTransform):
    """torch's, with a log Jacobian whose second derivatives do not make torch warn (its logsigmoid keeps a buffer)."""

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        left = torch.arange(x.shape[-1], 0, -1, dtype=x.dtype)
        log_det: Tensor = (y[..., :-1].log() - torch.nn.functional.softplus(x - left.log())).sum(-1)
        return log_det


def _transform(support: Any) -> Transform:
    transform = biject_to(support)
    if type(transform) is StickBreakingTransform:
        return _StickBreaking()
    if isinstance(transform, IndependentTransform) and (
        type(transform.base_transform) is StickBreakingTransform
    ):
        return IndependentTransform(_StickBreaking(), transform.reinterpreted_batch_ndims)
    return transform


def _support(name: str, fn: Any) -> Any:
    base = fn
    while hasattr(base, "base_dist"):
        base = base.base_dist
    if type(base).__name__ == "VonMises":
        loc = base.loc.detach().double()
        return constraints.interval(loc - math.pi, loc + math.pi)
    support = fn.support
    if support.is_discrete:
        raise InputError(
            f"site '{name}': a discrete latent outside `with cases:` cannot be summed over; "
            "move it inside `with cases:` or replace it by its probability"
        )
    return support
