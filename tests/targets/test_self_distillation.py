"""Progressive self-distillation: the share grows linearly and uses the last epoch's answers."""

import torch

from labelppl.targets import TARGETS


def test_targets_by_hand(evidence, logits, gradient):
    target = TARGETS["self-distillation"](0.8)
    y = torch.eye(3, dtype=torch.float64)[evidence.hard]
    torch.testing.assert_close(target.start(evidence), y)
    target.observe(logits, torch.arange(len(logits)))
    q = logits.softmax(1)
    # Epoch 2 of 4: alpha = .8 * 2 / 4.
    targets = target.end_epoch(0, 4, None)
    torch.testing.assert_close(targets, 0.6 * y + 0.4 * q)
    torch.testing.assert_close(gradient(target, logits, targets), 0.6 * (q - y))
    # Epoch 3 sees half the cases anew; the others keep their older answer.
    target.observe(-logits[:6], torch.arange(6))
    past = torch.cat([(-logits[:6]).softmax(1), q[6:]])
    torch.testing.assert_close(target.end_epoch(1, 4, None), 0.4 * y + 0.6 * past)
