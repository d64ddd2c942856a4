"""`Score`: a Pyro handler that runs a label model once and adds up its log probabilities, clamping every site.

Parameters take the given values, features their columns, the label and other discrete sites the given codes. The sums are
kept apart: the prior, the label, the discrete sites that are summed over, and everything else per case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pyro.poutine.messenger import Messenger
from pyro.poutine.util import site_is_subsample
from torch import Tensor

from ..distributions.log_density import log_density
from ..features import Column
from .marginal import observed_log_prob

ZERO = torch.zeros((), dtype=torch.float64)


class Score(Messenger):
    """Log probabilities of one run.

    After the run: ``log_prior`` (); ``log_label``, ``log_summed`` and ``log_rest``, each () or (cases,), so that
    log p(z_i, y_i = k, summed sites | theta) = log_label + log_summed + log_rest. ``sites``, if given, receives the
    (cases,) part of every site inside the cases. ``apart`` (cases,) marks, by feature, the cases in which it is summed over.
    ``prior``: whether the parameters' own density is wanted.
    """

    def __init__(
        self,
        label: str,
        parameters: Mapping[str, Tensor],
        discrete: Mapping[str, Tensor],
        columns: Mapping[str, Column],
        *,
        apart: Mapping[str, Tensor] | None = None,
        sites: dict[str, Tensor] | None = None,
        prior: bool = True,
    ) -> None:
        super().__init__()
        self.prior = prior
        self.label, self.parameters, self.discrete = label, parameters, discrete
        self.columns, self.apart, self.sites = columns, apart or {}, sites
        self.log_prior: Tensor = ZERO
        self.log_label = self.log_summed = self.log_rest = ZERO

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if site_is_subsample(msg) or msg["infer"].get("_deterministic"):
            return
        name = msg["name"]
        if name in self.columns:
            msg["value"] = self.columns[name].value
        elif not msg["is_observed"]:
            msg["value"] = (self.parameters if name in self.parameters else self.discrete)[name]
        msg["done"] = True
        if inside_cases(msg):
            self._add(name, per_case(self._log_prob(msg)))
        elif self.prior:
            self.log_prior = plus(self.log_prior, self._log_prob(msg).sum())

    def _log_prob(self, msg: Mapping[str, Any]) -> Tensor:
        """The site's log probability under its mask and scale."""
        name, fn = msg["name"], msg["fn"]
        if name in self.columns:
            log_prob = observed_log_prob(name, fn, self.columns[name])
        else:
            log_prob = log_density(fn, msg["value"])
        if msg["mask"] is not None:
            log_prob = torch.where(torch.as_tensor(msg["mask"]), log_prob, 0.0)
        if not (isinstance(msg["scale"], float | int) and msg["scale"] == 1):
            log_prob = log_prob * msg["scale"]
        return log_prob

    def _add(self, name: str, log_prob: Tensor) -> None:
        """Add a site inside the cases to the sum it belongs to."""
        if self.sites is not None:
            self.sites[name] = log_prob
        if name == self.label:
            self.log_label = plus(self.log_label, log_prob)
        elif name in self.discrete:
            self.log_summed = plus(self.log_summed, log_prob)
        elif name in self.apart:
            self.log_summed = plus(self.log_summed, torch.where(self.apart[name], log_prob, 0.0))
            self.log_rest = plus(self.log_rest, torch.where(self.apart[name], 0.0, log_prob))
        else:
            self.log_rest = plus(self.log_rest, log_prob)


def plus(total: Tensor, part: Tensor) -> Tensor:
    """Their sum, without a pass over the cases to add nothing."""
    if total is ZERO:
        return part
    return total if part is ZERO else total + part


def inside_cases(site: Mapping[str, Any]) -> bool:
    """Whether the site lies in ``with cases:``."""
    return any(frame.name == "cases" for frame in site["cond_indep_stack"])


def per_case(log_prob: Tensor) -> Tensor:
    """Sum everything but the last axis, the cases."""
    return log_prob.sum(tuple(range(log_prob.dim() - 1))) if log_prob.dim() > 1 else log_prob
