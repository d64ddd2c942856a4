"""Every way in which a model file and a table do not fit together is one line that says how to mend it."""

from __future__ import annotations

import math

import pyro
import pyro.distributions as dist
import pytest
import torch

from labelppl import Angle, Category, InputError, Label, Real, label_model
from labelppl.model import LabelDensity

Y = Label("a", "b")


def free_latent(cases):
    with cases:
        pyro.sample("y", dist.Bernoulli(0.5))
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(z, 1.0))


def no_label(cases):
    with cases:
        pyro.sample("x", dist.Normal(0.0, 1.0))


def label_outside(cases):
    y = pyro.sample("y", dist.Bernoulli(0.5))
    with cases:
        pyro.sample("x", dist.Normal(y, 1.0))


def feature_outside(cases):
    pyro.sample("x", dist.Normal(0.0, 1.0))
    with cases:
        pyro.sample("y", dist.Bernoulli(0.5))


def unused_feature(cases):
    with cases:
        pyro.sample("y", dist.Bernoulli(0.5))


def wrong_classes(cases):
    with cases:
        pyro.sample("y", dist.Categorical(torch.ones(3) / 3))
        pyro.sample("x", dist.Normal(0.0, 1.0))


def continuous_label(cases):
    with cases:
        pyro.sample("y", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(0.0, 1.0))


def discrete_outside(cases):
    k = pyro.sample("k", dist.Bernoulli(0.5))
    with cases:
        pyro.sample("y", dist.Bernoulli(0.5))
        pyro.sample("x", dist.Normal(k, 1.0))


def param(cases):
    m = pyro.param("m", torch.tensor(0.0))
    with cases:
        pyro.sample("y", dist.Bernoulli(0.5))
        pyro.sample("x", dist.Normal(m, 1.0))


def moving_support(cases):
    top = pyro.sample("top", dist.Gamma(2.0, 1.0))
    pyro.sample("m", dist.Uniform(0.0, top))
    with cases:
        pyro.sample("y", dist.Bernoulli(0.5))
        pyro.sample("x", dist.Normal(0.0, 1.0))


def too_many_combinations(cases):
    with cases:
        pyro.sample("y", dist.Bernoulli(0.5))
        for i in range(13):
            pyro.sample(f"s{i}", dist.Bernoulli(0.5))
        pyro.sample("x", dist.Normal(0.0, 1.0))


def breaks(cases):
    with cases:
        pyro.sample("y", dist.Bernoulli(0.5))
        pyro.sample("x", dist.Normal(torch.zeros(7), 1.0))


def negative_scale(cases):
    with cases:
        pyro.sample("y", dist.Bernoulli(0.5))
        pyro.sample("x", dist.Normal(0.0, -1.0))


def twice(cases):
    with cases:
        pyro.sample("y", dist.Bernoulli(0.5))
        pyro.sample("x", dist.Normal(0.0, 1.0))
        pyro.sample("x", dist.Normal(0.0, 1.0))


def unknown_column(cases):
    with cases as z:
        pyro.sample("y", dist.Bernoulli(logits=z.age))
        pyro.sample("x", dist.Normal(0.0, 1.0))


WRONG = {
    free_latent: r"site 'z' inside `with cases:`: no column feeds it and it is not discrete \(Normal\); declare it",
    no_label: r"label 'y': the model has no such site; write pyro\.sample\('y', dist\.Categorical",
    label_outside: r"site 'y': it is a column, so it belongs inside `with cases:`; move it there",
    feature_outside: r"site 'x': it is a column, so it belongs inside `with cases:`; move it there",
    unused_feature: r"feature 'x': declared but never used; write pyro\.sample\('x', \.\.\.\)",
    wrong_classes: r"label 'y': the model gives it 3 classes, the Label has 2 \(a, b\); size",
    continuous_label: r"label 'y': .*Normal.*Categorical",
    discrete_outside: r"site 'k': a discrete latent outside `with cases:` cannot be summed over; move it",
    param: r"site 'm': pyro\.param has no prior; write pyro\.sample\('m', prior\)",
    moving_support: r"site 'm': the bounds of its prior depend on another parameter; sample it on a fixed range",
    too_many_combinations: r"sites s0, s1, .*: 8192 combinations to sum over, at most 4096; observe some",
    breaks: r"test_structure\.py, line \d+: .*mend the model file",
    negative_scale: r"test_structure\.py, line \d+: .*scale.*mend the model file",
    twice: r"test_structure\.py.*: .*x.*mend the model file",
    unknown_column: r"test_structure\.py, line \d+: AttributeError: cases has no column 'age'; it has x",
}


@pytest.mark.parametrize("fn", WRONG, ids=lambda fn: fn.__name__)
def test_what_fits_nowhere_is_named_in_one_line(fn, read):
    model = label_model(y=Y, x=Real())(fn)
    with pytest.raises(InputError, match=WRONG[fn]) as caught:
        LabelDensity(model, read(model, y=["a", "b", "a"], x=[0.1, 0.2, 0.3]))
    assert "\n" not in str(caught.value)


def sided(distribution):
    def fn(cases):
        with cases:
            pyro.sample("y", dist.Bernoulli(0.5))
            pyro.sample("side", distribution())

    return label_model(y=Y, side=Category("left", "right"))(fn)


@pytest.mark.parametrize(
    ("distribution", "message"),
    [
        (
            lambda: dist.Categorical(torch.ones(3) / 3),
            r"'side': the model gives it 3 values, Category has 2",
        ),
        (
            lambda: dist.Normal(0.0, 1.0),
            r"'side': it is a Category of 2 names, but the model samples it from a Normal",
        ),
    ],
)
def test_category_and_site_must_agree(distribution, message, read):
    model = sided(distribution)
    with pytest.raises(InputError, match=message):
        LabelDensity(model, read(model, y=["a", "b"], side=["left", None]))


def test_von_mises_latent_lives_on_one_turn(read):
    @label_model(y=Y, x=Angle("deg", kind="circular"))
    def turning(cases):
        mean = pyro.sample("mean", dist.VonMises(3.0, 2.0))
        with cases:
            pyro.sample("y", dist.Bernoulli(0.5))
            pyro.sample("x", dist.VonMises(mean, 5.0))

    density = LabelDensity(turning, read(turning, y=["a", "b"], x=[170, -170]))
    far = torch.linspace(-1e3, 1e3, 50, dtype=torch.float64)[:, None]
    mean = density.constrain(far)["mean"]
    assert ((mean >= 3 - math.pi) & (mean <= 3 + math.pi)).all()
    # On one turn the posterior is proper: it integrates to a finite number in u.
    u = torch.linspace(-40, 40, 4001, dtype=torch.float64)[:, None]
    log_prob = density.log_prob(u)
    assert log_prob[0] < log_prob.max() - 30
    assert log_prob[-1] < log_prob.max() - 30
