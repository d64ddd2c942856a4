"""Several images of one case: the network sees each, and their logits become those of the case.

    logits of a case = sum_i a_i logits(x_i),    sum_i a_i = 1

`mean`: all a_i are the same. `attention` (after Ilse, Tomczak and Welling 2018, arXiv 1802.04712): the network has one output
more, a score e(x_i), and a = softmax(e) over the images of the case; it is learned with everything else, from labels of
cases alone. The last layer is linear, so that to pool logits is to pool what enters it.

What a case is asked is what is trained: losses are those of pooled logits, one term for each case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn

from .logits import class_logits
from .weight_posterior import with_features

Pool = Literal["mean", "attention"]
POOLS: tuple[Pool, ...] = ("mean", "attention")


@dataclass(frozen=True, eq=False)
class CaseBatch:
    """Images of some cases. pixels: (images, channels, height, width). case: (images,) int64, from 0. cases: how many."""

    pixels: Tensor
    case: Tensor
    cases: int
    pool: Pool

    def to(self, *args: Any) -> CaseBatch:
        """The same pixels in another type."""
        return replace(self, pixels=self.pixels.to(*args))


CaseBatchLike: TypeAlias = Tensor | CaseBatch
"""What a batch of cases shows: one image each (batch, channels, height, width), or a `CaseBatch`."""


def change_pixels(seen: CaseBatchLike, change: Callable[[Tensor], Tensor]) -> CaseBatchLike:
    """The same cases, `change` applied to their images."""
    return change(seen) if isinstance(seen, Tensor) else replace(seen, pixels=change(seen.pixels))


def case_logits(network: nn.Module, seen: CaseBatchLike) -> Tensor:
    """Class logits (cases, classes)."""
    if isinstance(seen, Tensor):
        return class_logits(network(seen))
    return class_logits(_pooled_outputs(network(seen.pixels), seen))


def case_features(
    network: nn.Module, layer: nn.Linear, seen: CaseBatchLike
) -> tuple[Tensor, Tensor]:
    """Outputs (cases, outputs) and what enters `layer`, (cases, inputs), both pooled."""
    if isinstance(seen, Tensor):
        return with_features(network, layer, seen)
    outputs, features = with_features(network, layer, seen.pixels)
    return _pooled_outputs(outputs, seen), _pooled(features, _weights(outputs, seen), seen)


def neurons(outputs: int, pool: Pool) -> int:
    """Of the last layer: those of the classes, and one for the score of attention."""
    return outputs + (pool == "attention")


def split_score(outputs: Tensor, pool: Pool) -> tuple[Tensor, Tensor | None]:
    """What the classes' neurons say, (images, outputs), and the scores (images,), None without attention."""
    return (outputs, None) if pool == "mean" else (outputs[:, :-1], outputs[:, -1])


def _pooled_outputs(outputs: Tensor, batch: CaseBatch) -> Tensor:
    own, _ = split_score(outputs, batch.pool)
    return _pooled(own, _weights(outputs, batch), batch)


def _weights(outputs: Tensor, batch: CaseBatch) -> Tensor:
    """a (images,), which sum to 1 in each case."""
    _, score = split_score(outputs, batch.pool)
    if score is None:
        raw = torch.ones(len(outputs), dtype=_wide(outputs).dtype, device=outputs.device)
    else:
        score = _wide(score)
        highest = score.new_full((batch.cases,), -torch.inf)
        highest = highest.scatter_reduce(0, batch.case, score.detach(), "amax")
        raw = (score - highest[batch.case]).exp()
    total = raw.new_zeros(batch.cases).index_add(0, batch.case, raw)
    return raw / total[batch.case]


def _pooled(values: Tensor, weights: Tensor, batch: CaseBatch) -> Tensor:
    """Weighted sums of values (images, columns) over the images of each case, (cases, columns)."""
    weighted = _wide(values) * weights[:, None].to(_wide(values))
    return weighted.new_zeros(batch.cases, values.shape[1]).index_add(0, batch.case, weighted)


def _wide(values: Tensor) -> Tensor:
    """float32 at least: sums of many bf16 numbers lose their digits."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values
