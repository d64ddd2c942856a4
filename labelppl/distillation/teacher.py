"""The evidence of targets that learn from a teacher."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from ..targets.hard import Hard
from ..targets.target_data import TargetData
from ..training.held import predict_logits
from ..training.schedule import Schedule
from ..training.train import train
from .prepare import Prepared


def with_teacher(
    prepared: Prepared, schedule: Schedule, options: dict[str, Any], show: bool
) -> TargetData:
    """The evidence with a teacher: the same student trained on the hard labels first."""
    evidence, held, network = prepared.data.evidence, prepared.held, prepared.network()
    train(
        network, prepared.source, evidence, Hard(), schedule,
        held=held, progress=show, step="teacher", **options,
    )  # fmt: skip
    device = next(network.parameters()).device
    teacher = predict_logits(network, prepared.source, device).cpu()
    confusion = None
    if held is not None:
        logits = predict_logits(network, held.source, device)
        hard = held.hard.to(logits.device)
        seen = hard >= 0
        k = evidence.classes
        pairs = hard[seen] * k + logits[seen].argmax(1)
        confusion = torch.bincount(pairs.cpu(), minlength=k * k).reshape(k, k)
    return replace(evidence, teacher=teacher, confusion=confusion)
