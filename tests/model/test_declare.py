"""Declaring: exactly one label, known kinds, and one argument."""

from __future__ import annotations

import pytest

from labelppl import InputError, Label, Real, label_model
from labelppl.families import logistic

REFUSED = {
    "no label": ({"x": Real()}, r"expected exactly one Label, got none; declare one"),
    "two labels": ({"y": Label("a", "b"), "w": Label("c", "d")}, r"exactly one Label, got y, w"),
    "a class instead of a feature": (
        {"y": Label("a", "b"), "x": Real},
        r"'x' is <class .*Real'>, expected a Label or a feature such as Real\(\)",
    ),
    "an attribute of the plate": (
        {"y": Label("a", "b"), "size": Real("mm")},
        r"a feature named 'size' could not be read as z\.size, .*; rename the column, e\.g\. 'size_measured'$",
    ),
    "a number": ({"y": Label("a", "b"), "x": 3}, r"'x' is 3, expected a Label or a feature"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_declarations(case):
    declared, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        label_model(**declared)(lambda cases: None)


@pytest.mark.parametrize("name", ["dim", "name", "classes", "read", "subsample_size", "_columns"])
def test_a_ready_made_family_refuses_the_plates_own_names_too(name):
    with pytest.raises(InputError, match=f"feature named '{name}'"):
        logistic(y=Label("a", "b"), **{name: Real(low=0, high=1)})
    assert hasattr(label_model(y=Label("a", "b"))(lambda cases: None).plate(2), name)


@pytest.mark.parametrize("fn", [lambda: None, lambda a, b: None, lambda *, scale: None])
def test_the_function_takes_cases_and_options(fn):
    with pytest.raises(InputError, match="expected one argument, cases, and options with defaults"):
        label_model(y=Label("a", "b"))(fn)


def test_the_declaration_leaves_the_function_alone():
    def fn(cases, *, width=3):
        return width

    model = label_model(y=Label("a", "b"), x=Real())(fn)
    assert model.fn is fn
    assert model.name == "fn"
    assert dict(model.options) == {"width": 3}
    assert model.with_options(width="4").options == {"width": 4}
    assert model.options == {"width": 3}
    assert model.with_options(width=4.0).options == {"width": 4}
    with pytest.raises(InputError, match=r"option 'width': got 4\.7, expected int"):
        model.with_options(width=4.7)
    assert model.with_options(width=5)(model.plate(2)) == 5


def test_options_that_are_flags():
    def fn(cases, *, shared=False):
        return shared

    model = label_model(y=Label("a", "b"))(fn)
    assert model.with_options(shared="true").options == {"shared": True}
    assert model.with_options(shared="False").options == {"shared": False}
    with pytest.raises(InputError, match=r"option 'shared': got 'perhaps', expected bool"):
        model.with_options(shared="perhaps")


def test_plate_sizes_without_a_table():
    plate = label_model(y=Label("a", "b"))(lambda cases: None).plate(4)
    assert plate.classes == ("a", "b")
    assert plate.size == 4
