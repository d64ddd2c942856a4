"""Reward-augmented smoothing: mass falls with distance; 0/1 distances are label smoothing."""

import math

import torch

from labelppl.targets import TARGETS


def test_rows_fall_off_by_e_per_tau(evidence, logits, gradient):
    target = TARGETS["raml"](tau=0.5)
    targets = target.start(evidence)
    raw = torch.tensor(
        [[math.exp(-abs(y - k) / 0.5) for k in range(3)] for y in range(3)], dtype=torch.float64
    )
    table = raw / raw.sum(1, keepdim=True)
    torch.testing.assert_close(targets, table[evidence.hard])
    expected = logits.softmax(1) - table[evidence.hard]
    torch.testing.assert_close(gradient(target, logits, targets), expected)


def test_nominal_distances_are_label_smoothing(evidence):
    tau = 0.4
    nominal = TARGETS["raml"](tau, 1 - torch.eye(3)).start(evidence)
    rest = math.exp(-1 / tau)
    epsilon = 3 * rest / (1 + 2 * rest)
    torch.testing.assert_close(nominal, TARGETS["smooth"](epsilon).start(evidence))
