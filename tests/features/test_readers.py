"""What several readers said: long tables as the main table and beside it, and every wrong one as one line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from labelppl import InputError, Label, Real, label_model
from labelppl.features import Ranking, Stated, Votes
from labelppl.model import read_cases
from labelppl.table import cases_from_frame

VOTES = pd.DataFrame(
    {
        "id": ["p", "p", "q", "q", "q", "r"],
        "rater": ["ann", "bob", "ann", "cat", "bob", "cat"],
        "label": ["no", "yes", "yes", "yes", "no", "no"],
    }
)
TABLE = [[0, 1, -1], [1, 0, 1], [-1, -1, 0]]


def dense(column):
    """The votes as a list of rows (cases, raters), -1 for none."""
    ballots = column.ballots
    table = torch.full(tuple(ballots.shape), -1)
    table[ballots.case, ballots.rater] = ballots.said
    return table.tolist()


def model(feature, *classes, name="votes", **more):
    return label_model(y=Label(*classes), **{name: feature}, **more)(lambda cases: None)


def read(declared, frame, **options):
    return cases_from_frame(
        frame, declared.label_name, declared.label, declared.features, **options
    )


def test_votes_in_a_long_main_table():
    cases = read(model(Votes()), VOTES)
    assert cases.classes == ("no", "yes")
    assert cases.ids.tolist() == ["p", "q", "r"]
    assert cases.labels.tolist() == [-1, -1, -1]
    column = cases.columns["votes"]
    assert dense(column) == TABLE
    assert column.names == ("ann", "bob", "cat")
    assert column.take(torch.tensor([2])).names == column.names
    crowd = VOTES.rename(columns={"id": "task", "rater": "worker"}).sample(frac=1, random_state=1)
    other = read(model(Votes()), crowd)
    by_id = dict(zip(other.ids, dense(other.columns["votes"]), strict=True))
    assert by_id == dict(zip("pqr", TABLE, strict=True))


def test_other_columns_of_a_long_table_belong_to_the_case():
    long = VOTES.assign(
        y=["no", "no", None, None, None, "yes"], x=[1, 1, 2, 2, 2, 3], image=list("aabbbc")
    )
    cases = read(model(Votes(), x=Real()), long)
    assert cases.labels.tolist() == [0, -1, 1]
    assert cases.columns["x"].values.tolist() == [1, 2, 3]
    assert [image.name for image in cases.images] == ["a", "b", "c"]
    with pytest.raises(InputError, match=r"column 'x': differs between the rows of one id"):
        read(model(Votes(), x=Real()), long.assign(x=[1, 2, 2, 2, 2, 3]))


def test_a_label_called_label_is_not_read_from_the_votes():
    declared = label_model(label=Label("no", "yes"), votes=Votes())(lambda cases: None)
    assert read(declared, VOTES.assign(label="no")).labels.tolist() == [-1, -1, -1]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_votes_beside_the_cases(tmp_path, suffix):
    cases = pd.DataFrame(
        {"id": ["r", "none", "q", "p"], "x": [3, 4, 2, 1], "y": ["no", None, "yes", None]}
    )
    for name, frame in (("hips", cases), ("hips_votes", VOTES)):
        path = tmp_path / f"{name}{suffix}"
        frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    declared = model(Votes(), "no", "yes", x=Real())
    got = read_cases(tmp_path / f"hips{suffix}", declared)
    assert dense(got.columns["votes"]) == [TABLE[2], [-1, -1, -1], TABLE[1], TABLE[0]]
    assert got.columns["votes"].values.tolist() == [1, 0, 3, 2]
    assert got.columns["votes"].complete
    fixed = read_cases(
        tmp_path / f"hips{suffix}", declared, raters={"votes": ("bob", "dan", "cat", "ann")}
    )
    assert dense(fixed.columns["votes"])[3] == [1, -1, -1, 0]
    with pytest.raises(
        InputError,
        match=r"votes table, column 'rater', row 4 \(id 'q'\): got 'cat', expected one of ann, bob",
    ):
        read_cases(tmp_path / f"hips{suffix}", declared, raters={"votes": ("ann", "bob")})


def test_whole_numbers_sort_as_numbers():
    frame = pd.DataFrame({"id": range(11), "rater": range(11), "label": range(1, 12)})
    cases = read(model(Votes()), frame)
    assert cases.classes == tuple(str(k) for k in range(1, 12))
    assert cases.columns["votes"].names == tuple(str(k) for k in range(11))


WRONG_VOTES = {
    "unknown case": (
        {"id": ["p", "z"]},
        r"votes table, column 'id', row 2 \(id 'z'\): got 'z', expected the id of a case",
    ),
    "unknown class": (
        {"label": ["no", "perhaps"]},
        r"votes table, column 'label', row 2 \(id 'q'\): got 'perhaps', expected one of no, yes; remove the row",
    ),
    "no vote": (
        {"label": ["no", None]},
        r"column 'label', row 2 .*got an empty cell, expected one of no, yes",
    ),
    "no rater": (
        {"rater": [None, "bob"]},
        r"column 'rater', row 1 .*got an empty cell, expected a name",
    ),
    "twice": (
        {"id": ["p", "p"]},
        r"column 'rater', row 2 \(id 'p'\): got 'ann', expected each rater once per case; keep one",
    ),
}


@pytest.mark.parametrize("case", WRONG_VOTES)
def test_wrong_votes(case):
    changed, message = WRONG_VOTES[case]
    votes = pd.DataFrame(
        {"id": ["p", "q"], "rater": ["ann", "ann"], "label": ["no", "yes"], **changed}
    )
    with pytest.raises(InputError, match=message) as caught:
        read(model(Votes(), "no", "yes"), pd.DataFrame({"id": ["p", "q"]}), beside={"votes": votes})
    assert "\n" not in str(caught.value)


def test_missing_tables_and_columns():
    with pytest.raises(
        InputError,
        match=r"feature 'votes': no votes in the table; expected the columns id, rater and label, or a table <stem>_votes\.csv",
    ):
        read(model(Votes(), "no", "yes"), pd.DataFrame({"id": ["p"]}))
    with pytest.raises(
        InputError, match=r"column 'label': not in the table; expected what each rater chose"
    ):
        read(model(Votes(), "no", "yes"), VOTES.drop(columns="label"))
    with pytest.raises(
        InputError, match=r"column 'id': not in the table; expected it \(or 'task'\)"
    ):
        read(model(Votes(), "no", "yes"), VOTES.drop(columns="id"))
    with pytest.raises(InputError, match=r"Votes: got \('a', 'a'\), expected different raters"):
        Votes("a", "a")


CLASSES = ("melanoma", "nevus", "keratosis")


def test_rankings_of_several_readers():
    frame = pd.DataFrame(
        {
            "id": ["p", "p", "q"],
            "rater": ["ann", "bob", "bob"],
            "ranking": ["melanoma > nevus = keratosis", " nevus ", "keratosis>melanoma>nevus"],
        }
    )
    column = read(model(Ranking(), *CLASSES, name="order"), frame).columns["order"]
    assert column.values.tolist() == [[[1, 2, 2], [0, 1, 0]], [[0, 0, 0], [2, 3, 1]]]
    assert column.observed.tolist() == [True, True]


def test_the_ranking_of_one_reader_in_the_cases_table():
    column = read(
        model(Ranking(), *CLASSES, name="order"),
        pd.DataFrame({"order": ["nevus", None, "nevus = melanoma"]}),
    ).columns["order"]
    assert column.values[:, 0].tolist() == [[0, 1, 0], [0, 0, 0], [1, 1, 0]]
    assert column.observed.tolist() == [True, False, True]


WRONG_ORDERS = {
    "melanoma > mole": r"got 'melanoma > mole', expected an order such as 'melanoma > nevus' of melanoma, nevus, keratosis; 'mole' is no class",
    "nevus > > melanoma": r"a name is missing; mend the cell",
    "nevus = nevus": r"'nevus' is named twice; keep one",
}


@pytest.mark.parametrize("cell", WRONG_ORDERS)
def test_wrong_orders(cell):
    with pytest.raises(
        InputError, match=r"column 'order', row 2 \(id '1'\): .*" + WRONG_ORDERS[cell]
    ):
        read(model(Ranking(), *CLASSES, name="order"), pd.DataFrame({"order": ["nevus", cell]}))


def test_stated_probabilities_exact_and_binned():
    frame = pd.DataFrame(
        {
            "belief_a": ["0.2", "<0.1", None, 0.3],
            "belief_b": [0.5, "0.2-0.4", None, "0.1 to 0.5"],
            "belief_c": [0.3, ">.5", None, None],
        }
    )
    column = read(model(Stated(), "a", "b", "c", name="belief"), frame).columns["belief"]
    assert column.values.shape == (4, 1, 3, 2)
    wanted = [
        [[0.2, 0.2], [0.5, 0.5], [0.3, 0.3]],
        [[0, 0.1], [0.2, 0.4], [0.5, 1]],
        [[0, 1]] * 3,
        [[0.3, 0.3], [0.1, 0.5], [0, 1]],
    ]
    np.testing.assert_allclose(column.values[:, 0].numpy(), wanted)
    assert column.observed.tolist() == [True, True, False, True]


def test_one_column_is_enough_for_two_classes():
    for given, text in (("yes", ["80", "10-30"]), ("no", ["20", "70-90"])):
        frame = pd.DataFrame({f"belief_{given}": text})
        column = read(model(Stated(unit="%"), "no", "yes", name="belief"), frame).columns["belief"]
        np.testing.assert_allclose(
            column.values[:, 0], [[[0.2, 0.2], [0.8, 0.8]], [[0.7, 0.9], [0.1, 0.3]]], atol=1e-12
        )


def test_several_experts():
    frame = pd.DataFrame(
        {
            "id": ["p", "p", "q"],
            "rater": ["ann", "bob", "bob"],
            "belief_no": [0.2, 0.3, 0.5],
            "belief_yes": [0.8, 0.7, 0.5],
        }
    )
    column = read(model(Stated(), "no", "yes", name="belief"), frame).columns["belief"]
    assert column.names == ("ann", "bob")
    np.testing.assert_allclose(column.values[:, :, 1, 0], [[0.8, 0.7], [0.0, 0.5]])
    np.testing.assert_allclose(column.values[1, 0].numpy(), [[0, 1], [0, 1]])


WRONG_BELIEFS = {
    "per cent": (
        [80, 20],
        r"column 'belief_no', row 1 \(id '0'\): got '80', expected a probability from 0 to 1, .*; declare Stated\(unit='%'\)",
    ),
    "negative": ([-0.1, 1.1], r"got '-0\.1', expected a probability from 0 to 1"),
    "text": (["low", 0.5], r"got 'low', expected a probability"),
    "swapped bin": (["0.4-0.2", 0.7], r"got '0\.4-0\.2', expected"),
    "sum": (
        [0.5, 0.8],
        r"row 1 \(id '0'\): got 'a sum of 1\.3', expected probabilities that sum to 1",
    ),
    "sum of bins": (
        ["<0.2", "0.1-0.3"],
        r"got 'a sum of 0\.1 to 0\.5', expected probabilities that sum to 1",
    ),
}


@pytest.mark.parametrize("case", WRONG_BELIEFS)
def test_wrong_beliefs(case):
    (no, yes), message = WRONG_BELIEFS[case]
    with pytest.raises(InputError, match=message):
        read(
            model(Stated(), "no", "yes", name="belief"),
            pd.DataFrame({"belief_no": [no], "belief_yes": [yes]}),
        )


def test_a_rounded_third_is_accepted():
    frame = pd.DataFrame({"belief_a": [0.33], "belief_b": [0.33], "belief_c": [0.33]})
    column = read(model(Stated(), "a", "b", "c", name="belief"), frame).columns["belief"]
    assert (column.values == 0.33).all()


@pytest.mark.parametrize("other", ["ANN", "Ann"])
def test_raters_that_differ_only_in_case_are_refused(other: str) -> None:
    said = pd.DataFrame({"id": ["i", "j"], "rater": ["ann", other], "label": ["a", "b"]})
    cases = pd.DataFrame({"id": ["i", "j"]})
    with pytest.raises(InputError, match=f"'{other}' and 'ann' differ only in case"):
        cases_from_frame(cases, "y", Label("a", "b"), {"v": Votes()}, beside={"v": said})


def test_raters_whose_names_are_the_same_number_are_refused() -> None:
    said = pd.DataFrame({"id": ["i", "j"], "rater": ["7", "07"], "label": ["a", "b"]})
    with pytest.raises(InputError, match="'07' and '7' are the same number"):
        cases_from_frame(
            pd.DataFrame({"id": ["i", "j"]}),
            "y",
            Label("a", "b"),
            {"v": Votes()},
            beside={"v": said},
        )
