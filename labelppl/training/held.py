"""Held-out cases: what a network says of them, and how well."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..students.logits import class_logits
from .source import Source

EVALUATION_BATCH = 256


@dataclass(frozen=True)
class Held:
    """Validation cases. source: their images. hard: (images,) int64, -1 = unlabelled.

    units: (images,) int64, which case each image shows, where a case has several; else None.
    """

    source: Source
    hard: Tensor
    units: Tensor | None = None


def predict_logits(network: nn.Module, source: Source, device: torch.device) -> Tensor:
    """Class logits (images, classes) of a whole source in evaluation mode, float32."""
    network.eval()
    rows = torch.arange(len(source)).split(EVALUATION_BATCH)
    with torch.inference_mode():
        parts = [class_logits(network(x)).float() for x in source.batches(rows, device)]
    return torch.cat(parts).clone()


def pool(logits: Tensor, held: Held) -> tuple[Tensor, Tensor]:
    """Per case: the mean of its images' logits (cases, classes), and its label (cases,)."""
    hard = held.hard.to(logits.device)
    if held.units is None:
        return logits, hard
    _, unit = held.units.to(logits.device).unique(return_inverse=True)
    return mean_by_unit(logits, unit), mean_by_unit(hard[:, None].double(), unit)[:, 0].long()


def mean_by_unit(values: Tensor, unit: Tensor) -> Tensor:
    """Mean over the rows of each unit: values (rows, columns), unit (rows,) from 0 -> (units, columns)."""
    units = int(unit.max()) + 1
    total = values.new_zeros(units, values.shape[1]).index_add_(0, unit, values)
    return total / torch.bincount(unit, minlength=units)[:, None].to(values)


def held_out_nll(probs: Tensor, hard: Tensor) -> float:
    """Mean -log q_y in nats, q clipped at 1e-12: probs (cases, classes), hard (cases,)."""
    picked = probs.gather(1, hard[:, None]).squeeze(1)
    return float(-picked.clamp_min(1e-12).log().mean())
