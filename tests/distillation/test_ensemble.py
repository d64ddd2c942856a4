"""`ensemble`: what the student learns, that nothing is lost where it is killed, and where it makes no sense."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from labelppl.distillation import ensemble
from labelppl.distillation.distill import distill
from labelppl.distillation.ensemble import checkpoint_of
from labelppl.errors import InputError
from labelppl.softlabels import SoftLabels
from labelppl.students.options import StudentOptions
from labelppl.table import Cases
from labelppl.targets.dirichlet import Dirichlet
from labelppl.targets.ensembled import Ensembled
from labelppl.targets.prob import Prob
from labelppl.targets.self_distillation import SelfDistillation
from labelppl.targets.target_data import TargetData
from labelppl.training.schedule import Schedule

Study = Callable[..., tuple[SoftLabels, Cases]]
QUICK = Schedule(epochs=3, batch_size=16, precision="32")


def _small(*, channels: int, outputs: int, image_size: tuple[int, int]) -> nn.Module:
    return nn.Sequential(
        nn.AvgPool2d(4), nn.Flatten(), nn.Linear(64, 6), nn.Tanh(), nn.Linear(6, outputs)
    )


def _options(members: int | None) -> StudentOptions:
    return StudentOptions(_small, ensemble=members, augment="none")


def test_the_loss_is_that_of_the_target_beside_the_mean() -> None:
    """By hand, and with a target whose rows change from epoch to epoch."""
    generator = torch.Generator().manual_seed(0)
    soft, mean = torch.rand(2, 5, 3, generator=generator, dtype=torch.float64)
    soft, mean = soft / soft.sum(1, keepdim=True), mean / mean.sum(1, keepdim=True)
    data = TargetData(hard=torch.arange(5) % 3, soft=soft)
    logits, rows = torch.randn(5, 3, generator=generator, dtype=torch.float64), torch.arange(5)
    both = Ensembled(Prob(), mean, 0.25)
    log_q = logits.log_softmax(1)
    by_hand = -((0.75 * soft + 0.25 * mean) * log_q).sum(1)
    torch.testing.assert_close(both.loss(logits, both.start(data), rows), by_hand)
    own = Ensembled(SelfDistillation(), mean)
    start = own.start(data)
    own.observe(logits, rows)
    renewed = own.end_epoch(0, 4, None)
    assert renewed is not None
    torch.testing.assert_close(renewed[:, 3:], mean)
    assert not torch.allclose(renewed[:, :3], start[:, :3])


def test_members_differ_and_the_student_is_drawn_to_their_mean(study: Study) -> None:
    labels, cases = study(60)
    alone = distill(labels, cases, student=_options(None), schedule=QUICK, lam=np.inf, device="cpu")
    three = distill(labels, cases, student=_options(3), schedule=QUICK, lam=np.inf, device="cpu")
    record = three.student.spec.training["ensemble"]
    assert (record["members"], record["share"], len(record["best_epochs"])) == (3, 0.5, 3)
    assert record["spread"] > 0.01
    assert "ensemble" not in alone.student.spec.training
    assert not np.allclose(*(one.predict_proba(cases.images) for one in (alone, three)))
    assert len(three.history) == len(alone.history)


@pytest.mark.parametrize("killed", ["member 2", "step 1", "step 2"])
def test_a_run_that_is_killed_goes_on_without_loss(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    """Members that are done are not trained again, and the bytes are those of the unbroken run."""
    labels, cases = study(40, test=10)
    options: dict[str, Any] = {
        "student": _options(2), "schedule": QUICK, "lam": 1.0, "device": "cpu",
    }  # fmt: skip
    whole = distill(labels, cases, out=tmp_path / "whole", **options)
    from labelppl.training import loop

    ended: list[str] = []
    own = loop.TrainingLoop.epoch

    def epoch(self: loop.TrainingLoop, batches: int, bar: Any) -> None:
        if self.plan.step == killed and len(self.history) == 1:
            raise KeyboardInterrupt
        ended.append(self.plan.step)
        own(self, batches, bar)

    with monkeypatch.context() as patch:
        patch.setattr(loop.TrainingLoop, "epoch", epoch)
        with pytest.raises(KeyboardInterrupt):
            distill(labels, cases, out=tmp_path / "killed", **options)
        assert checkpoint_of(tmp_path / "killed", 1).is_file()
        killed = ""
        again = distill(labels, cases, out=tmp_path / "killed", resume=True, **options)
        assert len(ended) == 4 * QUICK.epochs
    for one, two in zip(
        whole.student.network.parameters(), again.student.network.parameters(), strict=True
    ):
        assert torch.equal(one, two)
    files = [(tmp_path / name / "student.safetensors").read_bytes() for name in ("whole", "killed")]
    assert files[0] == files[1]
    assert not list((tmp_path / "killed").glob("checkpoint*"))
    assert json.loads((tmp_path / "killed" / "student.json").read_text())["training"]["ensemble"]


def test_the_folds_that_choose_lambda_train_an_ensemble_too(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that lambda is chosen for the theta_p that step 2 starts from."""
    labels, cases = study(40, test=10)
    made: list[int] = []
    own = ensemble.with_ensemble

    def counted(*arguments: Any, **named: Any) -> Any:
        made.append(len(arguments[2]))
        return own(*arguments, **named)

    monkeypatch.setattr("labelppl.distillation.choose.with_ensemble", counted)
    from labelppl.distillation.prior_options import PriorOptions

    prior = PriorOptions(grid=(np.inf, 1.0), folds=2)
    distill(labels, cases, student=_options(2), schedule=QUICK, prior=prior, device="cpu")
    assert made[0] == 30
    assert len(made) == 3
    assert all(size < 30 for size in made[1:])


def test_where_an_ensemble_makes_no_sense_one_line_says_so(study: Study) -> None:
    labels, cases = study(30, test=8)
    options: dict[str, Any] = {"schedule": QUICK, "lam": 1.0, "device": "cpu"}
    module = _small(channels=1, outputs=1, image_size=(32, 32))
    for student, target, words in (
        ("logistic", None, "a logistic student starts at zero"),
        (module, None, "give a factory"),
        (_small, Dirichlet(), "learns concentrations"),
    ):
        with pytest.raises(InputError, match=words):
            distill(
                labels, cases, student=StudentOptions(student, ensemble=2), target=target, **options
            )
    with pytest.raises(InputError, match="expected 2 or more"):
        StudentOptions(ensemble=1)
