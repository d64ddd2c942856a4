"""`compare` end to end on small squares: files, resuming, and honesty about the test split."""

import json
from dataclasses import replace
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import torch

from labelppl.comparison import Comparison, Method, compare
from labelppl.distillation.prior_options import PriorOptions
from labelppl.errors import FailedWork, InputError
from labelppl.features.base import Column
from labelppl.students.options import StudentOptions
from labelppl.targets.hard import Hard
from labelppl.targets.kd import KD
from labelppl.training.schedule import Schedule

QUICK = {
    "schedule": Schedule(epochs=2, batch_size=16),
    "prior": PriorOptions(grid=(float("inf"), 1.0, 0.0), folds=2),
    "n_boot": 40,
    "device": "cpu",
    "validation": 0.25,
}


@pytest.fixture(scope="module")
def finished(cases, tmp_path_factory):
    """A comparison of methods of every kind, with its folder."""
    folder = tmp_path_factory.mktemp("compare")

    def label(some):
        from labelppl.softlabels import SoftLabels

        probs = 0.95 * some.p_true + 0.025
        n, k = probs.shape
        draws = np.stack([probs, 0.9 * probs + 0.05])
        flat = np.full((n, k), 0.1)
        return SoftLabels(
            ids=some.ids, classes=some.classes, labels=some.labels, probs=probs, sd=flat, lo=flat,
            hi=flat, entropy=flat[:, 0], aleatoric=flat[:, 0], epistemic=flat[:, 0],
            concentration=flat[:, 0], mean_log=np.log(draws).mean(0), source=np.full(n, "new"),
            khat=np.full(n, np.nan), draws=draws,
        )  # fmt: skip

    names = ("prob", "reg", "kd", "cpls", "dirichlet", "reg-shuffled")
    result = compare(label, cases, methods=names, repeats=2, out=folder, **QUICK)
    return result, folder, label


def test_files_hold_what_the_design_says(finished):
    result, folder, _ = finished
    table = pd.read_csv(folder / "compare.csv")
    methods = ["hard", "prob", "reg", "kd", "cpls", "dirichlet", "reg-shuffled"]
    assert list(table.columns[:5]) == ["method", "repeat", "accuracy", "macro_accuracy", "auc"]
    assert list(table["method"]) == [m for m in methods for _ in range(2)]
    assert {"kl", "kl_true", "accuracy_bayes", "hl_p", "n"} <= set(table.columns)
    written = json.loads((folder / "compare.json").read_text(), parse_constant=pytest.fail)
    assert written["settings"]["methods"] == methods
    text = (folder / "compare.md").read_text()
    assert all(f"| {m} |" in text for m in methods)
    assert result.to_markdown() == text
    pd.testing.assert_frame_equal(Comparison.load(folder).summary, result.summary)
    assert result.mean("reg", "nll") > 0


def test_budgets_are_equal_and_a_teacher_is_counted(finished):
    result, _, _ = finished
    epochs = result.runs.groupby("method")["epochs"].max()
    whole = QUICK["schedule"].epochs + QUICK["schedule"].for_map().epochs
    assert epochs["hard"] == epochs["prob"] == epochs["dirichlet"] == whole
    # kd's teacher trains as long as its student; lambda = inf has no step 2.
    assert epochs["kd"] == 2 * whole
    assert epochs["reg"] <= whole
    assert set(result.runs["lam"].dropna()) <= {"inf", "1.0", "0.0"}


def test_resuming_finishes_what_is_missing_and_changes_nothing(finished, cases):
    result, folder, label = finished
    before = (folder / "parts" / "kd-1.json").stat().st_mtime_ns
    (folder / "parts" / "reg-1.json").unlink()
    names = ("prob", "reg", "kd", "cpls", "dirichlet", "reg-shuffled")
    again = compare(label, cases, methods=names, repeats=2, out=folder, resume=True, **QUICK)
    pd.testing.assert_frame_equal(again.rows, result.rows)
    pd.testing.assert_frame_equal(again.summary, result.summary)
    assert (folder / "parts" / "kd-1.json").stat().st_mtime_ns == before


def test_a_folder_in_use_or_other_settings_are_refused(finished, cases):
    _, folder, label = finished
    with pytest.raises(InputError, match="resume it"):
        compare(label, cases, out=folder, **QUICK)
    other = QUICK | {"validation": 0.3}
    with pytest.raises(InputError, match=r"was made with validation = 0\.25, not 0\.3"):
        compare(label, cases, out=folder, resume=True, **other)
    options = {"student": StudentOptions(augment="none")}
    with pytest.raises(InputError, match=r"student\.augment = shift, not none"):
        compare(label, cases, out=folder, resume=True, **QUICK, **options)
    again = Method("kd", KD(temperature=2.0))
    with pytest.raises(InputError, match=r"kd\.target\.temperature = 4\.0, not 2\.0"):
        compare(label, cases, methods=["prob", again], out=folder, resume=True, **QUICK)
    moved = replace(cases, labels=1 - cases.labels)
    with pytest.raises(InputError, match="was made with cases = "):
        compare(label, moved, out=folder, resume=True, **QUICK)


def test_test_labels_change_the_scores_and_nothing_else(finished, cases):
    """Flipping every test label must leave every prediction as it was."""
    result, _, label = finished
    test = cases.split == "test"
    flipped = replace(cases, labels=np.where(test, 1 - cases.labels, cases.labels))
    other = compare(label, flipped, methods=("reg",), repeats=1, out=None, **QUICK)
    for method in ("hard", "reg"):
        mine = other.rows[other.rows["method"] == method].iloc[0]
        theirs = result.rows[(result.rows["method"] == method)].iloc[0]
        assert mine["kl_true"] == pytest.approx(theirs["kl_true"], rel=1e-6)
        assert mine["accuracy"] == pytest.approx(1 - theirs["accuracy"])


def test_given_labels_are_said_to_have_seen_what_was_held_out(cases, label):
    result = compare(label(cases), cases, methods=("prob",), repeats=1, **QUICK)
    assert any("made before, not refitted" in note for note in result.notes)


def test_without_validation_the_label_model_is_refitted_in_every_fold(cases, label):
    seen = []

    def watched(some):
        seen.append(set(some.train.ids))
        return label(some)

    result = compare(watched, cases, methods=("reg",), repeats=1, **(QUICK | {"validation": 0}))
    train = set(cases.train.ids)
    assert seen[0] == train
    folds = [train - part for part in seen[1:]]
    assert len(folds) == 2
    assert set.union(*folds) == train
    assert sum(map(len, folds)) == len(train)
    assert not any("refitted" in note for note in result.notes)


def test_a_run_that_diverges_is_left_out_and_said(cases, label, monkeypatch):
    room = import_module("labelppl.comparison.one_method")
    real = room.distill

    def diverging(labels, cases, *, target, **options):
        if target == "smooth":
            raise FailedWork("step 1: the loss is nan in epoch 1; lower the learning rate")
        return real(labels, cases, target=target, **options)

    monkeypatch.setattr(room, "distill", diverging)
    result = compare(label, cases, methods=("smooth",), repeats=1, **QUICK)
    assert list(result.rows["method"]) == ["hard"]
    assert any(note.startswith("smooth, repeat 0: left out") for note in result.notes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"repeats": 0}, "repeats"),
        ({"methods": ["nonsense"]}, "nonsense"),
        ({"methods": ["majority"]}, "votes"),
        ({"resume": True, "out": None}, "folder"),
    ],
)
def test_bad_usage_is_refused_and_leaves_nothing(cases, label, options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        compare(label, cases, **({"out": tmp_path / "new"} | QUICK | options))
    assert not (tmp_path / "new").exists()


def test_cases_without_images_are_refused(cases, label):
    with pytest.raises(InputError, match="image"):
        compare(label, replace(cases, images=None), **QUICK)


class Flipped(Hard):
    """A target of one's own: the wrong class, so that its effect is seen."""

    name = "flipped"

    def start(self, evidence):
        return super().start(evidence).flip(1)


def test_a_target_of_ones_own_and_no_soft_labels(cases):
    options = QUICK | {"schedule": Schedule(epochs=15, batch_size=8)}
    result = compare(None, cases, methods=[("mine", Flipped)], repeats=1, **options)
    assert list(result.rows["method"]) == ["hard", "mine"]
    accuracy = result.rows.set_index("method")["accuracy"]
    assert accuracy["mine"] < 0.5 < accuracy["hard"]
    assert "kl" not in result.rows  # no p(Y|Z), nothing to compare with
    assert "kl_true" in result.rows


def test_votes_alone_train_and_are_what_kl_compares_with(cases):
    votes = np.random.default_rng(0).binomial(5, cases.p_true)
    names = ["mean-vote", "reg"]
    result = compare(None, cases, methods=names, repeats=1, votes=votes, **QUICK)
    assert list(result.rows["method"]) == ["hard", "mean-vote", "reg"]
    assert result.rows["kl"].notna().all()


def test_methods_of_measurements_and_of_predictions_run(cases, label):
    """`rat` reads the measurements, `fseb` has a second step: both differ from `prob`, which has neither."""
    bright = torch.from_numpy(cases.p_true[:, 1]).double()
    measured = replace(
        cases, columns={"bright": Column(bright, torch.ones(len(cases), dtype=torch.bool))}
    )
    plain = {
        "student": "logistic",
        "prior": PriorOptions(0.0),
        "validation": 0,
    }  # the last epoch is kept
    options = QUICK | plain | {"schedule": Schedule(epochs=4, batch_size=16)}
    result = compare(label, measured, methods=("prob", "rat", "fseb"), repeats=1, **options)
    assert list(result.rows["method"]) == ["hard", "prob", "rat", "fseb"]
    assert result.rows["nll"].nunique() == 4
    with pytest.raises(InputError, match="'rat' needs measurements"):
        compare(label, cases, methods=("rat",), repeats=1, **options)


def test_kept_students_predict_what_the_comparison_says(cases, label, tmp_path):
    from labelppl.students.load import load_student

    options = {**QUICK, "student": "logistic", "methods": ["hard"], "repeats": 1}
    compare(label, cases, out=tmp_path / "without", **options)
    assert not (tmp_path / "without" / "parts" / "hard-0").exists()
    # Resumed with students, what kept none is trained again and is the same.
    compare(label, cases, out=tmp_path / "without", resume=True, keep_students=True, **options)
    student = load_student(tmp_path / "without" / "parts" / "hard-0")
    written = pd.read_parquet(tmp_path / "without" / "parts" / "hard-0.parquet")
    paths = dict(zip(cases.ids, cases.images, strict=True))
    probs = student.predict_proba([paths[i] for i in written["id"]])
    assert np.allclose(probs, written.drop(columns="id").to_numpy(), atol=1e-6)
    with pytest.raises(InputError, match="students need a folder"):
        compare(label, cases, keep_students=True, **options)


def test_where_lambda_is_infinite_reg_is_prob_with_its_epochs(cases, label, tmp_path):
    """Whether it was chosen or stated."""
    some = {**QUICK, "n_boot": 0}
    for name, lam in (("chosen", "auto"), ("stated", float("inf"))):
        prior = PriorOptions(lam=lam, grid=(float("inf"),), folds=2)
        out = tmp_path / name
        result = compare(
            label, cases, methods=["prob", "reg"], repeats=1, out=out, **some | {"prior": prior}
        )
        runs = result.runs.set_index("method")
        assert runs.loc["reg", "lam"] == "inf"
        assert runs.loc["reg", "epochs"] == runs.loc["prob", "epochs"] == 4
        said = [pd.read_parquet(out / "parts" / f"{arm}-0.parquet") for arm in ("prob", "reg")]
        pd.testing.assert_frame_equal(*said)
