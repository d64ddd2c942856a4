"""One sigmoid neuron shown as two classes; moving the prevalence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from labelppl.errors import InputError
from labelppl.students.logits import class_logits, outputs_for, prevalence_shift


def test_cross_entropy_of_class_logits_is_binary_cross_entropy() -> None:
    generator = torch.Generator().manual_seed(0)
    logit = (5 * torch.randn(50, 1, generator=generator, dtype=torch.float64)).requires_grad_()
    p = torch.rand(50, generator=generator, dtype=torch.float64)
    ours = cross_entropy(class_logits(logit), torch.stack([1 - p, p], 1))
    theirs = binary_cross_entropy_with_logits(logit[:, 0], p)
    torch.testing.assert_close(ours, theirs, rtol=1e-14, atol=0)
    torch.testing.assert_close(
        *(torch.autograd.grad(loss, logit)[0] for loss in (ours, theirs)), rtol=1e-12, atol=1e-16
    )


def test_more_neurons_pass_unchanged() -> None:
    output = torch.randn(4, 3)
    assert class_logits(output) is output


def test_neurons() -> None:
    assert [outputs_for(2), outputs_for(2, full_head=True), outputs_for(5)] == [1, 2, 5]


def test_prevalence_shift_of_the_methods_page() -> None:
    shift = prevalence_shift([0.5, 0.5], [0.97, 0.03])
    moved = (torch.tensor([0.2, 0.8], dtype=torch.float64).log() + shift).softmax(0)
    assert float(moved[1]) == pytest.approx(0.110092, abs=5e-7)
    odds = np.log(0.8 / 0.2) + np.log(0.03 / 0.97) - np.log(0.5 / 0.5)
    assert float(moved[1]) == pytest.approx(1 / (1 + np.exp(-odds)), rel=1e-12)


@pytest.mark.parametrize("new", [[0.5, 0.6], [1.0, 0.0], [1.0], [np.nan, 0.5]])
def test_what_is_no_prevalence_is_refused(new: list[float]) -> None:
    with pytest.raises(InputError, match="deployment prevalence"):
        prevalence_shift([0.5, 0.5], new)
