"""Splits: whole groups, the table's own where it has one, a new one per repeat where not."""

from dataclasses import replace

import numpy as np
import pytest

from labelppl.comparison.splits import split_of
from labelppl.errors import InputError
from labelppl.split import Cut


def groups_are_whole(cases):
    return all(len(set(cases.split[cases.groups == g])) == 1 for g in set(cases.groups))


def test_validation_is_set_aside_from_training_groups_only(cases):
    held = split_of(cases, 0, 0, Cut(validation=0.25))
    assert (held.split[cases.split == "test"] == "test").all()
    share = (held.split == "val").sum() / (cases.split == "train").sum()
    assert abs(share - 0.25) < 0.1
    assert groups_are_whole(held)
    assert held.split_given
    assert set(cases.split) == {"train", "test"}


def test_repeats_differ_and_seeds_repeat(cases):
    one, two = (
        split_of(cases, 0, 5, Cut(validation=0.25)),
        split_of(cases, 1, 5, Cut(validation=0.25)),
    )
    assert (one.split != two.split).any()
    assert (two.split == split_of(cases, 1, 5, Cut(validation=0.25)).split).all()
    assert (
        two.split != split_of(cases, 0, 6, Cut(validation=0.25)).split
    ).any()  # a repeat is not the next seed's


def test_a_table_without_a_split_gets_new_test_cases_each_time(cases):
    free = replace(cases, split_given=False)
    one, two = split_of(free, 0, 0, Cut(validation=0.2)), split_of(free, 1, 0, Cut(validation=0.2))
    assert ((one.split == "test") != (two.split == "test")).any()
    assert groups_are_whole(one)


def test_a_given_validation_split_is_kept(cases):
    split = cases.split.copy()
    split[np.isin(cases.groups, ["g1", "g2"])] = "val"
    held = split_of(replace(cases, split=split), 3, 0, Cut(validation=0.2))
    np.testing.assert_array_equal(held.split, split)


def test_without_validation_none_is_made(cases):
    assert set(split_of(cases, 0, 0, Cut(validation=0)).split) == {"train", "test"}


def test_too_few_groups_and_unlabelled_splits_are_refused(cases):
    with pytest.raises(InputError, match="training groups"):
        split_of(cases.take(np.arange(8)), 0, 0, Cut(validation=0.01))
    blank = np.where(cases.split == "test", -1, cases.labels)
    with pytest.raises(InputError, match="test split has no labelled case"):
        split_of(replace(cases, labels=blank), 0, 0, Cut(validation=0.2))
