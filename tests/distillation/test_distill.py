"""The whole job on small images: both steps, files, and what is refused."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from labelppl.distillation import distill as module
from labelppl.distillation import few
from labelppl.distillation import lam as choosing
from labelppl.distillation.distill import distill
from labelppl.distillation.prior_options import PriorOptions
from labelppl.errors import InputError
from labelppl.images.read import read_images
from labelppl.students.load import load_student
from labelppl.table import match_ids
from labelppl.training.schedule import Schedule

Study = Callable[..., tuple[Any, Any]]
QUICK = Schedule(epochs=3, batch_size=16, lr=1e-3)


def _weights(student: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in student.network.parameters()])


def test_learns_writes_and_predicts_without_pyro(study: Study, tmp_path: Path) -> None:
    labels, cases = study()
    out = tmp_path / "run"
    done = distill(labels, cases, lam=1.0, schedule=replace(QUICK, epochs=8), out=out)
    test = cases.split == "test"
    files = [p for p, t in zip(cases.images, test, strict=True) if t]
    probs = done.predict_proba(files)
    assert probs.dtype == np.float64
    np.testing.assert_allclose(probs.sum(1), 1, atol=1e-12)
    truth = labels.probs[[list(labels.ids).index(i) for i in cases.ids[test]]]
    assert np.corrcoef(probs[:, 1], truth[:, 1])[0, 1] > 0.9
    names = {"student.safetensors", "theta_p.safetensors", "student.json", "curve.csv", "curve.png"}
    assert {p.name for p in out.iterdir()} == names
    spec = json.loads((out / "student.json").read_text())
    assert spec["training"]["lam"] == {"lam": 1.0, "source": "given"}
    np.testing.assert_array_equal(load_student(out).predict_proba(files), probs)
    np.testing.assert_array_equal(
        load_student(out, "theta_p").predict_proba(files), done.theta_p.predict_proba(files)
    )
    script = (
        "import sys; from labelppl.students.load import predict_files; "
        f"predict_files([{str(files[0])!r}], {str(out)!r}); "
        "bad = {'pyro', 'arviz', 'pandas'} & set(sys.modules); sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_infinite_lambda_stays_at_theta_p(study: Study) -> None:
    labels, cases = study(40)
    done = distill(labels, cases, lam=math.inf, schedule=QUICK)
    assert torch.equal(_weights(done.student), _weights(done.theta_p))
    assert {e.step for e in done.history} == {"step 1"}


def test_larger_lambda_stays_closer_to_theta_p(study: Study) -> None:
    labels, cases = study(40)
    moved = []
    for lam in (0.0, 10.0, 1000.0):
        done = distill(labels, cases, lam=lam, schedule=QUICK)
        moved.append(float((_weights(done.student) - _weights(done.theta_p)).norm()))
    assert moved[0] > moved[1] > moved[2] > 0


def test_same_seed_same_bits_and_untouched_global_state(study: Study) -> None:
    labels, cases = study(40)
    torch.manual_seed(3)
    one = distill(labels, cases, lam=1.0, schedule=QUICK, seed=5, augment="ultrasound")
    torch.manual_seed(4)
    before = torch.get_rng_state()
    two = distill(labels, cases, lam=1.0, schedule=QUICK, seed=5, augment="ultrasound")
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(_weights(one.student), _weights(two.student))


def test_test_rows_are_never_touched(study: Study) -> None:
    labels, cases = study(40)
    files = read_images([p for p, s in zip(cases.images, cases.split, strict=True) if s == "train"])
    one = distill(labels, cases, lam=1.0, schedule=QUICK).predict_proba(files)
    for path, split in zip(cases.images, cases.split, strict=True):
        if split == "test":
            path.unlink()
    other = replace(cases, labels=np.where(cases.split == "test", -1, cases.labels))
    two = distill(labels, other, lam=1.0, schedule=QUICK).predict_proba(files)
    np.testing.assert_array_equal(one, two)


def test_a_stopped_job_resumes_to_the_same_student(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the second of three folds, and again in step 2; no finished fold is made twice."""
    labels, cases = study(40)
    grid, out = (math.inf, 10.0, 0.0), tmp_path / "run"
    prior = PriorOptions(grid=grid, folds=3)
    options: dict[str, Any] = {"prior": prior, "schedule": QUICK}
    whole = distill(labels, cases, **options)
    follow, folds = choosing.follow_path, []

    def stop(*given: Any) -> Any:
        folds.append(len(folds))
        if len(folds) == 2:
            raise KeyboardInterrupt
        return follow(*given)

    monkeypatch.setattr(choosing, "follow_path", stop)
    with pytest.raises(KeyboardInterrupt):
        distill(labels, cases, out=out, **options)
    assert {p.name for p in out.iterdir()} == {module.STEP1, module.FOLDS_DONE, module.IDENTITY}
    with pytest.raises(InputError, match=r"was made with prior\.folds = 3, not 2"):
        distill(
            labels, cases, out=out, resume=True, **{**options, "prior": replace(prior, folds=2)}
        )

    def fail(*given: Any, **named: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module.Distilled, "save", fail)
        with pytest.raises(KeyboardInterrupt):
            distill(labels, cases, out=out, resume=True, **options)
    assert len(folds) == 4
    done = distill(labels, cases, out=out, resume=True, **options)
    assert len(folds) == 4
    assert done.choice == whole.choice
    assert done.student.spec.interval == whole.student.spec.interval
    assert done.student.spec.interval is not None
    assert torch.equal(_weights(done.student), _weights(whole.student))
    assert not any((out / name).exists() for name in module.CHECKPOINTS)


def test_without_hard_labels_step_2_is_skipped_and_said(study: Study) -> None:
    labels, cases = study(40)
    done = distill(labels, replace(cases, labels=np.full(40, -1)), schedule=QUICK)
    assert torch.equal(_weights(done.student), _weights(done.theta_p))
    assert "step 2 was skipped" in done.notes[0]


def test_unlabelled_rows_take_part_in_step_1_only(study: Study) -> None:
    labels, cases = study(40)
    hidden = cases.labels.copy()
    hidden[:8] = -1
    done = distill(labels, replace(cases, labels=hidden), lam=1.0, schedule=QUICK)
    training = done.student.spec.training
    assert (training["cases"], training["labelled"]) == (20, 12)


def test_validation_chooses_the_epoch_and_lambda(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(few, "FEWEST_VALIDATION", 20)
    labels, cases = study(70, val=20)
    done = distill(labels, cases, prior=PriorOptions(grid=(math.inf, 1.0, 0.0)), schedule=QUICK)
    assert done.choice is not None
    assert done.choice.source == "validation"
    assert done.choice.cases == (20,)
    first = [e.val_nll for e in done.history if e.step == "step 1"]
    assert done.student.spec.training["best_epoch_step1"] == int(np.argmin(first))


def test_a_handful_of_validation_cases_joins_the_training_cases_and_folds_choose(
    study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    labels, cases = study(70, val=20)
    asked: list[set[str]] = []

    def refit(ids: Any) -> Any:
        asked.append(set(ids))
        return labels.take(match_ids(ids, labels.ids))

    monkeypatch.setattr(few, "FEWEST_VALIDATION", 21)  # just inside; 20 is outside, above
    options: dict[str, Any] = {
        "prior": PriorOptions(grid=(math.inf, 1.0), folds=2), "schedule": QUICK, "refit": refit,
    }  # fmt: skip
    done = distill(labels, cases, out=tmp_path / "run", **options)
    both = set(cases.ids[cases.split != "test"])
    assert len(asked) == 4  # two folds for the epochs, two for lambda
    assert asked[0] | asked[1] == both == asked[2] | asked[3]
    assert not (asked[0] & asked[1])
    assert done.choice is not None
    assert done.choice.source == "cross-validation"
    assert sum(done.choice.cases) == 50
    training = done.student.spec.training
    assert training["cases"] == 50
    chosen = training["epochs_step1"]
    assert int(np.argmin(chosen["nll"])) < chosen["epochs"] <= QUICK.epochs
    assert len([e for e in done.history if e.step == "step 1"]) == chosen["epochs"]
    assert few.with_few_validation(replace(cases, labels=np.full(70, -1))).split is not None
    again = distill(labels, cases, out=tmp_path / "run", resume=True, **options)
    assert again.choice == done.choice


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda labels, cases: (labels, replace(cases, images=None)), "no column 'image'"),
        (
            lambda labels, cases: (replace(labels, classes=("a", "b")), cases),
            "got the classes",
        ),
        (
            lambda labels, cases: (replace(labels, ids=np.char.add("x", labels.ids)), cases),
            "no soft label for training case 'case0'",
        ),
        (
            lambda labels, cases: (labels, replace(cases, split=np.full(40, "test"))),
            "no 'train' row",
        ),
    ],
)
def test_bad_input_is_one_line(study: Study, change: Any, words: str) -> None:
    labels, cases = change(*study(40))
    with pytest.raises(InputError, match=words) as caught:
        distill(labels, cases, schedule=QUICK)
    assert "\n" not in str(caught.value)
