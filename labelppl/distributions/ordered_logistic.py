"""Ordered logistic law of an ordinal grade 0..K-1.

    P(y <= k) = sigmoid(c_k - eta),   P(y = k) = s(c_k - eta) s(eta - c_{k-1}) (1 - e^{c_{k-1} - c_k})

The product form (s is the sigmoid) has no cancellation, and no infinite cutpoint is needed at the ends.
torch's and Pyro's version fails inside `vmap` because of in-place arithmetic. Source: McCullagh,
JRSS B 42 (1980).
"""

from __future__ import annotations

from typing import Any

import pyro.distributions as dist
import torch
from torch import Tensor
from torch.distributions import constraints
from torch.nn.functional import logsigmoid

from ._base import broadcast_shapes


class OrderedLogistic(dist.Categorical):
    """Ordered logistic law of a grade 0, ..., K - 1; values (batch,).

        P(y <= k) = sigmoid(c_k - eta)

    Source: McCullagh, JRSS B 42 (1980).

    Args:
        predictor: eta, (batch,).
        cutpoints: c, increasing, (batch, K - 1).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = OrderedLogistic(torch.tensor(0.0), torch.tensor([-1.0, 1.0]))
        >>> [round(p, 3) for p in law.probs.tolist()]
        [0.269, 0.462, 0.269]
    """

    arg_constraints = {  # noqa: RUF012
        "predictor": constraints.real,
        "cutpoints": dist.constraints.ordered_vector,
    }

    def __init__(
        self, predictor: Tensor, cutpoints: Tensor, *, validate_args: bool | None = None
    ) -> None:
        batch = broadcast_shapes(predictor.shape, cutpoints.shape[:-1])
        self.predictor = predictor.expand(batch)
        self.cutpoints = cutpoints.expand(batch + cutpoints.shape[-1:])
        distance = self.cutpoints - self.predictor[..., None]
        gap = self.cutpoints[..., 1:] - self.cutpoints[..., :-1]
        end = torch.zeros_like(distance[..., :1])
        below_upper = torch.cat([logsigmoid(distance), end], -1)
        above_lower = torch.cat([end, logsigmoid(-distance)], -1)
        between = torch.cat([end, torch.log(-torch.expm1(-gap)), end], -1)
        if self.cutpoints.shape[-1] == 0:
            between = end
        logits = below_upper + above_lower + between
        super().__init__(logits=logits, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        batch = torch.Size(batch_shape)
        new = type(self).__new__(type(self)) if _instance is None else _instance
        new.predictor = self.predictor.expand(batch)
        new.cutpoints = self.cutpoints.expand(batch + self.cutpoints.shape[-1:])
        return super().expand(batch, _instance=new)

    def cdf(self, value: Tensor) -> Tensor:
        """P(y <= value), value (batch) of grades."""
        steps = torch.cat(
            [
                torch.sigmoid(self.cutpoints - self.predictor[..., None]),
                torch.ones_like(self.predictor[..., None]),
            ],
            -1,
        )
        index = value.long()[..., None]
        shape = broadcast_shapes(steps.shape[:-1], index.shape[:-1])
        steps = steps.expand(shape + steps.shape[-1:])
        index = index.expand((*shape, 1))
        inside = torch.gather(steps, -1, index.clamp(min=0))[..., 0]
        return torch.where(index[..., 0] < 0, torch.zeros_like(inside), inside)
