"""One-line families of measurements: recovered by simulation, equal to their closed forms and to hand-written Pyro."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch

from labelppl import families as f
from labelppl.errors import InputError
from labelppl.features import (
    Angle,
    Category,
    Column,
    Count,
    Label,
    Ordinal,
    Positive,
    Ratio,
    Real,
    Vector,
)
from labelppl.inference.laplace import laplace
from labelppl.model import LabelDensity, label_model
from labelppl.posterior import fit
from labelppl.table import cases_from_frame

Y = Label("no", "yes", "maybe")
ARC = Angle("deg", low=20, high=90)
BEND = Angle("deg", kind="halfcircle", low=0, high=180)
AXIS = Angle("deg", kind="axial")

FAMILIES: dict[str, Callable[[], f.Family]] = {
    "gaussian": lambda: f.gaussian(y=Y, a=ARC, b=Real(low=0, high=1)),
    "gaussian of one number": lambda: f.gaussian(y=Y, b=Real(low=0, high=1)),
    "von_mises": lambda: f.von_mises(y=Y, a=ARC),
    "von_mises of any direction": lambda: f.von_mises(y=Y, a=Angle("rad", kind="circular")),
    "von_mises of an axis": lambda: f.von_mises(y=Y, a=AXIS, typical={"a": (170, 25)}),
    "von_mises on the half circle": lambda: f.von_mises(y=Y, a=BEND, typical={"a": (30, 25)}),
    "beta": lambda: f.ratio(y=Y, c=Ratio("%"), kind="beta", typical={"c": (55, 12)}),
    "logit-normal": lambda: f.ratio(y=Y, c=Ratio(), typical={"c": (0.55, 0.12)}),
    "libby-novick": lambda: f.ratio(y=Y, c=Ratio(), kind="libby-novick", typical={"c": (0.5, 0.1)}),
    "hinkley": lambda: f.ratio(y=Y, c=Positive(), kind="hinkley", typical={"c": (0.7, 0.2)}),
    "angle_linear": lambda: f.angle_linear(y=Y, a=ARC, x=Real(low=0, high=1)),
    "student_t": lambda: f.student_t(y=Y, x=Real("mm"), typical={"x": (20, 30)}),
    "log_normal": lambda: f.log_normal(y=Y, x=Positive("ml", high=400)),
    "gamma": lambda: f.gamma(y=Y, x=Positive("days", high=90)),
    "poisson": lambda: f.poisson(y=Y, n=Count(), typical={"n": (5, 4)}),
    "negative_binomial": lambda: f.negative_binomial(y=Y, n=Count(high=40)),
    "categorical": lambda: f.categorical(y=Y, side=Category("l", "r", "both")),
    "ordinal": lambda: f.ordinal(y=Y, pain=Ordinal("none", "mild", "severe")),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_family_is_recovered_by_simulation(name: str, simulate: Any) -> None:
    """Every true parameter lies within 4.5 posterior standard deviations, on the unconstrained scale."""
    model = FAMILIES[name]()
    cases, truth = simulate(model, 500, seed=4)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        density = LabelDensity(model, cases)
    if name in EXACT:
        values = model.exact(cases).draw(1000, seed=0)
        unconstrain = density.parameters.unconstrain
        points = torch.stack(
            [unconstrain({k: v[s] for k, v in values.items()}) for s in range(1000)]
        )
        weight = torch.full((1000, 1), 1 / 1000, dtype=torch.float64)
    else:
        draws = laplace(density, seed=0, draws=1000)
        assert draws.log_weights is not None
        weight, points = draws.log_weights.exp()[0, :, None], draws.points[0]
    mean = (weight * points).sum(0)
    sd = (weight * (points - mean) ** 2).sum(0).sqrt()
    away = (density.parameters.unconstrain(truth) - mean) / sd
    assert float(away.abs().max()) < 4.5, dict(zip(density.coordinates, away.tolist(), strict=True))


EXACT = [
    "angle_linear",
    "gaussian",
    "gaussian of one number",
    "von_mises",
    "von_mises of an axis",
    "categorical",
]


@pytest.mark.parametrize("name", EXACT)
def test_closed_form_is_the_posterior_of_the_pyro_function(name: str, simulate: Any) -> None:
    """Average of the joint over exact draws equals the exact predictive; the draws follow the density of the function."""
    model = FAMILIES[name]()
    even = torch.tensor([0.4, 0.3, 0.3], dtype=torch.float64)
    cases, _ = simulate(model, 250, seed=1, given={"prevalence": even})
    density = LabelDensity(model, cases)
    exact = model.exact(cases)
    values = exact.draw(4000, seed=0)
    assert set(values) == {site.name for site in density.parameters}
    joint = density.class_log_joint(values).joint
    mean = torch.logsumexp(joint, 0) - math.log(4000)
    probs = exact.probs(cases.columns)
    np.testing.assert_allclose(torch.softmax(mean, -1), probs, atol=0.02)

    unconstrain = density.parameters.unconstrain
    points = torch.stack([unconstrain({k: v[s] for k, v in values.items()}) for s in range(1000)])
    # For draws u of a density p: E[d log p / du] = 0 and E[u . d log p / du] = -1 (Stein). The scale that classes share has
    # about 200 independent draws.
    score = torch.vmap(torch.func.grad(lambda u: density.log_prob(u[None])[0]))(points)
    away = points - points.median(0).values
    for value, expected in ((score, 0.0), (score * away, -1.0)):
        error = 4.5 * value.std(0) / math.sqrt(200)
        assert bool(((value.mean(0) - expected).abs() < error).all())


def test_laws_combine_and_missing_entries_integrate_out(simulate: Any) -> None:
    model = f.independent(
        y=Y,
        a=f.VonMises(ARC),
        c=f.Beta(Ratio(), (0.5, 0.1)),
        side=f.Categorical(Category("l", "r")),
    )
    cases, _ = simulate(model, 80, seed=2)
    values = fit(model, cases, seed=0).values
    columns = dict(cases.columns)
    blank = torch.arange(80) >= 40
    for gone in ("a", "c", "side"):
        columns[gone] = Column(columns[gone].values, blank)
    density = LabelDensity(model, cases)
    lost = type(cases)(cases.ids, cases.classes, cases.labels, columns, cases.split)
    joint = density.class_log_joint(values, lost).joint[:, :40]
    prior = torch.log(values["prevalence"])[:, None].expand_as(joint)
    torch.testing.assert_close(joint, prior)


def test_a_hand_written_model_and_the_one_line_family_are_the_same(simulate: Any) -> None:
    one_line = f.independent(y=Y, a=f.VonMises(ARC), c=f.LogitNormal(Ratio(), (0.5, 0.1)))
    alpha = f.VonMises(ARC).with_name("a")
    coverage = f.LogitNormal(Ratio(), (0.5, 0.1)).with_name("c")

    @label_model(y=Y, a=ARC, c=Ratio())
    def by_hand(cases):  # type: ignore[no-untyped-def]
        prevalence = pyro.sample("prevalence", dist.Dirichlet(torch.ones(3)))
        angle, ratio = alpha.parameters(cases), coverage.parameters(cases)
        with cases:
            y = pyro.sample("y", dist.Categorical(prevalence))
            angle(y)
            ratio(y)

    cases, _ = simulate(one_line, 50, seed=3)
    first, second = LabelDensity(one_line, cases), LabelDensity(by_hand, cases)
    u = torch.randn(5, first.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(first.log_prob(u), second.log_prob(u))


def test_degrees_and_radians_give_the_same_family(simulate: Any) -> None:
    degrees = f.von_mises(y=Y, a=ARC)
    radians = f.von_mises(y=Y, a=Angle("rad", low=math.radians(20), high=math.radians(90)))
    cases, _ = simulate(degrees, 30, seed=5)
    u = torch.zeros(1, LabelDensity(degrees, cases).dim, dtype=torch.float64)
    torch.testing.assert_close(
        LabelDensity(degrees, cases).log_prob(u), LabelDensity(radians, cases).log_prob(u)
    )


@pytest.mark.parametrize(
    ("make", "cell"),
    [
        (lambda: f.ratio(y=Y, x=Ratio(), kind="beta", typical={"x": (0.5, 0.1)}), ">0.6"),
        (lambda: f.ratio(y=Y, x=Ratio(), kind="libby-novick", typical={"x": (0.5, 0.1)}), "<0.4"),
        (lambda: f.ratio(y=Y, x=Positive(), kind="hinkley", typical={"x": (0.5, 0.1)}), ">0.6"),
        (lambda: f.ratio(y=Y, x=Ratio(), typical={"x": (0.5, 0.1)}), ">0.6"),
        (lambda: f.student_t(y=Y, x=Real(low=0, high=1)), ">0.6"),
        (lambda: f.gamma(y=Y, x=Positive(high=1)), ">0.6"),
        (lambda: f.log_normal(y=Y, x=Positive(high=1)), "<0.6"),
        (lambda: f.gaussian(y=Y, x=Real(low=0, high=1)), ">0.6"),
        (lambda: f.von_mises(y=Y, x=Angle("rad", low=0, high=1)), ">0.6"),
        (
            lambda: f.von_mises(y=Y, x=Angle("rad", kind="halfcircle"), typical={"x": (0.5, 0.1)}),
            ">0.6",
        ),
    ],
)
def test_censored_entries_count_as_tail_mass(make: Callable[[], f.Family], cell: str) -> None:
    model = make()
    frame = pd.DataFrame({"y": ["no", "yes", "maybe", "no"], "x": ["0.5", "0.55", "0.45", cell]})
    cases = cases_from_frame(frame, "y", model.label, model.features)
    density = LabelDensity(model, cases)
    u = density.start(2, seed=0)
    values = density.constrain(u)
    joint = density.class_log_joint(values).joint[:, 3]
    low, high = (0.6, 1.0) if cell == ">0.6" else (1e-12, float(cell[1:]))
    if isinstance(model.features["x"], Angle) and model.features["x"].kind == "halfcircle":
        high = math.pi
    elif isinstance(model.features["x"], Positive) and model.features["x"].high is None:
        high = 60.0
    nodes, weights = np.polynomial.legendre.leggauss(600)
    grid = torch.tensor(low + (high - low) * (nodes + 1) / 2)
    many = cases.take(np.zeros(600, dtype=int))
    seen = torch.ones(600, dtype=torch.bool)
    many = type(cases)(many.ids, many.classes, many.labels, {"x": Column(grid, seen)}, many.split)
    density_there = density.class_log_joint(values, many).joint.exp()
    mass = (
        torch.einsum("skc,k->sc", density_there.transpose(0, 0), torch.tensor(weights))
        * (high - low)
        / 2
    )
    torch.testing.assert_close(joint.exp(), mass, rtol=1e-4, atol=1e-6)
    assert bool(torch.isfinite(torch.func.grad(lambda v: density.log_prob(v[None])[0])(u[0])).all())


def test_prior_sizes_come_from_bounds_from_the_expert_or_from_the_table(simulate: Any) -> None:
    unknown = f.gaussian(y=Y, a=Real(), b=Real())
    told = f.gaussian(y=Y, a=Real(), b=Real(), typical={"a": (100.0, 20.0), "b": (-1.0, 0.5)})
    cases, _ = simulate(told, 40, seed=0)
    with pytest.raises(InputError, match="typical"):
        LabelDensity(unknown, cases)
    tuned = unknown.for_cases(cases)
    prior = tuned.evidence[0].prior()  # type: ignore[attr-defined]
    torch.testing.assert_close(prior.center, cases.columns["measured"].values.mean(0))
    LabelDensity(tuned, cases)
    assert told.for_cases(cases).evidence[0].prior().center.tolist() == [100.0, -1.0]  # type: ignore[attr-defined]


def test_bounds_give_way_to_the_table_and_stand_in_for_a_constant_column() -> None:
    """Bounds may be far wider than the measurements; only where the table says nothing do they set the size."""
    model = f.gaussian(y=Label("no", "yes"), a=Real(low=0, high=100))
    frame = pd.DataFrame({"a": [50.0, 51.0, 52.0, 53.0], "y": ["no", "no", "yes", "yes"]})
    sizes = {}
    for name, values in {"varied": frame["a"], "constant": 51.0}.items():
        table = frame.assign(a=values)
        cases = cases_from_frame(table, model.label_name, model.label, model.features)
        sizes[name] = float(model.for_cases(cases).evidence[0].prior().spread)  # type: ignore[attr-defined]
    assert sizes["varied"] == pytest.approx(np.std([50, 51, 52, 53], ddof=1))
    assert sizes["constant"] == 25


def test_prevalence_fixed_by_design_is_not_inferred(simulate: Any) -> None:
    model = f.von_mises(y=Y, a=ARC, prevalence=(0.1, 0.3, 0.6))
    cases, truth = simulate(model, 20, seed=0)
    assert "prevalence" not in truth
    labels = LabelDensity(model, cases).class_log_joint(fit(model, cases).values).label
    torch.testing.assert_close(
        labels.exp()[0, 0], torch.tensor([0.1, 0.3, 0.6], dtype=torch.float64)
    )


BAD: dict[str, Callable[[], object]] = {
    "no label": lambda: f.gaussian(a=Real()),
    "wrong feature": lambda: f.von_mises(y=Y, a=Real()),
    "not a law": lambda: f.independent(y=Y, a=Real()),
    "unknown kind": lambda: f.ratio(y=Y, c=Ratio(), kind="gamma"),  # type: ignore[arg-type]
    "no evidence": lambda: f.independent(y=Y),
    "prevalence": lambda: f.von_mises(y=Y, a=ARC, prevalence=(0.5, 0.5)),
    "spread": lambda: f.student_t(y=Y, a=Real(), typical={"a": (1.0, 0.0)}),
    "stray typical": lambda: f.student_t(y=Y, a=Real(), typical={"b": (1.0, 1.0)}),
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_declarations_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(InputError) as caught:
        BAD[name]()
    assert "\n" not in str(caught.value)


def test_vector_keeps_its_name() -> None:
    model = f.gaussian(y=Y, z=Vector(a=Real(low=0, high=1), b=ARC))
    assert set(model.features) == {"z"}


def test_a_vector_with_a_half_open_part_takes_its_size_from_the_table() -> None:
    """`Positive()` has a lower bound and no upper one: as a part of a Vector it is sized as it is alone."""
    model = f.gaussian(y=Label("no", "yes"), a=Positive(), b=Real())
    frame = pd.DataFrame(
        {"a": [1.0, 2.0, 4.0, 8.0], "b": [0.0, 1.0, -1.0, 2.0], "y": ["no", "no", "yes", "yes"]}
    )
    cases = cases_from_frame(frame, model.label_name, model.label, model.features)
    assert fit(model, cases, seed=0).problems == ()


def test_a_plain_model_has_the_defaults_of_a_family() -> None:
    """Sizes, closed form and anchors are methods of every label model; a hand-written one has none of them."""

    @label_model(y=Label("no", "yes"), a=Real())
    def plain(cases: Any) -> None:
        with cases:
            y = pyro.sample("y", dist.Categorical(torch.tensor([0.5, 0.5])))
            pyro.sample("a", dist.Normal(y.double(), 1.0))

    frame = pd.DataFrame({"a": [0.0, 1.0], "y": ["no", "yes"]})
    cases = cases_from_frame(frame, plain.label_name, plain.label, plain.features)
    assert plain.for_cases(cases) is plain
    assert plain.exact(cases) is None
    assert plain.anchors(cases) == {}
