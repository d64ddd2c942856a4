"""The names of the methods, what they need, and the within-class shuffle."""

import numpy as np
import pytest

from labelppl.comparison import ABLATIONS, METHODS
from labelppl.comparison.methods import Known, choose_methods, make_method
from labelppl.comparison.spoiled import flip, shuffle, uniform
from labelppl.errors import InputError
from labelppl.targets import make_target

ALL = Known(soft=True, votes=True, draws=True, validation=True, classes=3)
BARE = Known(soft=True, votes=False, draws=False, validation=False)


def chosen(methods, known):
    """The names of the methods that run."""
    return tuple(method.name for method in choose_methods(methods, known))


def test_the_names_are_those_of_the_design():
    assert ", ".join(METHODS) == (
        "hard, smooth, paper-soft, prob, reg, fseb, mixed, confidence-penalty, kd, tfkd-self, tfkd-reg, "
        "ols, cpls, raml, rat, self-distillation, mixup, cutmix, focal, dual-focal, domino, auc-margin, "
        "lspp, maxsup, mbls, logitnorm, mean-vote, majority, dirichlet"
    )


def test_every_name_makes_a_method_of_its_own():
    for name in (*METHODS, *ABLATIONS):
        one, two = make_method(name), make_method(name)
        assert one.name == name
        assert make_target(one.target) is not make_target(two.target)
        assert one.prior == (name.startswith("reg") or name == "fseb")
        assert one.spoil == (name.split("-")[1] if name in ABLATIONS else "")
    assert make_method("reg").target == make_method("fseb").target == "prob"
    assert make_method("reg").space == "weights"
    assert make_method("fseb").space == "predictions"
    assert make_method("reg", soft=False).target == "mean-vote"
    with pytest.raises(InputError, match="hard-shuffled"):
        make_method("hard-shuffled")


def test_the_default_is_all_that_the_evidence_allows():
    assert chosen(None, ALL) == METHODS
    bare = chosen(None, BARE)
    missing = {"mean-vote", "majority", "dirichlet", "cpls", "domino", "lspp"}
    unmeasured = Known(soft=True, votes=False, draws=False, validation=False, measured=False)
    assert set(bare) - set(chosen(None, unmeasured)) == {"rat"}
    assert set(METHODS) - set(bare) == missing


def test_hard_comes_first_and_is_always_there():
    assert chosen(["prob", "reg"], ALL) == ("hard", "prob", "reg")
    assert chosen(["prob", "hard"], ALL) == ("hard", "prob")
    assert chosen([("mine", "smooth"), "prob"], ALL) == ("hard", "mine", "prob")


def test_without_soft_labels_only_methods_of_hard_labels_and_votes_run():
    of_hard = Known(soft=False, votes=False, draws=False, validation=False)
    missing = set(METHODS) - set(chosen(None, of_hard))
    assert missing == {
        "prob", "reg", "fseb", "rat", "mixed", "dirichlet", "mean-vote", "majority", "cpls", "domino", "lspp",
    }  # fmt: skip
    of_votes = Known(soft=False, votes=True, draws=False, validation=False)
    assert {"reg", "fseb", "mean-vote", "majority"} <= set(chosen(None, of_votes))
    with pytest.raises(InputError, match="'prob' needs soft labels"):
        chosen(["prob"], of_votes)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["prop"], "'prop'"),
        (["prob", "prob"], "twice"),
        (["majority"], "votes"),
        (["dirichlet"], "keep_draws"),
        (["cpls"], "validation"),
        (["lspp"], "three classes"),
    ],
)
def test_what_cannot_run_is_refused(names, message):
    with pytest.raises(InputError, match=message):
        choose_methods(names, BARE)


def test_shuffling_stays_within_class_and_split(cases, label):
    labels = label(cases)
    moved = shuffle(labels, cases, seed=1)
    test = cases.split == "test"
    assert (moved.ids == labels.ids).all()
    np.testing.assert_array_equal(moved.probs[test], labels.probs[test])
    for k in (0, 1):
        rows = (cases.labels == k) & ~test
        before, after = labels.probs[rows], moved.probs[rows]
        assert not np.array_equal(before, after)
        np.testing.assert_array_equal(np.sort(before[:, 0]), np.sort(after[:, 0]))
        # Mean and draws of a case move together.
        np.testing.assert_array_equal(moved.draws[0][rows], after)
    again = shuffle(labels, cases, seed=1)
    np.testing.assert_array_equal(moved.probs, again.probs)


def test_shuffling_finds_cases_by_id(cases, label):
    backwards = label(cases).take(np.arange(len(cases))[::-1])
    moved = shuffle(backwards, cases, seed=0)
    place = {name: i for i, name in enumerate(moved.ids)}
    test = np.flatnonzero(cases.split == "test")
    got = moved.probs[[place[cases.ids[i]] for i in test]]
    np.testing.assert_array_equal(got, label(cases).probs[test])


@pytest.mark.parametrize("spoil", [uniform, flip])
def test_misleading_labels_are_given_to_training_cases_alone(cases, label, spoil):
    labels = label(cases)
    spoiled = spoil(labels, cases, seed=0)
    test = cases.split == "test"
    np.testing.assert_array_equal(spoiled.probs[test], labels.probs[test])
    np.testing.assert_allclose(spoiled.probs.sum(1), 1, atol=1e-12)
    assert spoiled.draws is None
    if spoil is flip:
        np.testing.assert_allclose(spoiled.probs[~test], labels.probs[~test][:, ::-1])
    else:
        assert (spoiled.probs[~test] != labels.probs[~test]).all()
