"""What a class-conditional Gaussian says of a block of cases, whichever numbers are missing.

For (mu, Sigma) ~ NIW and a fixed z of p numbers no matrix has to be drawn: with c ~ chi^2_df, X ~ chi^2_{p-1}, e ~ N(0, 1),

    log N(z | mu, Sigma) = -(p log 2 pi + log|Psi| - sum_{j<p} log chi^2_{df+j} - log c + (q + 1/kappa) X
                            + (sqrt(q c) + e / sqrt(kappa))^2) / 2      in distribution

Leaving a case out also changes what is known of the shared scale; its nodes are weighted by 1 / p(z_i | y_i, node),
Pareto-smoothed where they are draws. The law of the log density follows from Bartlett's factor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...psis import pareto_smooth
from ...seeds import Stream
from .draws import CHANGES, draw_nodes, log_gamma_draws
from .evidence import Evidence, exactly
from .gaussian_nodes import Distances, GaussianNodes, distances, log_t, take_out


@dataclass(frozen=True)
class _Pattern(Evidence):
    """Cases that have the same ``p`` numbers. states: by class. own (cases,): the label that is left out, or None.

    log_unit (cases,): log of what a unit of z is in the model's unit. by_node (cases, classes, nodes): log predictive density. log_weights (cases,
    nodes): of the nodes without the case; tail (cases,): their Pareto k.
    """

    posterior: GaussianNodes
    p: int
    log_unit: Tensor
    states: tuple[Distances, ...]
    own: Tensor | None
    by_node: Tensor
    log_weights: Tensor
    tail: Tensor

    @classmethod
    def of(
        cls,
        posterior: GaussianNodes,
        values: Tensor,
        kept: Tensor,
        own: Tensor | None,
        log_stretch: Tensor,
    ) -> _Pattern:
        """Evidence of the numbers ``kept`` of ``values`` (cases, d)."""
        z = ((values - posterior.center) / posterior.unit)[:, kept]
        n, p = z.shape
        log_unit = log_stretch + torch.log(posterior.unit[kept]).sum()
        states = tuple(distances(posterior, z, kept, k) for k in range(len(posterior.count)))
        by_node = torch.stack(
            [
                log_t(posterior, state, k, p, own) - log_unit[:, None]
                for k, state in enumerate(states)
            ],
            1,
        )
        log_weights, khat = posterior.log_weights.expand(n, -1), exactly(n)
        if own is not None and len(posterior.worth) > 1:
            ratios = posterior.log_weights - by_node[torch.arange(n), own]
            if posterior.spread is None:
                log_weights = torch.log_softmax(ratios, -1)
            else:
                log_weights, khat = map(torch.from_numpy, pareto_smooth(ratios.numpy()))
        return cls(posterior, p, log_unit, states, own, by_node, log_weights, khat)

    @property
    def log_predictive(self) -> Tensor:
        """(cases, classes)."""
        return torch.logsumexp(self.by_node + self.log_weights[:, None], -1)

    @property
    def khat(self) -> Tensor:
        """(cases,)."""
        return self.tail

    def draw(self, chosen: Tensor, numbers: Stream) -> Tensor:
        node = draw_nodes(self.by_node, self.log_weights, chosen, numbers.stream("node"))
        (n, draws), p = chosen.shape, self.p
        worths, index = torch.unique(self.posterior.worth, return_inverse=True)
        generator = numbers.stream("density").torch()
        out = []
        for k, state in enumerate(self.states):
            count, kappa = float(self.posterior.count[k]), float(self.posterior.kappa[k])
            df = worths[:, None] + count + CHANGES
            log_c = math.log(2) + log_gamma_draws(df / 2, draws, generator)
            others = (df[..., None] + torch.arange(1, p)) / 2
            log_rest = (math.log(2) + log_gamma_draws(others, draws, generator)).sum(-2)
            across = torch.zeros(draws, dtype=torch.float64)
            if p > 1:
                half = torch.full((draws,), (p - 1) / 2, dtype=torch.float64)
                across = 2 * torch._standard_gamma(half, generator=generator)
            e = torch.randn(draws, generator=generator, dtype=torch.float64)
            q, log_det = state.q.gather(1, node), state.log_det[node]
            out_of = torch.zeros_like(chosen, dtype=torch.bool)
            if self.own is not None:
                out_of = (self.own == k)[:, None].expand_as(chosen)
                q, log_det = take_out(q, log_det, kappa, out_of)
            into = chosen == k
            held = kappa - out_of.to(q)
            r = held / (held + 1)
            log_det = log_det + torch.where(into, torch.log1p(r * q), 0.0)
            q = torch.where(into, r**2 * q / (1 + r * q), q)
            held = held + into.to(q)
            at = index[node], 1 - out_of.long() + into.long(), torch.arange(draws).expand(n, -1)
            c = torch.exp(log_c[at])
            square = (q + 1 / held) * across + ((q * c).sqrt() + e / held.sqrt()) ** 2
            out.append(0.5 * (log_rest[at] + log_c[at] - log_det - square))
        return torch.stack(out, -1) - (
            0.5 * p * math.log(2 * math.pi) + self.log_unit[:, None, None]
        )


@dataclass(frozen=True)
class ByPattern(Evidence):
    """Cases with different numbers missing."""

    cases: int
    classes: int
    parts: tuple[tuple[Tensor, Tensor, _Pattern], ...]

    @classmethod
    def of(
        cls,
        posterior: GaussianNodes,
        values: Tensor,
        observed: Tensor,
        log_stretch: Tensor,
        own: Tensor | None,
    ) -> ByPattern:
        """Evidence of ``values`` (cases, d) on their scale; own (cases,): the labels that are left out, or None."""
        patterns, which = torch.unique(observed, dim=0, return_inverse=True)
        parts = []
        for at, pattern in enumerate(patterns):
            rows = (which == at).nonzero()[:, 0]
            kept = pattern.nonzero()[:, 0]
            left = None if own is None or len(kept) == 0 else own[rows]
            part = _Pattern.of(posterior, values[rows], kept, left, log_stretch[rows])
            parts.append((rows, kept, part))
        return cls(len(values), len(posterior.count), tuple(parts))

    @property
    def log_predictive(self) -> Tensor:
        """(cases, classes)."""
        out = torch.zeros(self.cases, self.classes, dtype=torch.float64)
        for rows, _, part in self.parts:
            out[rows] = part.log_predictive
        return out

    @property
    def khat(self) -> Tensor:
        """(cases,)."""
        out = exactly(self.cases)
        for rows, _, part in self.parts:
            out[rows] = part.khat
        return out

    def draw(self, chosen: Tensor, numbers: Stream) -> Tensor:
        out = torch.zeros(*chosen.shape, self.classes, dtype=torch.float64)
        for rows, kept, part in self.parts:
            if len(kept):
                out[rows] = part.draw(chosen[rows], numbers.stream(*kept.tolist()))
        return out
