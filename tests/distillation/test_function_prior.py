"""The prior on predictions: its value and gradient, its limits, and pixels that both networks share."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from labelppl.distillation.distill import distill
from labelppl.distillation.distilled import Distilled
from labelppl.distillation.function_prior import FunctionPrior, HardNear
from labelppl.distillation.prior_options import PriorOptions
from labelppl.errors import InputError
from labelppl.softlabels import SoftLabels
from labelppl.table import Cases
from labelppl.targets.target_data import TargetData
from labelppl.training.schedule import Schedule
from labelppl.training.source import Resident
from labelppl.training.train import train

Study = Callable[..., tuple[SoftLabels, Cases]]
LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0]], dtype=torch.float64)
CENTRE = torch.tensor([[1.0, 1.0, 0.0, 0.0]], dtype=torch.float64)


class Constant(nn.Module):
    """The same logits for every image."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits.clone())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(images), -1)


def _near(beta: float) -> HardNear:
    return FunctionPrior.around(Constant(CENTRE), beta).target()


def test_value_and_gradient_of_an_unlabelled_case() -> None:
    target = _near(1.0)
    rows = target.start(TargetData(hard=torch.tensor([-1]), classes=4))
    both = target.complete(torch.zeros(1, 1, 2, 2), rows)
    logits = LOGITS.clone().requires_grad_()
    loss = target.loss(logits, both, torch.tensor([0])).sum()
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.20272, abs=5e-6)
    expected = torch.tensor([[0.27838, -0.12865, -0.04733, -0.10241]], dtype=torch.float64)
    assert torch.allclose(logits.grad, expected, atol=5e-6)


def test_without_strength_it_is_the_hard_label_alone() -> None:
    target = _near(0.0)
    rows = target.start(TargetData(hard=torch.tensor([1, -1]), classes=4))
    both = target.complete(torch.zeros(2, 1, 2, 2), rows)
    loss = target.loss(LOGITS.expand(2, -1), both, torch.arange(2))
    assert loss.tolist() == pytest.approx([-float(LOGITS.log_softmax(1)[0, 1]), 0.0])


def test_training_ends_between_theta_p_and_the_class_frequency_where_calculus_says() -> None:
    """d/dq of sum_i -log q(y_i) + beta m KL(p || q) = 0 gives q = (counts + beta m p) / (m + beta m)."""
    start = torch.tensor([[0.0, math.log(0.73 / 0.27)]])
    hard, beta = torch.tensor([1, 1, 0, 0, 0]), 0.5
    network = Constant(start)
    target = FunctionPrior.around(network, beta).target()
    images = Resident(torch.zeros(5, 1, 1, 1), lambda x: x)
    schedule = Schedule(epochs=400, batch_size=5, lr=0.05)
    train(network, images, TargetData(hard=hard, classes=2), target, schedule, device="cpu")
    expected = (2 + beta * 5 * 0.73) / (5 + beta * 5)
    assert float(network.logits.detach().softmax(1)[0, 1]) == pytest.approx(expected, abs=1e-4)


def test_both_networks_see_the_same_augmented_pixels() -> None:
    class Mean(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.stack([images.mean((1, 2, 3)), -images.mean((1, 2, 3))], 1)

    target = FunctionPrior(1.0, Mean()).target()
    rows = target.start(TargetData(hard=torch.tensor([-1, -1]), classes=2))
    pixels = torch.tensor([0.3, -0.7]).reshape(2, 1, 1, 1).expand(2, 1, 4, 4)
    both = target.complete(pixels, rows)
    assert torch.allclose(
        target.loss(Mean()(pixels), both, torch.arange(2)), torch.zeros(2), atol=1e-7
    )


def test_its_centre_stays_while_the_student_moves() -> None:
    network = Constant(CENTRE)
    prior = FunctionPrior.around(network, 1.0)
    before = prior.record()
    with torch.no_grad():
        network.logits.add_(1)
    assert prior.record() == before


def test_a_negative_strength_is_refused() -> None:
    with pytest.raises(InputError, match="beta: got -1"):
        FunctionPrior(-1.0, Constant(CENTRE))


def test_a_job_keeps_predictions_near_theta_p(study: Study, tmp_path: Path) -> None:
    labels, cases = study(40, test=10)
    quick = {"schedule": Schedule(epochs=2), "student": "logistic", "device": "cpu"}

    def moved(lam: float) -> float:
        prior = PriorOptions(lam, "predictions")
        done = distill(labels, cases, prior=prior, out=tmp_path / str(lam), **quick)
        kept = Distilled.load(tmp_path / str(lam)).student.spec.training["prior"]
        assert kept["space"] == "predictions"
        assert kept["lam"] == lam
        images = cases.images
        return float(abs(done.predict_proba(images) - done.theta_p.predict_proba(images)).max())

    free, held = moved(0.0), moved(1000.0)
    assert held < free / 2


def test_its_strength_is_chosen_like_lambda(study: Study) -> None:
    labels, cases = study(40, test=10)
    prior = PriorOptions(space="predictions", grid=(float("inf"), 1.0), folds=2)
    quick = {"schedule": Schedule(epochs=1), "student": "logistic", "device": "cpu"}
    choice = distill(labels, cases, prior=prior, **quick).choice
    assert choice is not None
    assert choice.grid == (float("inf"), 1.0)
    assert choice.evidence is None


@pytest.mark.parametrize(
    "options", [{"lam": "evidence"}, {"fisher": True}, {"layers": ("head.*",)}]
)
def test_options_of_a_prior_on_weights_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError, match="belongs to a prior on weights"):
        PriorOptions(space="predictions", **options)
    with pytest.raises(InputError, match="space: got 'functions'"):
        PriorOptions(space="functions")
