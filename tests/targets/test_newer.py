"""LS++, MaxSup, margin-based smoothing and logit normalisation against their published values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from labelppl.errors import InputError
from labelppl.targets import TARGETS
from labelppl.targets.logitnorm import LogitNorm
from labelppl.targets.lspp import LSPP
from labelppl.targets.maxsup import MaxSup
from labelppl.targets.mbls import MbLS
from labelppl.targets.paper_soft import PaperSoft
from labelppl.targets.smooth import Smooth
from labelppl.targets.target_data import TargetData

Z = torch.tensor([[2.0, 1.0, 0.0, -1.0]], dtype=torch.float64)
HARD = TargetData(hard=torch.tensor([1]), classes=4)


def _loss(target: Any, z: Tensor = Z, evidence: TargetData = HARD) -> tuple[float, Tensor]:
    logits = z.clone().requires_grad_()
    rows = target.start(evidence)
    loss = target.loss(logits, rows, torch.arange(len(rows))).sum()
    (gradient,) = torch.autograd.grad(loss, logits)
    return float(loss.detach()), gradient


PUBLISHED: dict[str, tuple[Any, float, list[float]]] = {
    "maxsup": (MaxSup(0.1), 1.59019, [0.71891, -0.78812, 0.06214, 0.00706]),
    "label smoothing": (Smooth(0.1), 1.49019, [0.61891, -0.68812, 0.06214, 0.00706]),
    "mbls": (MbLS(0.1, 1.0), 1.51519, [0.69391, -0.76312, 0.06214, 0.00706]),
    "logitnorm": (LogitNorm(1.0), 1.28398, [0.17174, -0.29435, 0.07516, 0.04913]),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_value_and_gradient_at_the_check_point(name: str) -> None:
    target, value, slopes = PUBLISHED[name]
    loss, gradient = _loss(target)
    assert loss == pytest.approx(value, abs=5e-6)
    np.testing.assert_allclose(gradient[0], slopes, atol=5e-6)


def test_maxsup_is_label_smoothing_where_the_student_is_right_and_rises() -> None:
    right = TargetData(hard=torch.tensor([0]), classes=4)
    assert _loss(MaxSup(0.1), evidence=right)[0] == pytest.approx(
        _loss(Smooth(0.1), evidence=right)[0]
    )
    target = MaxSup(0.1, 0.2)
    target.start(HARD)
    for epoch in range(5):
        alpha = float(target.state_dict()["alpha"])
        assert alpha == pytest.approx(0.1 + 0.1 * epoch / 4)
        target.end_epoch(epoch, 5, None)
    again = MaxSup(0.1, 0.2)
    again.start(HARD)
    again.load_state_dict(target.state_dict())
    assert again.state_dict() == target.state_dict()


@pytest.mark.parametrize(("margin", "felt"), [(2.999, True), (3.001, False)])
def test_mbls_starts_just_beyond_its_margin(margin: float, felt: bool) -> None:
    plain, _ = _loss(MbLS(0.0))
    assert (_loss(MbLS(0.1, margin))[0] > plain) is felt


def test_logitnorm_sees_no_length_and_asks_for_two_outputs() -> None:
    target = LogitNorm(1.0)
    _, gradient = _loss(target)
    assert float((gradient * Z).sum()) == pytest.approx(0, abs=1e-12)
    assert _loss(target, 7 * Z)[0] == pytest.approx(_loss(target)[0])
    torch.testing.assert_close(target.probabilities(7 * Z), target.probabilities(Z))
    assert target.needs_full_head
    assert torch.isfinite(_loss(target, 0 * Z)[1]).all()


def test_lspp_network_gradient_is_q_minus_its_target() -> None:
    target = LSPP(0.1)
    target.start(HARD)
    spread = torch.zeros(4, 4, dtype=torch.float64)
    spread[1] = torch.tensor([0.6, 0.0, 0.3, 0.1])
    rows = target.load_state_dict({"spread": spread, "sums": torch.zeros(4, 4).double()})
    logits = Z.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(target.loss(logits, rows, torch.arange(1)).sum(), logits)
    np.testing.assert_allclose(gradient[0] / 2, [0.29196, -0.33156, 0.02857, 0.01103], atol=5e-6)


def test_lspp_table_is_where_its_own_gradient_vanishes() -> None:
    """The published loss of C, 1/2 CE(q, t) summed over cases, has no gradient in C's logits at the new table."""
    generator = torch.Generator().manual_seed(0)
    hard = torch.randint(0, 4, (60,), generator=generator)
    logits = torch.randn(60, 4, generator=generator, dtype=torch.float64)
    target = LSPP(0.1)
    target.start(TargetData(hard=hard, classes=4))
    for some in torch.arange(60).split(7):
        target.observe(logits[some], some)
    targets = target.end_epoch(0, 2, None)
    q = logits.softmax(1)
    for y in range(4):
        table = ((targets[hard == y][0] - 0.9 * torch.eye(4)[y]) / 0.1).double()
        assert float(table.sum()) == pytest.approx(1)
        assert float(table[y]) == pytest.approx(0, abs=1e-6)
        others = [k for k in range(4) if k != y]
        free = table[others].log().requires_grad_()
        loss = -(q[hard == y][:, others] * free.log_softmax(0)).sum() / 2
        (gradient,) = torch.autograd.grad(loss, free)
        assert float(gradient.abs().max()) < 1e-5


def test_lspp_starts_as_paper_soft_and_refuses_two_classes_by_name() -> None:
    evidence = TargetData(hard=torch.tensor([0, 2, 3]), classes=4)
    torch.testing.assert_close(LSPP(0.1).start(evidence), PaperSoft(0.1).start(evidence))
    with pytest.raises(InputError, match="target lspp: got 2 classes"):
        LSPP().start(TargetData(hard=torch.tensor([0, 1]), classes=2))
    LSPP().start(TargetData(hard=torch.tensor([0, 1]), classes=3))


def test_lspp_resumes() -> None:
    evidence = TargetData(hard=torch.tensor([0, 1, 2]), classes=3)
    one, two = LSPP(), LSPP()
    one.start(evidence)
    two.start(evidence)
    one.observe(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)), torch.arange(3))
    two.load_state_dict(one.state_dict())
    torch.testing.assert_close(one.end_epoch(0, 2, None), two.end_epoch(0, 2, None))


def test_their_names_are_those_of_compare() -> None:
    for name in ("lspp", "maxsup", "mbls", "logitnorm"):
        assert TARGETS[name]().name == name
