"""Majority: each tie rule does what it says."""

import torch

from labelppl.targets import TARGETS, TargetData

VOTES = torch.tensor([[3, 1, 0], [0, 2, 2], [2, 2, 2], [0, 0, 5]])
FOUR = TargetData(hard=torch.tensor([0, 1, 1, 2]), votes=VOTES)


def test_ties_are_split_by_default(gradient):
    target = TARGETS["majority"]()
    targets = target.start(FOUR)
    expected = torch.tensor([[1, 0, 0], [0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3], [0, 0, 1]])
    torch.testing.assert_close(targets, expected)
    z = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(gradient(target, z, targets), z.softmax(1) - expected)


def test_abstain_leaves_tied_cases_out():
    target = TARGETS["majority"](ties="abstain")
    assert target.usable(FOUR).tolist() == [True, False, False, True]
    targets = target.start(FOUR.take(target.usable(FOUR)))
    assert targets.argmax(1).tolist() == [0, 2]


def test_lowest_is_the_argmax():
    assert TARGETS["majority"](ties="lowest").start(FOUR).argmax(1).tolist() == [0, 1, 0, 2]


def test_seeded_draws_evenly_and_repeatably():
    many = TargetData(hard=torch.zeros(3000, dtype=torch.int64), votes=VOTES[1].repeat(3000, 1))
    one = TARGETS["majority"](ties="seeded", seed=4).start(many)
    assert torch.equal(one, TARGETS["majority"](ties="seeded", seed=4).start(many))
    assert one.sum(1).eq(1).all()
    # Three standard errors of a share of one half among 3,000.
    assert abs(float(one[:, 1].mean()) - 0.5) < 3 * 0.5 / 3000**0.5
    assert float(one[:, 0].sum()) == 0
