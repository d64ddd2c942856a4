"""The contract every target keeps, the evidence's refusals, and soft cross entropy's identities."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from labelppl.errors import InputError
from labelppl.targets import TARGETS, TargetData, Validation
from labelppl.targets.base import soft_cross_entropy

NAMES = (
    "hard, smooth, paper-soft, prob, mixed, confidence-penalty, kd, tfkd-self, tfkd-reg, ols, cpls, "
    "raml, rat, self-distillation, mixup, cutmix, focal, dual-focal, domino, auc-margin, lspp, "
    "maxsup, mbls, logitnorm, mean-vote, majority, dirichlet"
)


def test_the_names_are_those_of_compare():
    assert ", ".join(TARGETS) == NAMES
    assert all(make.name == name for name, make in TARGETS.items())


@pytest.mark.parametrize("name", TARGETS)
def test_contract(name, evidence, logits):
    target = TARGETS[name]()
    assert target.usable(evidence).all()
    targets = target.start(evidence)
    assert len(targets) == len(evidence)
    z = logits.clone().requires_grad_()
    rows = torch.arange(len(evidence))
    target.observe(z.detach(), rows)
    loss = target.loss(z, targets, rows)
    loss.mean().backward()
    assert loss.shape == (len(evidence),)
    assert loss.isfinite().all()
    assert z.grad.isfinite().all()
    p = target.probabilities(logits)
    torch.testing.assert_close(p.sum(1), torch.ones(len(p), dtype=p.dtype))


@pytest.mark.parametrize("name", TARGETS)
def test_bf16_logits_are_scored_in_float32_at_least(name, evidence, logits):
    target = TARGETS[name]()
    targets = target.start(evidence).float()
    rows = torch.arange(len(evidence))
    rough = logits.bfloat16()
    loss = target.loss(rough, targets, rows)
    assert loss.dtype in (torch.float32, torch.float64)
    torch.testing.assert_close(
        loss, target.loss(rough.float(), targets, rows), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("name", TARGETS)
def test_a_resumed_target_continues_bit_for_bit(name, evidence):
    def epochs(target, targets, first, last):
        curve = []
        for epoch in range(first, last):
            g = torch.Generator().manual_seed(epoch)
            order = torch.randperm(len(evidence), generator=g)
            for rows in order.split(5):
                z = torch.randn(len(rows), 3, generator=g)
                target.observe(z, rows)
                curve.append(target.loss(z, targets[rows], rows))
            logits = torch.randn(9, 3, generator=g)
            new = target.end_epoch(epoch, 6, Validation(logits, torch.arange(9) % 3))
            targets = targets if new is None else new
        return targets, torch.cat(curve)

    straight = TARGETS[name]()
    targets, _ = epochs(straight, straight.start(evidence), 0, 3)
    saved = {key: value.clone() for key, value in straight.state_dict().items()}
    _, expected = epochs(straight, targets, 3, 6)

    resumed = TARGETS[name]()
    targets = resumed.start(evidence)
    restored = resumed.load_state_dict(saved)
    _, curve = epochs(resumed, targets if restored is None else restored, 3, 6)
    assert torch.equal(curve, expected)


@pytest.mark.parametrize("name", TARGETS)
def test_unlabelled_cases_are_left_out_or_used_but_never_silently_coerced(name, evidence):
    hard = evidence.hard.clone()
    hard[4] = -1
    some = TargetData(
        hard=hard,
        soft=evidence.soft,
        draws=evidence.draws,
        votes=evidence.votes,
        teacher=evidence.teacher,
        confusion=evidence.confusion,
        measured=evidence.measured,
    )
    target = TARGETS[name]()
    usable = target.usable(some)
    assert len(target.start(some.take(usable))) == int(usable.sum())
    if not usable[4]:
        with pytest.raises(InputError, match="row 4"):
            TARGETS[name]().start(some)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hard": torch.tensor([0, 3])}, "hard, row 1: got 3"),
        ({"soft": torch.tensor([[0.5, 0.5], [0.6, 0.6]])}, "soft, row 1"),
        ({"soft": torch.tensor([[0.5, 0.5], [float("nan"), 0.6]])}, "soft, row 1"),
        ({"soft": torch.tensor([[1.5, -0.5], [0.4, 0.6]])}, "soft, row 0"),
        ({"draws": torch.rand(5, 3, 2)}, "draws: got shape"),
        ({"votes": torch.ones(2, 3)}, "number of classes"),
        ({"teacher": torch.ones(3, 2)}, "teacher: got shape"),
        ({"draws": torch.rand(5, 2, 2), "log_weights": torch.zeros(4)}, "log_weights"),
        ({"soft": None}, "number of classes"),
    ],
)
def test_bad_evidence_is_refused_with_its_row(change, message):
    fields = {"hard": torch.tensor([0, 1]), "soft": torch.tensor([[0.5, 0.5], [0.4, 0.6]])}
    with pytest.raises(InputError, match=message):
        TargetData(**(fields | change))


def test_missing_evidence_is_named():
    bare = TargetData(hard=torch.tensor([0, 1]), classes=2)
    for name, field in [
        ("prob", "soft"),
        ("dirichlet", "mean_log"),
        ("majority", "votes"),
        ("kd", "teacher"),
        ("domino", "confusion"),
    ]:
        with pytest.raises(InputError, match=f"target {name}: got no evidence.{field}"):
            TARGETS[name]().start(bare)


def test_gradient_of_soft_cross_entropy_is_q_minus_p(evidence, logits):
    z = logits.clone().requires_grad_()
    soft_cross_entropy(z, evidence.soft).mean().backward()
    torch.testing.assert_close(z.grad, (logits.softmax(1) - evidence.soft) / len(logits))


def test_one_hot_targets_give_torchs_cross_entropy(evidence, logits):
    targets = TARGETS["hard"]().start(evidence)
    expected = functional.cross_entropy(logits, evidence.hard, reduction="none")
    torch.testing.assert_close(soft_cross_entropy(logits, targets), expected)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), draws=st.integers(1, 9), classes=st.integers(2, 5))
def test_mean_loss_over_draws_is_the_loss_of_the_mean_label(seed, draws, classes):
    g = torch.Generator().manual_seed(seed)
    p = torch.rand(draws, 4, classes, generator=g, dtype=torch.float64)
    p = p / p.sum(-1, keepdim=True)
    z = torch.randn(4, classes, generator=g, dtype=torch.float64)
    per_draw = torch.stack([soft_cross_entropy(z, one) for one in p])
    torch.testing.assert_close(per_draw.mean(0), soft_cross_entropy(z, p.mean(0)))
