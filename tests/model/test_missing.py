"""Missing parents integrated out: every pattern of a six-node network against enumeration and quadrature."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch
from scipy import integrate, stats

import labelppl.model.density as density_module
from labelppl import (
    Category,
    Count,
    InputError,
    Label,
    Ordinal,
    Positive,
    Real,
    Vector,
    label_model,
)
from labelppl.model import LabelDensity


@label_model(
    y=Label("no", "yes"),
    sex=Category("f", "m"),
    grade=Ordinal("low", "mid", "high"),
    a=Real(),
    b=Real("mm"),
    c=Real(),
)
def network(cases):
    """sex -> y -> grade; grade -> a; y, a -> b; a, b, grade -> c."""
    p_sex = pyro.sample("p_sex", dist.Beta(2.0, 2.0))
    with pyro.plate("sexes", 2):
        p_y = pyro.sample("p_y", dist.Beta(2.0, 3.0))
    with pyro.plate("classes", 2):
        p_grade = pyro.sample("p_grade", dist.Dirichlet(torch.ones(3)))
        b_slope = pyro.sample("b_slope", dist.Normal(torch.tensor([0.5, -0.8]), 0.3))
    with pyro.plate("grades", 3):
        a_mean = pyro.sample("a_mean", dist.Normal(torch.tensor([-1.0, 0.0, 1.0]), 0.3))
        c_slope = pyro.sample("c_slope", dist.Normal(0.4, 0.2))
    with cases:
        sex = pyro.sample("sex", dist.Bernoulli(p_sex))
        y = pyro.sample("y", dist.Bernoulli(p_y[sex.long()])).long()
        grade = pyro.sample("grade", dist.Categorical(p_grade[y]))
        a = pyro.sample("a", dist.Normal(a_mean[grade], 0.8))
        b = pyro.sample("b", dist.Normal(b_slope[y] * a + 0.3, 0.9))
        pyro.sample("c", dist.Normal(c_slope[grade] * a - 0.6 * b, 0.7))


FEATURES = ("sex", "grade", "a", "b", "c")
CASE = {"sex": "m", "grade": "high", "a": 0.7, "b": -0.4, "c": 0.9}
GRID = np.arange(-10, 10, 0.3)


def brute_force(values, seen, y):
    """log p(seen, y) by summing over missing codes and the trapezoid rule, which is spectrally accurate here."""
    v = {name: value.numpy() for name, value in values.items()}
    sexes = [("f", "m").index(seen["sex"])] if "sex" in seen else [0, 1]
    grades = [("low", "mid", "high").index(seen["grade"])] if "grade" in seen else [0, 1, 2]
    axes = [np.array([seen[n]]) if n in seen else GRID for n in ("a", "b", "c")]
    a, b, c = np.meshgrid(*axes, indexing="ij")
    cell = 0.3 ** sum(n not in seen for n in ("a", "b", "c"))
    total = 0.0
    for sex, grade in itertools.product(sexes, grades):
        p = v["p_sex"] if sex else 1 - v["p_sex"]
        p = p * (v["p_y"][sex] if y else 1 - v["p_y"][sex]) * v["p_grade"][y, grade]
        density = (
            stats.norm.pdf(a, v["a_mean"][grade], 0.8)
            * stats.norm.pdf(b, v["b_slope"][y] * a + 0.3, 0.9)
            * stats.norm.pdf(c, v["c_slope"][grade] * a - 0.6 * b, 0.7)
        )
        total += p * density.sum() * cell
    return math.log(total)


def every_pattern():
    rows = []
    for size in range(len(FEATURES) + 1):
        for gone in itertools.combinations(FEATURES, size):
            rows.append({name: None if name in gone else CASE[name] for name in FEATURES})
    return pd.DataFrame(rows)


def test_every_pattern_of_missing_nodes(read, monkeypatch):
    frame = every_pattern()
    assert len(frame) == 32
    fitted = read(
        network,
        pd.concat([frame.assign(y=["no", "yes"] * 16), frame.assign(y=None)], ignore_index=True),
    )
    density = LabelDensity(network, fitted)
    assert density._evaluator.vectorised
    points = density.start(2, seed=0)
    values = density.constrain(points)
    cases = read(network, frame)
    got = density.class_log_joint(values, cases)
    for s in range(2):
        draw = {name: value[s] for name, value in values.items()}
        for i, row in enumerate(frame.to_dict("records")):
            seen = {name: value for name, value in row.items() if not pd.isna(value)}
            for y in (0, 1):
                assert got.joint[s, i, y].item() == pytest.approx(
                    brute_force(draw, seen, y), abs=1e-8
                )
    # The same table, in blocks, in a loop, and with a run per class.
    monkeypatch.setattr(density_module, "PASS_NUMBERS", 500)
    for vectorised in (True, False):
        monkeypatch.setattr(density._evaluator, "vectorised", vectorised)
        again = density.class_log_joint(values, cases)
        assert torch.allclose(again.joint, got.joint, atol=1e-10)
        assert torch.allclose(again.label, got.label, atol=1e-10)
    at_once = density.log_prob(points)
    monkeypatch.setattr(density_module, "ONE_RUN", 0)
    assert torch.allclose(density.log_prob(points), at_once, rtol=1e-12)
    known = got.joint[:, torch.arange(32), torch.arange(32) % 2].sum(-1)
    unknown = torch.logsumexp(got.joint, -1).sum(-1)
    reference = LabelDensity(network, read(network, frame[:1].assign(y="no")))
    prior = reference.log_prob(points) - got.joint[:, 0, 0]
    assert torch.allclose(at_once, prior + known + unknown, rtol=1e-10)


def test_the_label_part_is_p_of_the_class_given_observed_causes(read):
    density = LabelDensity(network, read(network, every_pattern().assign(y="no")))
    values = density.constrain(density.start(1, seed=1))
    cases = read(
        network,
        pd.DataFrame(
            [{**CASE, "sex": "m"}, {**CASE, "sex": None}, {**CASE, "grade": None, "a": None}]
        ),
    )
    label = density.class_log_joint(values, cases).label[0].exp()
    p_y, p_sex = values["p_y"][0], values["p_sex"][0]
    unknown = p_sex * p_y[1] + (1 - p_sex) * p_y[0]
    # Grade is no cause of the class: summing over it changes nothing.
    assert torch.allclose(label[:, 1], torch.stack([p_y[1], unknown, p_y[1]]), atol=1e-10)
    assert torch.allclose(label.sum(-1), torch.ones(3).double())


def test_gradients_through_the_integral(read):
    frame = every_pattern().iloc[[3, 8, 12, 20, 27, 31]]
    density = LabelDensity(network, read(network, frame.assign(y=["no", None, "yes"] * 2)))
    points = density.start(2, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(density.log_prob, (points,), atol=1e-5)
    one = torch.func.grad(lambda u: density.log_prob(u[None])[0])
    (by_autograd,) = torch.autograd.grad(density.log_prob(points).sum(), points)
    assert torch.allclose(torch.func.vmap(one)(points.detach()), by_autograd, rtol=1e-8)


def child_of(child, parent=lambda y: dist.Normal(y, 1.0), kind=None, child_kind=None):
    """y -> x -> w, with x sometimes missing."""

    def fn(cases):
        slope = pyro.sample("slope", dist.Normal(1.0, 0.2))
        with cases:
            y = pyro.sample("y", dist.Bernoulli(0.4))
            x = pyro.sample("x", parent(y))
            pyro.sample("w", child(x, slope))

    return label_model(y=Label("no", "yes"), x=kind or Real(), w=child_kind or Real())(fn)


REFUSED = {
    "square": (
        child_of(lambda x, b: dist.Normal(b * x**2, 1.0)),
        r"column 'x', row 2 \(id '1'\): got no measured value, and 'w' depends on it, but not as a normal that is "
        r"linear in it, .*; make 'w' a Normal whose mean is linear in 'x', fill the cell, or leave out the row",
    ),
    "threshold": (
        child_of(lambda x, b: dist.Normal(torch.where(x > 0.8, b, -b), 1.0)),
        r"column 'x', row 2 .*'w' depends on it, but not as a normal that is linear in it",
    ),
    "scale": (
        child_of(lambda x, b: dist.Normal(b, torch.nn.functional.softplus(x))),
        r"column 'x', row 2 .*'w' depends on it",
    ),
    "discrete child": (
        child_of(lambda x, b: dist.Bernoulli(logits=b * x), child_kind=Category("no", "yes")),
        r"column 'x', row 2 .*'w' depends on it",
    ),
    "heavy tails": (
        child_of(lambda x, b: dist.StudentT(4.0, b * x, 1.0)),
        r"column 'x', row 2 .*'w' depends on it",
    ),
    "parent with heavy tails": (
        child_of(lambda x, b: dist.Normal(b * x, 1.0), lambda y: dist.StudentT(4.0, y, 1.0)),
        r"column 'x', row 2 .*other sites depend on it, and 'x' is not normal, .*; make 'x' a Normal",
    ),
    "bounded parent": (
        child_of(
            lambda x, b: dist.Normal(b * x, 1.0), lambda y: dist.LogNormal(y, 1.0), kind=Positive()
        ),
        r"column 'x', row 2 .*'w' depends on it, but .*: its values are bounded \(LogNormal\)",
    ),
    "half a line": (
        child_of(
            lambda x, b: dist.Normal(b * x, 1.0), lambda y: dist.HalfNormal(1 + y), kind=Positive()
        ),
        r"column 'x', row 2 .*: its values are bounded \(HalfNormal\)",
    ),
    "count": (
        child_of(lambda x, b: dist.Normal(b * x, 1.0), lambda y: dist.Poisson(1 + y), kind=Count()),
        r"column 'x', row 2 .*: only a Category or an Ordinal can be summed over",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_integrated_out_is_refused_by_name(case, read):
    model, message = REFUSED[case]
    w = ["no", "yes", "no"] if isinstance(model.features["w"], Category) else [0.5, 1.0, 2.0]
    complete = LabelDensity(model, read(model, y=["no", "yes", None], x=[1, 2, 1], w=w))
    gap = read(model, y=["no", None, "yes"], x=[1, None, 2], w=w)
    for refuse in (
        lambda: LabelDensity(model, gap),
        lambda: complete.class_log_joint(complete.constrain(complete.start(1, seed=0)), gap),
    ):
        with pytest.raises(InputError, match=message) as caught:
            refuse()
        assert "\n" not in str(caught.value)
    # Where the child is missing too, nothing depends on the gap.
    leaf = read(model, y=["no", "yes", None], x=[1, None, 2], w=[w[0], None, w[2]])
    density = LabelDensity(model, leaf)
    joint = density.class_log_joint(density.constrain(density.start(1, seed=0))).joint[0, 1]
    assert torch.allclose(joint.exp(), torch.tensor([0.6, 0.4]).double())


LINEAR = child_of(lambda x, b: dist.Normal(b * x + 0.3, 0.6))


@pytest.mark.parametrize(("cell", "low", "high"), [(">1.2", 1.2, 40.0), ("<-0.5", -40.0, -0.5)])
def test_censored_parent_by_quadrature(cell, low, high, read):
    cases = read(LINEAR, y=["no", None, "yes"], x=["1", cell, "2.0"], w=[0.5, 1.4, None])
    density = LabelDensity(LINEAR, cases)
    values = density.constrain(density.start(2, seed=0))
    joint = density.class_log_joint(values).joint
    for s, slope in enumerate(values["slope"].tolist()):
        for y in (0, 1):

            def at(x, y=y, slope=slope):
                return stats.norm.pdf(x, y, 1.0) * stats.norm.pdf(1.4, slope * x + 0.3, 0.6)

            mass, _ = integrate.quad(at, low, high, points=[y, 1.0], epsabs=1e-13, limit=200)
            wanted = math.log(mass) + math.log(0.4 if y else 0.6)
            assert joint[s, 1, y].item() == pytest.approx(wanted, abs=1e-8)


def test_censored_and_missing_parents_together(read):
    @label_model(y=Label("no", "yes"), x=Real(), v=Real(), w=Real())
    def chain(cases):
        pyro.sample("unused", dist.Normal(0.0, 1.0))
        with cases:
            y = pyro.sample("y", dist.Bernoulli(0.4))
            x = pyro.sample("x", dist.Normal(y, 1.0))
            v = pyro.sample("v", dist.Normal(0.8 * x, 0.7))
            pyro.sample("w", dist.Normal(x - v, 0.5))

    cases = read(chain, y=["no", None], x=["1", ">1"], v=["0.2", None], w=[0.5, 0.4])
    density = LabelDensity(chain, cases)
    joint = density.class_log_joint(density.constrain(density.start(1, seed=0))).joint[0, 1]
    nodes, weights = np.polynomial.legendre.leggauss(200)
    x, x_weights = 1 + 4.5 * (nodes + 1), 4.5 * weights
    v, v_weights = 10 * nodes[:, None], 10 * weights[:, None]
    for y in (0, 1):
        density_at = (
            stats.norm.pdf(x, y, 1)
            * stats.norm.pdf(v, 0.8 * x, 0.7)
            * stats.norm.pdf(0.4, x - v, 0.5)
        )
        mass = (density_at * x_weights * v_weights).sum()
        assert joint[y].item() == pytest.approx(math.log(mass * (0.4 if y else 0.6)), abs=1e-8)
    with pytest.raises(
        InputError, match=r"column 'x', row 1 .*: 'v' is censored in the same row, too"
    ):
        LabelDensity(chain, read(chain, y=["no"], x=[">1"], v=[">0"], w=[0.1]))


def test_vector_with_missing_components_as_a_parent(read):
    mean, cov = np.array([0.3, -0.5]), np.array([[1.0, 0.6], [0.6, 1.5]])

    @label_model(y=Label("no", "yes"), x=Vector("x1", "x2"), w=Real())
    def pair(cases):
        slope = pyro.sample("slope", dist.Normal(torch.tensor([1.0, -0.5]), 0.1).to_event(1))
        with cases:
            y = pyro.sample("y", dist.Bernoulli(0.4))
            loc = torch.tensor(mean) + y[..., None]
            x = pyro.sample("x", dist.MultivariateNormal(loc, torch.tensor(cov)))
            pyro.sample("w", dist.Normal((slope * x).sum(-1), 0.8))

    cases = read(
        pair,
        y=[None] * 4,
        x1=[1.0, None, 0.5, None],
        x2=[0.4, 0.2, None, None],
        w=[0.3, 0.7, None, -0.2],
    )
    density = LabelDensity(pair, cases)
    values = density.constrain(density.start(1, seed=0))
    joint = density.class_log_joint(values).joint[0]
    b = values["slope"][0].numpy()
    lift = np.vstack([np.eye(2), b])
    together = lift @ cov @ lift.T
    together[2, 2] += 0.8**2
    seen = np.array(
        [[1.0, 0.4, 0.3], [np.nan, 0.2, 0.7], [0.5, np.nan, np.nan], [np.nan, np.nan, -0.2]]
    )
    for y in (0, 1):
        centre = np.append(mean + y, b @ (mean + y))
        for i, row in enumerate(seen):
            at = np.flatnonzero(~np.isnan(row))
            log_p = stats.multivariate_normal.logpdf(row[at], centre[at], together[np.ix_(at, at)])
            assert joint[i, y].item() == pytest.approx(
                log_p + math.log(0.4 if y else 0.6), abs=1e-9
            )


def test_dependence_through_a_column_read_as_an_input(read):
    @label_model(y=Label("no", "yes"), x=Real(), w=Real())
    def reads(cases):
        slope = pyro.sample("slope", dist.Normal(1.0, 0.1))
        with cases as z:
            y = pyro.sample("y", dist.Bernoulli(0.4))
            pyro.sample("x", dist.Normal(y, 1.0))
            pyro.sample("w", dist.Normal(slope * z.x, 0.5))

    cases = read(reads, y=["no", None], x=[1.0, None], w=[0.2, 0.6])
    density = LabelDensity(reads, cases)
    values = density.constrain(density.start(1, seed=0))
    joint = density.class_log_joint(values).joint[0, 1]
    b = values["slope"].item()
    for y in (0, 1):
        wanted = stats.norm.logpdf(0.6, b * y, math.hypot(b, 0.5)) + math.log(0.4 if y else 0.6)
        assert joint[y].item() == pytest.approx(wanted, abs=1e-9)


def test_a_column_in_which_nothing_was_measured(read):
    cases = read(LINEAR, y=["no", None], x=[None, None], w=[0.2, 0.6])
    density = LabelDensity(LINEAR, cases)
    values = density.constrain(density.start(1, seed=0))
    b = values["slope"].item()
    wanted = stats.norm.logpdf(0.6, b + 0.3, math.hypot(b, 0.6)) + math.log(0.4)
    assert density.class_log_joint(values).joint[0, 1, 1].item() == pytest.approx(wanted, abs=1e-8)
