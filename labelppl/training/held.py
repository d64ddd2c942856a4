"""Held-out cases: what a network says of them, and how well."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..students.pooling import case_logits
from .source import Source

EVALUATION_BATCH = 256


@dataclass(frozen=True)
class Held:
    """Validation cases. source: their images. hard: (cases,) int64, -1 = unlabelled."""

    source: Source
    hard: Tensor


def predict_logits(network: nn.Module, source: Source, device: torch.device) -> Tensor:
    """Class logits (cases, classes) of a whole source in evaluation mode, float32."""
    network.eval()
    rows = torch.arange(len(source)).split(EVALUATION_BATCH)
    with torch.inference_mode():
        parts = [case_logits(network, x).float() for x in source.batches(rows, device)]
    return torch.cat(parts).clone()


def held_out_nll(probs: Tensor, hard: Tensor) -> float:
    """Mean -log q_y in nats, q clipped at 1e-12: probs (cases, classes), hard (cases,)."""
    picked = probs.gather(1, hard[:, None]).squeeze(1)
    return float(-picked.clamp_min(1e-12).log().mean())
