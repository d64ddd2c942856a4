"""Networks declared by parents: exact for every pattern of missing nodes, recovered, equal to one written by hand."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from labelppl import fit, load_model, soft_labels
from labelppl.errors import InputError
from labelppl.families import Node, network
from labelppl.features import Angle, Category, Column, Label, Ordinal, Real, Vector
from labelppl.inference.laplace import laplace
from labelppl.model import LabelDensity
from labelppl.table import Cases, cases_from_frame

GRADES = ("low", "mid", "high")
SIX = network(
    {
        "c": Node(Real(), ("a", "b", "grade"), (0.0, 1.5)),
        "b": Node(Real("mm"), ("y", "a"), (0.5, 1.2)),
        "a": Node(Real(), ("grade",), (0.2, 1.4)),
        "grade": Node(Ordinal(*GRADES), ("y",)),
        "y": Node(Label("no", "yes"), ("sex",)),
        "sex": Category("f", "m"),
    }
)
CASE = {"sex": "m", "grade": "high", "a": 0.7, "b": -0.4, "c": 0.9}
STEP = 0.25
GRID = np.arange(-10, 10, STEP)


def _values(seed: int) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(seed)

    def probs(*shape: int) -> np.ndarray:
        return rng.dirichlet(np.full(shape[-1], 3.0), shape[:-1])

    drawn = {
        "sex_probs": probs(2),
        "y_probs": probs(2, 2),
        "grade_probs": probs(2, 3),
        "a_variance": rng.uniform(0.6, 1.0, 3),
        "a_mean": rng.normal(0, 0.6, 3),
        "b_variance": rng.uniform(0.6, 1.0, 2),
        "b_mean": rng.normal(0, 0.6, 2),
        "b_slopes": rng.normal(0, 0.5, (2, 1)),
        "c_variance": rng.uniform(0.6, 1.0, 3),
        "c_mean": rng.normal(0, 0.6, 3),
        "c_slopes": rng.normal(0, 0.5, (3, 2)),
    }
    return {name: torch.from_numpy(np.asarray(value)) for name, value in drawn.items()}


def _brute_force(values: dict[str, torch.Tensor], seen: dict[str, Any], y: int) -> float:
    """log p(seen, y): codes summed over, the trapezoid rule (spectrally accurate here) for numbers."""
    v = {name: value.numpy() for name, value in values.items()}
    sexes = [("f", "m").index(seen["sex"])] if "sex" in seen else [0, 1]
    grades = [GRADES.index(seen["grade"])] if "grade" in seen else [0, 1, 2]
    axes = [np.array([seen[n]]) if n in seen else GRID for n in ("a", "b", "c")]
    a, b, c = np.meshgrid(*axes, indexing="ij")
    u, w = (a - 0.2) / 1.4, (b - 0.5) / 1.2
    total = 0.0
    for sex, grade in itertools.product(sexes, grades):
        p = v["sex_probs"][sex] * v["y_probs"][sex, y] * v["grade_probs"][y, grade]
        b_loc = v["b_mean"][y] + v["b_slopes"][y, 0] * u
        c_loc = v["c_mean"][grade] + v["c_slopes"][grade, 0] * u + v["c_slopes"][grade, 1] * w
        density = (
            stats.norm.pdf(a, v["a_mean"][grade], math.sqrt(v["a_variance"][grade]))
            * stats.norm.pdf(b, b_loc, math.sqrt(v["b_variance"][y]))
            * stats.norm.pdf(c, c_loc, math.sqrt(v["c_variance"][grade]))
        )
        total += p * density.sum() * STEP ** sum(n not in seen for n in ("a", "b", "c"))
    return math.log(total)


def _read(model: Any, frame: pd.DataFrame) -> Cases:
    return cases_from_frame(frame, model.label_name, model.label, model.features)


def test_every_pattern_of_missing_nodes() -> None:
    patterns = list(itertools.product((True, False), repeat=5))
    rows = [
        {n: CASE[n] if kept else None for n, kept in zip(CASE, seen, strict=True)}
        for seen in patterns
    ]
    cases = _read(SIX, pd.DataFrame(rows).assign(y=None))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        density = LabelDensity(SIX, cases)
    draws = [_values(0), _values(1)]
    stacked = {name: torch.stack([d[name] for d in draws]) for name in draws[0]}
    joint = density.class_log_joint(stacked).joint
    for s, draw in enumerate(draws):
        for i, row in enumerate(rows):
            seen = {name: value for name, value in row.items() if value is not None}
            expected = [_brute_force(draw, seen, y) for y in (0, 1)]
            np.testing.assert_allclose(joint[s, i], expected, rtol=0, atol=1e-8)
            np.testing.assert_allclose(
                torch.softmax(joint[s, i], -1),
                torch.softmax(torch.tensor(expected, dtype=torch.float64), -1),
                rtol=0,
                atol=1e-8,
            )


def test_recovered_by_simulation(simulate: Callable[..., Any]) -> None:
    """Every true parameter within 4.5 posterior standard deviations, on the unconstrained scale."""
    model = network(
        {
            "side": Category("left", "right"),
            "y": Node(Label("no", "yes"), ("side",)),
            "weeks": Node(Real("weeks", low=0, high=40), ("y",)),
            "alpha": Node(Angle("deg", low=20, high=90), ("y", "side", "weeks")),
        }
    )
    given = {
        "side_probs": [0.5, 0.5],
        "y_probs": [[0.6, 0.4], [0.4, 0.6]],
        "weeks_variance": [40.0, 60.0],
        "alpha_variance": [[0.01, 0.02], [0.02, 0.01]],
    }
    fixed = {name: torch.tensor(value, dtype=torch.float64) for name, value in given.items()}
    cases, truth = simulate(model, 300, seed=1, given=fixed)
    density = LabelDensity(model, cases)
    draws = laplace(density, seed=0, draws=1000)
    assert draws.ok, draws.problems
    assert draws.log_weights is not None
    weight, points = draws.log_weights.exp()[0, :, None], draws.points[0]
    mean = (weight * points).sum(0)
    sd = (weight * (points - mean) ** 2).sum(0).sqrt()
    away = (density.parameters.unconstrain(truth) - mean) / sd
    assert float(away.abs().max()) < 4.5, dict(zip(density.coordinates, away.tolist(), strict=True))


def test_prior_sizes_come_from_the_table_and_gaps_are_labelled() -> None:
    model = network(
        {
            "y": Label("no", "yes"),
            "x": Node(Real("mm"), ("y",)),
            "w": Node(Real(), ("x", "y")),
        }
    )
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    x = rng.normal(20 + 4 * y, 2)
    w = rng.normal(0.5 * x - 3 * y, 1)
    names = np.array(["no", "yes"])[y]
    frame = pd.DataFrame({"y": names, "x": x, "w": w})
    frame.loc[::3, "x"] = np.nan
    posterior = fit(model, _read(model, frame), seed=0)
    assert posterior.problems == ()
    probs = soft_labels(posterior).probs
    at = np.arange(0, 120, 3)

    def truth(k: int) -> np.ndarray:
        """p(w | y) with x integrated out: N(.5 (20 + 4 k) - 3 k, 1 + .25 * 4)."""
        return stats.norm.pdf(w[at], 10 - k, math.sqrt(2))

    expected = truth(1) / (truth(0) + truth(1))
    # 60 cases a class leave each class mean of w an error of .18, and so the log odds one of about .35.
    assert np.abs(probs[at, 1] - expected).mean() < 0.08


def test_equals_the_network_of_the_zoo() -> None:
    by_hand = load_model("network")
    declared = network(
        {
            "sex": Category("female", "male"),
            "severity": Label("moderate", "severe"),
            "hypertrophy": Node(Category("no", "yes"), ("severity",)),
            "velocity": Node(Real("m/s"), ("severity",), (4.0, 0.7)),
            "gradient": Node(Real("mmHg"), ("severity", "velocity"), (40.0, 15.0)),
            "area": Node(Real("cm2"), ("severity", "velocity"), (1.0, 0.3)),
            "log_calcium": Node(Real(), ("severity", "sex"), (7.2, 0.8)),
        }
    )
    case = {
        "sex": "male",
        "hypertrophy": "yes",
        "velocity": 3.8,
        "gradient": 45.0,
        "area": 0.9,
        "log_calcium": 7.4,
    }
    gaps = [(), ("velocity",), ("sex", "area"), ("velocity", "hypertrophy", "sex"), tuple(case)]
    rows = [{n: None if n in gone else v for n, v in case.items()} for gone in gaps]
    frame = pd.DataFrame(rows).assign(severity=None)
    hand = LabelDensity(by_hand, _read(by_hand, frame))
    theta = hand.constrain(hand.start(3, seed=0))
    men, thick = theta["men"], theta["hypertrophied"]
    values = {
        "sex_probs": torch.stack([1 - men, men], -1),
        "severity_probs": theta["prevalence"],
        "hypertrophy_probs": torch.stack([1 - thick, thick], -1),
        "velocity_mean": theta["velocity_mean"],
        "velocity_variance": theta["velocity_sd"] ** 2,
        "log_calcium_mean": theta["calcium_mean"][..., None]
        + theta["calcium_men"][..., None] * torch.arange(2),
        "log_calcium_variance": (theta["calcium_sd"] ** 2)[..., None].expand(3, 2, 2),
    }
    for name in ("gradient", "area"):
        slope = theta[f"{name}_slope"]
        values[f"{name}_mean"] = theta[f"{name}_mean"] + slope * (4.0 - theta["velocity_mean"])
        values[f"{name}_slopes"] = (slope * 0.7)[..., None]
        values[f"{name}_variance"] = theta[f"{name}_sd"] ** 2
    one_line = LabelDensity(declared, _read(declared, frame))
    assert set(values) == {site.name for site in one_line.parameters}
    torch.testing.assert_close(
        one_line.class_log_joint(values).joint,
        hand.class_log_joint(theta).joint,
        rtol=1e-9,
        atol=1e-9,
    )


Y = Label("no", "yes")
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a cycle": (
        lambda: network({"y": Y, "a": Node(Real(), ("y", "b")), "b": Node(Real(), ("a",))}),
        r"network: got the cycle (a -> b -> a|b -> a -> b); remove one of its edges",
    ),
    "its own parent": (lambda: network({"y": Y, "a": Node(Real(), ("a",))}), "cycle a -> a"),
    "a discrete child": (
        lambda: network({"y": Node(Y, ("x",)), "x": Real()}),
        r"the discrete node 'y' has the continuous parent 'x'; let 'x' depend on 'y' instead",
    ),
    "an unknown parent": (
        lambda: network({"y": Y, "x": Node(Real(), ("z",))}),
        r"node 'x' has the parent 'z', expected one of the nodes y, x",
    ),
    "a parent twice": (
        lambda: network({"y": Y, "x": Node(Real(), ("y", "y"))}),
        r"node 'x' has the parents y, y; name each once",
    ),
    "text for parents": (
        lambda: Node(Real(), "y"),
        r"got parents='y', expected several names; write \('y',\)",
    ),
    "no label": (lambda: network({"x": Real()}), "expected exactly one Label, got none"),
    "a label alone": (lambda: network({"y": Y}), "at least one feature beside the Label"),
    "an angle that wraps": (
        lambda: network({"y": Y, "x": Node(Angle("deg", kind="axial"), ("y",))}),
        r"node 'x' is an angle that wraps",
    ),
    "a vector": (
        lambda: network({"y": Y, "x": Node(Vector("a", "b"), ("y",))}),
        r"node 'x' is .*, expected a Label, a Category, an Ordinal or a number",
    ),
    "a size for a category": (
        lambda: Node(Category("a", "b"), typical=(1.0, 2.0)),
        r"got typical=\(1\.0, 2\.0\), expected \(center, spread > 0\) of a number",
    ),
    "no pseudo-cases": (
        lambda: network({"y": Y, "x": Node(Real(), ("y",))}, counts=0),
        r"got counts=0, precision=0\.1, expected above 0",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_one_line(case: str) -> None:
    build, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_open_labels_take_their_classes_from_the_table() -> None:
    model = network({"y": Label(), "x": Node(Real(low=0, high=9), ("y",))})
    seen = torch.ones(3, dtype=torch.bool)
    columns = {"x": Column(torch.tensor([1.0, 4.0, 8.0], dtype=torch.float64), seen)}
    ids, labels = np.array(["1", "2", "3"]), np.array([0, 1, 2])
    cases = Cases(ids, ("a", "b", "c"), labels, columns, np.full(3, "train"))
    density = LabelDensity(model, cases)
    values = density.constrain(density.start(1, seed=0))
    assert values["x_mean"].shape == (1, 3)
    assert values["y_probs"].shape == (1, 3)


def _gappy(n: int) -> tuple[Any, Cases]:
    """A six-node network of 65 free parameters and a table with 15 % gaps and a third of the labels gone."""
    model = network(
        {
            "sex": Category("f", "m"),
            "y": Node(Label("no", "yes"), ("sex",)),
            "grade": Node(Ordinal(*GRADES), ("y", "sex")),
            "a": Node(Real(), ("y", "grade")),
            "b": Node(Real(), ("y", "grade", "a")),
            "c": Node(Real(), ("y", "grade", "a", "b")),
        }
    )
    rng = np.random.default_rng(0)
    sex = rng.integers(0, 2, n)
    y = (rng.random(n) < 0.3 + 0.3 * sex).astype(int)
    grade = np.where(y, rng.choice(3, n, p=[0.2, 0.3, 0.5]), rng.choice(3, n, p=[0.5, 0.3, 0.2]))
    a = rng.normal(y + 0.3 * grade, 1)
    b = rng.normal(0.5 * a - y, 1)
    c = rng.normal(b - 0.4 * a + 0.5 * grade, 1)
    frame = pd.DataFrame({"sex": np.array(["f", "m"])[sex], "a": a, "b": b, "c": c})
    frame["grade"], frame["y"] = np.array(GRADES)[grade], np.array(["no", "yes"])[y]
    for name, share in zip(frame, (0.15, 0.15, 0.15, 0.15, 0.15, 0.3), strict=True):
        frame.loc[rng.random(n) < share, name] = None
    cases = _read(model, frame)
    return model.for_cases(cases), cases


def test_a_large_network_with_gaps_passes_the_gate_of_laplace() -> None:
    model, cases = _gappy(400)
    density = LabelDensity(model, cases)
    assert density.dim == 65
    draws = laplace(density, seed=0)
    assert draws.ok, draws.problems


def test_anchors_change_coordinates_and_nothing_else() -> None:
    model, cases = _gappy(60)
    density = LabelDensity(model, cases)
    assert set(density.parameters.anchors) == {
        f"{n}_{s}" for n, s in itertools.product("abc", ("mean", "slopes"))
    } - {"a_slopes"}
    x = density.start(1, seed=0)[0]
    values, log_jacobian = density.parameters.constrain(x)
    torch.testing.assert_close(density.parameters.unconstrain(values), x)
    plain = LabelDensity(model, cases)
    plain.parameters = plain.parameters.with_anchors({})
    u = plain.parameters.unconstrain(values)
    _, plain_jacobian = plain.parameters.constrain(u)

    def to_plain(x: torch.Tensor) -> torch.Tensor:
        return plain.parameters.unconstrain(density.parameters.constrain(x)[0])

    log_det = torch.linalg.slogdet(torch.autograd.functional.jacobian(to_plain, x)).logabsdet
    torch.testing.assert_close(log_jacobian, plain_jacobian + log_det)
    both = density.log_prob(x[None]), plain.log_prob(u[None]) + log_det
    torch.testing.assert_close(*both)


def test_anchors_are_the_posterior_of_complete_rows() -> None:
    """One continuous node without parents: normal-inverse-gamma in closed form."""
    model = network({"y": Label("no", "yes"), "x": Node(Real(), ("y",), (1.0, 2.0))}, precision=0.5)
    x, y = np.array([0.3, 2.0, 1.1, -1.0, 4.0]), np.array([0, 0, 0, 1, -1])
    names = np.array(["no", "yes", None], dtype=object)[y]
    anchor = model.anchors(_read(model, pd.DataFrame({"x": x, "y": names})))["x_mean"]
    for k, rows in enumerate(([0, 1, 2], [3])):
        n, total = len(rows), 0.5 + len(rows)
        mean = (0.5 * 1.0 + x[rows].sum()) / total
        rate = 1.4**2 + 0.5 * (((x[rows] - mean) ** 2).sum() + 0.5 * (mean - 1.0) ** 2)
        assert float(anchor.location[k]) == pytest.approx(mean)
        assert float(anchor.unit[k]) == pytest.approx(rate / (2 + n / 2))


def test_a_missing_size_is_told_in_one_line() -> None:
    """Pyro adds the shapes of all sites to an error inside a model; the expert gets the sentence alone."""
    model = network({"y": Y, "x": Node(Real(), ("y",))})
    cases = _read(model, pd.DataFrame({"y": ["no", "yes"], "x": [0.0, 1.0]}))
    with pytest.raises(InputError, match="its prior needs a rough size") as caught:
        LabelDensity(model, cases)
    assert "\n" not in str(caught.value)
