"""Objects of the user's own: network, target, augmentation; each changes the student, is saved, resumed and told apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from labelppl import InputError, PriorOptions, Schedule, StudentOptions, distill
from labelppl.distillation.distilled import Distilled
from labelppl.students.load import load_student
from labelppl.targets.base import Target
from labelppl.targets.dirichlet import Dirichlet
from labelppl.targets.focal import Focal
from labelppl.targets.target_data import TargetData, one_hot

Study = Callable[..., tuple[Any, Any]]
QUICK = Schedule(epochs=3, batch_size=16, lr=1e-3)


def small(*, channels: int, outputs: int, image_size: tuple[int, int]) -> nn.Module:
    """A factory: one convolution, a mean over the image, one layer."""
    del image_size
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(24, outputs),
    )  # fmt: skip


class Opposite(Target):
    """The wrong class of two."""

    name = "opposite"

    def __init__(self, share: float = 1.0) -> None:
        self.share = share

    def start(self, evidence: TargetData) -> Tensor:
        true = one_hot(evidence)
        return self.share * true.flip(1) + (1 - self.share) * true


def upside_down(images: Tensor) -> Tensor:
    """An augmentation."""
    return images.flip(2)


def dark(images: Tensor) -> Tensor:
    """Another one, with which nothing can be learnt."""
    return images * 0


def _files(cases: Any, split: str = "test") -> list[Path]:
    return [p for p, s in zip(cases.images, cases.split, strict=True) if s == split]


@pytest.mark.parametrize("kind", ["factory", "module"])
def test_a_network_of_ones_own_trains_saves_loads_and_resumes(
    study: Study, tmp_path: Path, kind: str
) -> None:
    labels, cases = study(40)
    torch.manual_seed(0)
    network: Any = small
    if kind == "module":
        network = small(channels=1, outputs=1, image_size=(32, 32))
        before = [p.clone() for p in network.parameters()]
    out = tmp_path / "run"
    done = distill(labels, cases, student=network, lam=1.0, schedule=QUICK, out=out)
    probs = done.predict_proba(_files(cases))
    assert np.ptp(probs[:, 1]) > 0.01
    if kind == "module":  # it is copied, and left as it was
        assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))
    with pytest.raises(InputError, match="network of your own"):
        load_student(out)
    again = load_student(out, network=network)
    np.testing.assert_array_equal(again.predict_proba(_files(cases)), probs)
    assert again.posterior is not None
    resumed = distill(labels, cases, student=network, lam=1.0, schedule=QUICK, out=out, resume=True)
    np.testing.assert_array_equal(resumed.predict_proba(_files(cases)), probs)
    assert resumed.to_frame().equals(done.to_frame())
    read = Distilled.load(out, network=network)
    assert read.to_frame().equals(done.to_frame())


def test_what_is_no_student_is_one_clear_line(study: Study) -> None:
    labels, cases = study(40)
    for student, words in (
        (3, "expected a name, a torch.nn.Module or a factory"),
        (lambda **_: 3, "returned int, expected a torch.nn.Module"),
        (lambda channels: nn.Flatten(), "cannot be called with channels, outputs and image_size"),
        (nn.Flatten(), r"give \(2, 1024\), expected logits of shape \(2, 1\)"),
        (nn.Linear(3, 1), "does not take images of 1x32x32"),
    ):
        with pytest.raises(InputError, match=words) as caught:
            distill(labels, cases, student=student, schedule=QUICK)
        assert "\n" not in str(caught.value)


def test_a_target_and_an_augmentation_of_ones_own_change_the_student(study: Study) -> None:
    labels, cases = study(80, test=20)
    schedule = replace(QUICK, epochs=12)
    options: dict[str, Any] = {"student": small, "lam": np.inf, "schedule": schedule}
    truth = cases.labels[cases.split == "test"]
    right = distill(labels, cases, **options).predict_proba(_files(cases))
    wrong = distill(labels, cases, target=Opposite, **options).predict_proba(_files(cases))
    assert (right.argmax(1) == truth).mean() > 0.7
    assert (wrong.argmax(1) == truth).mean() < 0.3
    blind = distill(labels, cases, augment=dark, **options).predict_proba(_files(cases))
    turned = distill(labels, cases, augment=upside_down, **options).predict_proba(_files(cases))
    assert not np.array_equal(turned, right)
    assert (blind.argmax(1) == truth).mean() < (turned.argmax(1) == truth).mean()


def test_resume_names_what_differs_whether_it_was_finished_or_not(
    study: Study, tmp_path: Path
) -> None:
    labels, cases = study(40)
    out = tmp_path / "run"
    options: dict[str, Any] = {
        "student": small, "target": Focal(gamma=2.0, base="soft"), "lam": 1.0, "schedule": QUICK,
    }  # fmt: skip
    distill(labels, cases, out=out, **options)
    flipped = replace(labels, probs=labels.probs[:, ::-1].copy())
    changes: list[tuple[dict[str, Any], str]] = [
        ({"target": Focal(gamma=3.0, base="soft")}, r"target\.gamma = 2\.0, not 3\.0"),
        ({"augment": "none"}, r"student\.augment = shift, not none"),
        ({"augment": upside_down}, r"student\.augment = shift, not"),
        ({"seed": 1}, "seed = 0, not 1"),
        ({"lam": 2.0}, r"prior\.lam = 1\.0, not 2\.0"),
        ({"prior": PriorOptions(fisher=True)}, r"prior\.fisher = False, not True"),
        ({"student": StudentOptions(small, frozen=("0.*",))}, r"student\.frozen = \[\]"),
        ({"student": "cnn"}, r"student\.student"),
        ({"schedule": replace(QUICK, lr=2e-3)}, r"schedule\.lr = 0\.001, not 0\.002"),
        ({"map_schedule": replace(QUICK, epochs=2)}, r"map_schedule\.epochs = 3, not 2"),
    ]
    for change, words in changes:
        with pytest.raises(InputError, match=words):
            distill(labels, cases, out=out, resume=True, **{**options, **change})
    with pytest.raises(InputError, match="was made with labels = "):
        distill(flipped, cases, out=out, resume=True, **options)
    one, two = _files(cases, "train")[:2]
    one.write_bytes(two.read_bytes())
    with pytest.raises(InputError, match="was made with images = "):
        distill(labels, cases, out=out, resume=True, **options)


def test_frozen_layers_and_layers_with_a_rate_of_their_own(study: Study) -> None:
    labels, cases = study(40)
    start = small(channels=1, outputs=1, image_size=(32, 32))
    options = StudentOptions(start, frozen=("0.weight",), rates=(("0.bias", 1e-3),))
    done = distill(labels, cases, student=options, lam=np.inf, schedule=QUICK)
    moved = {
        n: float((p - dict(start.named_parameters())[n]).detach().abs().max())
        for n, p in done.student.network.named_parameters()
    }
    assert moved["0.weight"] == 0
    assert 0 < moved["0.bias"] < 1e-2 * moved["4.bias"]
    for wrong in ({"frozen": ("x.*",)}, {"rates": (("x.*", 0.1),)}):
        with pytest.raises(InputError, match=r"'x\.\*' matches no parameter"):
            distill(labels, cases, student=StudentOptions(start, **wrong), schedule=QUICK)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="every layer is frozen"):
        distill(labels, cases, student=StudentOptions(start, frozen=("*",)), schedule=QUICK)


def test_starting_weights_of_ones_own_network_with_their_normalisation(
    study: Study, tmp_path: Path
) -> None:
    """A colour network of five classes starts a grey one of two: its first layer is summed, its head replaced."""
    labels, cases = study(40)
    colour = small(channels=3, outputs=5, image_size=(32, 32))
    path = tmp_path / "start.safetensors"
    save_file(colour.state_dict(), path)
    options = StudentOptions(small, weights=path, mean=(0.5,), std=(0.25,), frozen=("0.*",))
    done = distill(labels, cases, student=options, lam=np.inf, schedule=QUICK)
    first = done.student.network[0].weight.detach().cpu()
    torch.testing.assert_close(first, colour[0].weight.detach().sum(1, keepdim=True))
    assert (done.student.spec.mean, done.student.spec.std) == ((0.5,), (0.25,))
    with pytest.raises(InputError, match="mean: got 3 numbers"):
        distill(labels, cases, student=replace(options, mean=(0.5,) * 3, std=(0.2,) * 3))
    with pytest.raises(InputError, match="mean and std: got one of the two"):
        StudentOptions(mean=(0.5,))
    del (state := colour.state_dict())["0.bias"]
    save_file(state, path)
    with pytest.raises(InputError, match=r"missing '0\.bias'"):
        distill(labels, cases, student=options, schedule=QUICK)


def test_the_dirichlet_target_needs_no_draws(study: Study) -> None:
    """mean_log of the soft labels reaches it: a wider posterior gives a larger epistemic uncertainty."""
    labels, cases = study(60)
    gaps = []
    for doubt in (0.01, 0.5):
        some = replace(labels, mean_log=np.log(labels.probs) - doubt)
        done = distill(
            some, cases, student=small, target=Dirichlet(), lam=np.inf,
            schedule=replace(QUICK, epochs=20, lr=0.01),
        )  # fmt: skip
        assert done.student.spec.head == "dirichlet"
        epistemic = done.student.predict(_files(cases)).epistemic
        assert epistemic is not None
        gaps.append(float(np.median(epistemic)))
    assert gaps[0] < gaps[1]


def test_a_weight_prior_over_named_layers_leaves_the_others_free(study: Study) -> None:
    labels, cases = study(40)
    prior = PriorOptions(lam=1e6, layers=("0.*",))
    done = distill(labels, cases, student=small, prior=prior, schedule=QUICK)
    theta = dict(done.theta_p.network.named_parameters())
    moved = {
        n: float((p - theta[n]).abs().max().detach())
        for n, p in done.student.network.named_parameters()
    }
    assert moved["0.weight"] < 1e-4 < moved["4.weight"]
    assert done.student.spec.training["prior"]["layers"] == ["0.*"]


def test_files_have_the_mode_of_any_new_file(study: Study, tmp_path: Path) -> None:
    labels, cases = study(40)
    distill(labels, cases, student=small, lam=np.inf, schedule=QUICK, out=tmp_path / "run")
    modes = {p.stat().st_mode for p in (tmp_path / "run").iterdir()}
    assert len(modes) == 1
