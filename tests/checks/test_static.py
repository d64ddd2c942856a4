"""Each planted fault is found and named, and sound models are left alone."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch

from labelppl import Angle, Count, Label, Positive, Ratio, Real, label_model
from labelppl.checks.static import check_static, refuse_errors
from labelppl.families import dawid_skene, glad, hierarchical_dawid_skene, nested_dawid_skene
from labelppl.features import Ballots, Column, Votes
from labelppl.model import load_model
from labelppl.table import Cases, cases_from_frame

Y = Label("a", "b")


def read(model, **columns):
    return cases_from_frame(pd.DataFrame(columns), model.label_name, model.label, model.features)


def one_site(distribution, feature):
    @label_model(y=Y, x=feature)
    def model(cases):
        pyro.sample("unused", dist.Normal(0.0, 1.0))
        with cases:
            pyro.sample("y", dist.Bernoulli(0.5))
            pyro.sample("x", distribution())

    return model


SUPPORTS = {
    "data outside": (
        lambda: dist.Uniform(0.0, 1.0),
        Real(),
        [0.5, 2.0],
        "error",
        "the support of Uniform does not contain the value of case '1' (1 of 2 cases)",
    ),
    "log-normal of a negative": (
        lambda: dist.LogNormal(0.0, 1.0),
        Real(),
        [0.5, -2.0],
        "error",
        "the support of LogNormal does not contain",
    ),
    "ratio on the line": (
        lambda: dist.Normal(0.5, 0.1),
        Ratio(),
        [0.5, 0.6],
        "warning",
        "Normal puts mass outside 0 to 1",
    ),
    "length on the line": (
        lambda: dist.Normal(0.5, 0.1),
        Positive(),
        [0.5, 0.6],
        "warning",
        "Normal puts mass below zero",
    ),
    "count from a normal": (
        lambda: dist.Normal(0.5, 0.1),
        Count(),
        [1, 2],
        "warning",
        "a count is a whole number, Normal is continuous",
    ),
    "angle that wraps": (
        lambda: dist.Normal(0.5, 0.1),
        Angle("deg", kind="circular"),
        [1, 2],
        "warning",
        "a circular angle wraps, Normal does not",
    ),
    "unit unknown": (
        lambda: dist.VonMises(0.5, 9.0),
        Real(),
        [40, 50],
        "error",
        "VonMises needs radians, but the column has no angular unit",
    ),
}


@pytest.mark.parametrize("case", SUPPORTS)
def test_supports(case):
    distribution, feature, cells, level, what = SUPPORTS[case]
    model = one_site(distribution, feature)
    found = check_static(model, read(model, y=["a", "b"], x=cells))
    assert [finding.level for finding in found] == [level]
    assert found[0].where == "site 'x'"
    assert found[0].what.startswith(what)
    assert found[0].mend
    assert "\n" not in str(found[0])


SOUND = {
    "normal": (lambda: dist.Normal(0.0, 1.0), Real()),
    "ratio": (lambda: dist.Beta(2.0, 2.0), Ratio()),
    "length": (lambda: dist.Gamma(2.0, 2.0), Positive()),
    "count": (lambda: dist.Poisson(2.0), Count()),
    "angle": (lambda: dist.VonMises(0.5, 9.0), Angle("rad", kind="circular")),
    "arc": (lambda: dist.Normal(0.5, 0.1), Angle("rad", low=0, high=1)),
}


@pytest.mark.parametrize("case", SOUND)
def test_sound_models_are_left_alone(case):
    model = one_site(*SOUND[case])
    cells = [1, 0.0] if case == "count" else [0.4, None]
    assert check_static(model, read(model, y=["a", "b"], x=cells)) == ()


def test_the_zoo_is_sound():
    model = load_model("hip")
    cases = read(
        model, diagnosis=["normal", "dysplastic"] * 4, alpha=[61, 52] * 4, coverage=[0.6, 0.4] * 4
    )
    assert check_static(model, cases) == ()


def test_every_unused_feature_and_unfed_site_is_listed():
    @label_model(y=Y, x=Real(), v=Real(), w=Real())
    def model(cases):
        with cases as z:
            pyro.sample("y", dist.Bernoulli(logits=z.w))
            pyro.sample("p", dist.Normal(0.0, 1.0))
            pyro.sample("q", dist.Gamma(1.0, 1.0))

    found = check_static(model, read(model, y=["a"], x=[1], v=[1], w=[1]))
    assert {(f.level, f.where) for f in found} == {
        ("error", "feature 'x'"),
        ("error", "feature 'v'"),
        ("error", "site 'p'"),
        ("error", "site 'q'"),
    }


def test_a_model_that_breaks_is_one_error():
    @label_model(y=Y, x=Real())
    def model(cases):
        with cases:
            pyro.sample("y", dist.Bernoulli(0.5))
            pyro.sample("x", dist.Normal(0.0, -1.0))

    (finding,) = check_static(model, read(model, y=["a"], x=[1]))
    assert finding.level == "error"
    assert "test_static.py, line" in finding.what
    assert finding.mend == "mend the model file"


@pytest.mark.parametrize(("concentration", "level"), [(0.5, "warning"), (20.0, "note")])
def test_von_mises_latents(concentration, level):
    @label_model(y=Y, x=Angle("rad", kind="circular"))
    def model(cases):
        mean = pyro.sample("mean", dist.VonMises(0.0, concentration))
        with cases:
            pyro.sample("y", dist.Bernoulli(0.5))
            pyro.sample("x", dist.VonMises(mean, 5.0))

    (finding,) = check_static(model, read(model, y=["a", "b"], x=[0.1, 0.2]))
    assert (finding.level, finding.where) == (level, "site 'mean'")
    assert "whole real line" in finding.what


def two_normals(centers, sd=1.0):
    @label_model(y=Y, x=Real())
    def model(cases):
        share = pyro.sample("share", dist.Dirichlet(torch.ones(2)))
        with pyro.plate("class", 2):
            mean = pyro.sample("mean", dist.Normal(torch.tensor(centers), sd))
        with cases:
            y = pyro.sample("y", dist.Categorical(share))
            pyro.sample("x", dist.Normal(mean[y], 1.0))

    return model


X = np.linspace(-2, 2, 20)


def test_label_switching_with_exchangeable_priors():
    model = two_normals([0.0, 0.0])
    (finding,) = check_static(model, read(model, y=[None] * 20, x=X))
    assert finding.level == "error"
    assert finding.where == "classes 'a' and 'b'"
    assert "20 cases are unlabelled" in finding.what
    assert "only 1 to 1 (labelled: 0 and 0)" in finding.what


def test_label_switching_with_overlapping_priors():
    model = two_normals([-0.5, 0.5])
    (finding,) = check_static(model, read(model, y=[None] * 20, x=X))
    assert finding.level == "warning"
    # At the medians of the priors the log ratio is (difference of means) * (difference of medians) / sd^2, about 1.
    ratio = float(finding.what.split("only ")[1].split(" to 1")[0])
    assert ratio == pytest.approx(math.e, rel=1.0)


@pytest.mark.parametrize(
    "family",
    [nested_dawid_skene, dawid_skene, hierarchical_dawid_skene, glad],
    ids=lambda f: f.__name__,
)
def test_raters_answers_name_the_classes(family):
    """Three raters of three classes and no label at all: the answers say which class is which, whatever the axes' lengths."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 40)
    said = np.where(rng.random((40, 3)) < 0.8, y[:, None], rng.integers(0, 3, (40, 3)))
    columns = {"votes": Column.of_ballots(Ballots.from_matrix(said))}
    ids, split = np.arange(40).astype(str), np.full(40, "train")
    cases = Cases(ids, ("a", "b", "c"), np.full(40, -1), columns, split)
    model = family(truth=Label("a", "b", "c"), votes=Votes())
    assert not [f for f in check_static(model, cases) if f.level == "error"]
    refuse_errors(model, cases)


def test_priors_apart_or_labels_settle_the_names():
    apart = two_normals([-2.0, 2.0])
    assert check_static(apart, read(apart, y=[None] * 20, x=X)) == ()
    alike = two_normals([0.0, 0.0])
    labelled = ["a"] * 8 + [None] * 4 + ["b"] * 8
    assert check_static(two_normals([-0.5, 0.5]), read(alike, y=labelled, x=X)) == ()
    assert check_static(alike, read(alike, y=["a"] * 10 + ["b"] * 10, x=X)) == ()
