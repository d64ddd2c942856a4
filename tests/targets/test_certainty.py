"""Certainty weights: mean one, the hand value, and the loss of the target they wrap."""

import math

import pytest
import torch

from labelppl.targets import TARGETS, CertaintyWeighted, dirichlet_concentration


@pytest.mark.parametrize("kind", ["entropy", "concentration"])
def test_weights_scale_the_gradient_and_keep_the_sum(kind, evidence, logits, gradient):
    target = CertaintyWeighted(TARGETS["prob"](), kind, scale=4.0)
    targets = target.start(evidence)
    p = evidence.soft
    if kind == "entropy":
        raw = 1 + (p * p.log()).sum(1) / math.log(3)
    else:
        a0 = dirichlet_concentration(evidence.draws)
        raw = a0 / (a0 + 4.0)
    weights = raw / raw.mean()
    assert abs(float(target.weights.mean()) - 1) < 1e-12
    expected = weights[:, None] * (logits.softmax(1) - p)
    torch.testing.assert_close(gradient(target, logits, targets), expected)


def test_it_needs_what_its_target_needs(evidence):
    assert CertaintyWeighted(TARGETS["kd"]()).needs_teacher
    assert CertaintyWeighted(TARGETS["ols"]()).needs_observe
    assert CertaintyWeighted(TARGETS["dirichlet"]()).needs_full_head
    assert CertaintyWeighted(TARGETS["hard"]()).usable(evidence).all()
