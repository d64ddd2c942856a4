"""Residual-as-teacher: rounds, projection, cross-fitting, and a teacher's bias that a copy would keep."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from labelppl.errors import InputError
from labelppl.split import held_out_folds
from labelppl.targets import TARGETS, TargetData
from labelppl.targets.rat import (
    RESIDUAL_FOLDS,
    RaT,
    _regression,
    nearest_probabilities,
    residuals,
    turns,
)


def _data(n: int = 60, seed: int = 0, classes: int = 2) -> TargetData:
    rng = np.random.default_rng(seed)
    measured = rng.normal(size=(n, 2))
    hard = np.argmax(
        np.stack([k * measured[:, 0] for k in range(classes)], 1) + rng.gumbel(size=(n, classes)), 1
    )
    soft = np.full((n, classes), 1 / classes)
    return TargetData(
        hard=torch.from_numpy(hard),
        soft=torch.from_numpy(soft),
        measured=torch.from_numpy(measured),
    )


def test_rounds_are_spread_and_none_is_wasted_at_the_end() -> None:
    assert turns(12, 5) == (2, 4, 6, 8, 10)
    assert turns(3, 5) == (1, 2)
    assert turns(1, 5) == ()


@pytest.mark.parametrize("seed", range(4))
def test_projection_is_the_nearest_probability_vector(seed: int) -> None:
    row = np.random.default_rng(seed).normal(0.3, 0.8, 4)
    best = minimize(
        lambda p: ((p - row) ** 2).sum(), np.full(4, 0.25), bounds=[(0, 1)] * 4,
        constraints={"type": "eq", "fun": lambda p: p.sum() - 1}, options={"ftol": 1e-14},
    ).x  # fmt: skip
    ours = nearest_probabilities(torch.from_numpy(row)[None])[0]
    assert ours.sum().item() == pytest.approx(1, abs=1e-12)
    assert np.allclose(ours.numpy(), best, atol=1e-5)
    assert torch.allclose(nearest_probabilities(ours[None])[0], ours)


def test_a_labelled_case_is_corrected_by_the_others_alone() -> None:
    data = _data()
    measured, hard = data.measured.numpy(), data.hard.numpy().copy()
    hard[:6] = -1
    said = np.full((len(hard), 2), 0.5)
    wanted = residuals(measured, hard, said)
    labelled = np.flatnonzero(hard >= 0)
    missed = np.eye(2)[hard] - said
    for held in held_out_folds(hard[labelled], None, RESIDUAL_FOLDS, 0):
        out = labelled[held]
        kept = [i for i in labelled if i not in set(out)]
        alone = _regression().fit(measured[kept], missed[kept]).predict(measured[out])
        assert np.allclose(wanted[out], alone, atol=1e-12)
    all_of_them = _regression().fit(measured[labelled], missed[labelled])
    assert np.allclose(wanted[:6], all_of_them.predict(measured[:6]), atol=1e-12)


def test_where_the_measurements_say_nothing_more_the_target_is_what_the_student_says() -> None:
    """The residual of a student that is right is noise, which generalised cross-validation shrinks to its mean."""
    data, rng = _data(2000, seed=1), np.random.default_rng(3)
    q = 1 / (1 + np.exp(-rng.normal(size=2000)))
    said = np.stack([1 - q, q], 1)
    hard = (rng.random(2000) < q).astype(np.int64)
    wanted = residuals(data.measured.numpy(), hard, said)
    error = np.sqrt((q * (1 - q)).mean() / 2000)
    assert abs(wanted[:, 1].mean()) < 4 * error
    assert wanted[:, 1].std() < 0.05


def test_rounds_take_back_the_bias_that_a_copy_keeps() -> None:
    """The first target says 1/2 everywhere; a student that learns each target at once ends near the classes."""
    data = _data(400, seed=2)
    goal = RaT(rounds=5)
    target = goal.start(data)
    rows = torch.arange(400)
    for epoch in range(12):
        goal.observe(target.clamp_min(1e-9).log(), rows)
        moved = goal.end_epoch(epoch, 12, None)
        target = target if moved is None else moved
    truth = torch.sigmoid(data.measured[:, 0]).numpy()
    copied = np.abs(0.5 - truth).mean()
    assert np.abs(target[:, 1].numpy() - truth).mean() < 0.5 * copied


def test_a_teacher_that_says_six_tenths_reaches_all_but_a_hundredth_in_five_rounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "labelppl.targets.rat.residuals",
        lambda measured, hard, said: 0.6 * (np.eye(2)[hard] - said),
    )
    data = _data()
    truth = torch.eye(2, dtype=torch.float64)[data.hard]
    goal = RaT(rounds=5)
    first = target = goal.start(data)
    shares = []
    for epoch in range(12):
        goal.observe(target.log(), torch.arange(60))
        moved = goal.end_epoch(epoch, 12, None)
        if moved is not None:
            target = moved
            shares.append(float(((target - first) / (truth - first))[0, 0]))
    assert shares == pytest.approx([0.6, 0.84, 0.936, 0.9744, 0.98976])


def test_it_goes_on_from_its_state() -> None:
    data = _data()
    one, other = RaT(rounds=2), RaT(rounds=2)
    logits = torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    rows = torch.arange(60)
    for goal in (one, other):
        goal.start(data)
    one.observe(logits, rows)
    moved = one.end_epoch(1, 6, None)
    assert moved is not None
    again = other.load_state_dict(one.state_dict())
    assert torch.equal(moved, again)
    for goal in (one, other):
        goal.observe(2 * logits, rows)
    assert torch.equal(one.end_epoch(3, 6, None), other.end_epoch(3, 6, None))


def test_missing_measurements_are_told_apart_from_the_mean() -> None:
    rng = np.random.default_rng(0)
    measured = rng.normal(size=(200, 1))
    hard = rng.integers(0, 2, 200)
    measured[hard == 1] = np.nan  # only missingness tells
    wanted = residuals(measured, hard, np.full((200, 2), 0.5))
    assert (wanted[hard == 1, 1] > 0.3).all()
    assert (wanted[hard == 0, 1] < -0.3).all()


@pytest.mark.parametrize("field", ["soft", "measured"])
def test_it_says_what_it_lacks(field: str) -> None:
    whole = _data()
    parts = {"soft": whole.soft, "measured": whole.measured} | {field: None}
    with pytest.raises(InputError, match=field):
        TARGETS["rat"]().start(TargetData(hard=whole.hard, classes=2, **parts))


def test_hard_labels_of_one_class_are_refused() -> None:
    whole = _data()
    one = TargetData(hard=torch.zeros_like(whole.hard), soft=whole.soft, measured=whole.measured)
    with pytest.raises(InputError, match="fewer than two classes"):
        RaT().start(one)
    with pytest.raises(InputError, match="eta"):
        RaT(eta=0)
    with pytest.raises(InputError, match="rounds"):
        RaT(rounds=0)
