"""One way to look at a network's output: class logits (batch, classes), whatever the network.

A single sigmoid neuron with logit l is the two-class softmax of [0, l]: softmax([0, l])[1] =
sigmoid(l), so cross entropy of it equals binary cross entropy with logits, gradients included.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError


def outputs_for(classes: int, full_head: bool = False) -> int:
    """Neurons of the output layer: one for two classes unless two are asked for."""
    return 1 if classes == 2 and not full_head else classes


def class_logits(output: Tensor) -> Tensor:
    """(batch, 1) -> (batch, 2) as [0, l]; (batch, classes) unchanged."""
    if output.shape[1] > 1:
        return output
    return torch.cat([torch.zeros_like(output), output], dim=1)


def log_odds(logits: Tensor) -> Tensor:
    """log p_k / (1 - p_k) of class logits, (cases, classes)."""
    own = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
    return logits - logits[:, None, :].masked_fill(own, -torch.inf).logsumexp(2)


def prevalence_shift(study: Sequence[float], deployment: Sequence[float]) -> Tensor:
    """What a change of prevalence adds to the class logits: log pi'_k - log pi_k, (classes,).

    From p'(k|x) proportional to p(k|x) pi'_k / pi_k. Raises InputError unless both
    are positive, of one length and sum to 1.
    """
    old, new = np.asarray(study, float), np.asarray(deployment, float)
    for name, value in (("study", old), ("deployment", new)):
        if value.shape != old.shape or not (value > 0).all() or abs(value.sum() - 1) > 1e-6:
            raise InputError(
                f"{name} prevalence: got {value.tolist()}, expected one positive number per "
                "class that sum to 1"
            )
    return torch.from_numpy(np.log(new) - np.log(old))
