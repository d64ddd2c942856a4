"""The evidence of targets that learn from a teacher."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ..targets.base import TargetData
from ..targets.hard import Hard
from ..training.held import predict_logits
from ..training.schedule import Schedule
from ..training.train import train
from .prepare import Prepared


def taught(
    prepared: Prepared, network: nn.Module, schedule: Schedule, options: dict[str, Any], show: bool
) -> TargetData:
    """The evidence with a teacher: the same student trained on the hard labels first."""
    evidence = prepared.data.evidence
    held = prepared.held
    train(
        network, prepared.source, evidence, Hard(), schedule,
        held=held, progress=show, step="teacher", **options,
    )  # fmt: skip
    device = next(network.parameters()).device
    teacher = predict_logits(network, prepared.source, device).cpu()
    confusion = None
    if held is not None:
        seen = held.hard >= 0
        guess = predict_logits(network, held.source, device).argmax(1).cpu()
        k = evidence.classes
        confusion = torch.bincount(held.hard[seen] * k + guess[seen], minlength=k * k).reshape(k, k)
    return replace(evidence, teacher=teacher, confusion=confusion)
