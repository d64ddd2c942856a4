"""Mean vote: shares of raters, pseudo-votes, cases without a vote."""

import pytest
import torch

from labelppl.errors import InputError
from labelppl.targets import TARGETS, TargetData

VOTES = torch.tensor([[3, 1, 0], [0, 0, 0], [1, 1, 2]])
SOME = TargetData(hard=torch.tensor([0, -1, 2]), votes=VOTES)


def test_shares_and_gradient(evidence, logits, gradient):
    target = TARGETS["mean-vote"]()
    assert target.usable(SOME).tolist() == [True, False, True]
    targets = target.start(SOME.take(target.usable(SOME)))
    torch.testing.assert_close(targets, torch.tensor([[0.75, 0.25, 0], [0.25, 0.25, 0.5]]))
    shares = evidence.votes.double() / evidence.votes.sum(1, keepdim=True)
    got = gradient(target, logits, target.start(evidence))
    torch.testing.assert_close(got, logits.softmax(1) - shares)


def test_pseudo_votes():
    targets = TARGETS["mean-vote"](prior=1.0).start(SOME.take(torch.tensor([0])))
    torch.testing.assert_close(targets, torch.tensor([[4 / 7, 2 / 7, 1 / 7]]))


def test_a_case_without_votes_is_named():
    with pytest.raises(InputError, match="row 1"):
        TARGETS["mean-vote"]().start(SOME)
