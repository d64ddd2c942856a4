"""Cells such as `<10` and `>60`: the tail mass, in training and in new cases, or refused by name before any engine."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch
from scipy import stats

from labelppl import Angle, Label, Positive, Ratio, Real, label_model
from labelppl.distributions import AxialVonMises
from labelppl.errors import InputError
from labelppl.model import LabelDensity, LabelModel
from labelppl.posterior import fit
from labelppl.softlabels import soft_labels
from labelppl.table import cases_from_frame

Y = Label("no", "yes")


def _of(law: Any, feature: Any) -> LabelModel:
    """A model whose only feature is ``law(mean of the class)``."""

    @label_model(y=Y, x=feature)
    def model(cases):  # type: ignore[no-untyped-def]
        with pyro.plate("class", 2):
            mean = pyro.sample("mean", dist.Normal(torch.tensor([1.0, 3.0]), 0.5))
        with cases:
            y = pyro.sample("y", dist.Bernoulli(torch.tensor(0.5)))
            pyro.sample("x", law(mean[y.long()]))

    return model


def _read(model: LabelModel, x: list[str], y: list[str | None]) -> Any:
    frame = pd.DataFrame({"x": x, "y": y})
    return cases_from_frame(frame, "y", model.label, model.features)


LAWS = {
    "Pyro's LogNormal": (lambda m: dist.LogNormal(m, 0.5), Positive()),
    "Pyro's Gamma": (lambda m: dist.Gamma(4.0, 4.0 / m.exp()), Positive()),
    "Pyro's StudentT": (lambda m: dist.StudentT(4.0, 10 * m, 5.0), Real()),
}


@pytest.mark.parametrize("name", LAWS)
def test_a_detection_limit_is_fitted_and_labelled(name: str) -> None:
    """`<10` under Pyro's own laws: a gradient at the closed end of the support must not be lost."""
    model = _of(*LAWS[name])
    rng = np.random.default_rng(0)
    labels = ["no", "yes"] * 20
    means = np.array([2.0, 4.0] * 20)
    values = rng.lognormal(means, 0.5)
    cells = [f"<{10}" if v < 10 else f"{v:.3f}" for v in values]
    cases = _read(model, [*cells, "<10", ">90", "30"], [*labels, None, None, None])
    posterior = fit(model, cases.take(np.arange(40)))
    assert posterior.sampled.engine == "laplace"
    assert posterior.problems == ()
    ill = soft_labels(posterior, cases.take([40, 41])).probs[:, 1]
    assert ill[0] < 0.2
    assert ill[1] > 0.8
    joint = posterior.density.class_log_joint(posterior.values, cases.take([40])).joint
    mean = posterior.values["mean"]
    if "LogNormal" in name:
        wanted = stats.norm.logcdf((math.log(10) - mean.numpy()) / 0.5) + math.log(0.5)
        np.testing.assert_allclose(joint[:, 0].numpy(), wanted, rtol=1e-9)


def test_chains_and_nuts_take_a_detection_limit_too() -> None:
    model = _of(*LAWS["Pyro's LogNormal"])
    cases = _read(model, ["5", "<10", "20", ">30"], ["no", "no", "yes", "yes"])
    density = LabelDensity(model, cases)
    by_laplace = fit(model, cases, engine="laplace")
    by_chains = fit(model, cases, engine="chains")
    assert by_laplace.problems == by_chains.problems == ()
    weights = by_laplace.log_weights.exp()
    for k in range(2):
        wanted = float(weights @ by_laplace.values["mean"][:, k])
        assert float(by_chains.values["mean"][:, k].mean()) == pytest.approx(wanted, abs=0.05)
    u = density.start(3, 0).requires_grad_()
    assert bool(torch.isfinite(torch.autograd.grad(density.log_prob(u).sum(), u)[0]).all())


def test_the_arc_of_a_circular_angle() -> None:
    """`<80` on a circular angle with mean 100 or 140 degrees: the arc from 0 to 80, not a turn and more."""

    def law(m: Any) -> Any:
        return dist.VonMises(torch.deg2rad(60.0 + 40.0 * m), 10.0)

    bounded = _of(law, Angle("deg", kind="circular", low=0, high=360))
    cases = _read(bounded, ["100", "180", "<80", ">180"], ["no", "yes", None, None])
    density = LabelDensity(bounded, cases)
    mean = torch.tensor([[1.0, 3.0]], dtype=torch.float64)
    joint = density.class_log_joint({"mean": mean}).joint[0]
    for row, (low, high) in ((2, (0.0, 80.0)), (3, (180.0, 360.0))):
        for k, centre in enumerate((100.0, 180.0)):
            law_k = stats.vonmises(10.0, loc=np.deg2rad(centre))
            mass = law_k.cdf(np.deg2rad(high)) - law_k.cdf(np.deg2rad(low))
            assert float(joint[row, k].exp()) == pytest.approx(0.5 * mass, rel=1e-6)


@pytest.mark.parametrize(
    ("feature", "turn"),
    [
        (Angle("deg", kind="circular"), "360 deg apart on a circular"),
        (Angle("deg", kind="circular", low=0, high=361), "360 deg apart on a circular"),
        (Angle("rad", kind="circular"), "6.28319 rad apart on a circular"),
        (Angle("deg", kind="axial"), "180 deg apart on a axial"),
        (Angle("deg", kind="axial", low=0, high=181), "180 deg apart on a axial"),
    ],
)
def test_more_than_a_turn_between_the_bounds_is_refused(feature: Angle, turn: str) -> None:
    model = _of(lambda m: dist.VonMises(m, 10.0), feature)
    with pytest.raises(
        InputError, match=f"column 'x', row 2.*'<' and '>' need bounds at most {turn}"
    ):
        _read(model, ["1", "<3"], ["no", "yes"])
    assert len(_read(model, ["1", "2"], ["no", "yes"])) == 2  # without such a cell nothing is asked


@pytest.mark.parametrize("turn", [(0, 360), (20, 380)])
def test_bounds_a_turn_apart_are_enough(turn: tuple[int, int]) -> None:
    model = _of(
        lambda m: dist.VonMises(m, 10.0), Angle("deg", kind="circular", low=turn[0], high=turn[1])
    )
    assert bool(_read(model, ["30", "<40"], ["no", "yes"]).columns["x"].censored[1])


def test_the_end_of_an_axial_half_turn_does_not_wrap_to_its_beginning() -> None:
    """`>90` on an axis near 30 degrees holds almost nothing; 180 degrees, doubled, must not become 0."""
    doubled = _of(
        lambda m: dist.VonMises(2 * torch.deg2rad(30.0 * m), 10.0),
        Angle("deg", kind="axial", low=0, high=180),
    )
    cases = _read(doubled, ["30", "90", ">90", "<90"], ["no", "yes", None, None])
    column = cases.columns["x"]
    assert float(column.low[2]) == pytest.approx(math.pi)
    assert float(column.high[2]) == pytest.approx(2 * math.pi)
    mean = torch.tensor([[1.0, 1.0]], dtype=torch.float64)
    joint = LabelDensity(doubled, cases).class_log_joint({"mean": mean}).joint[0].exp() / 0.5
    assert float(joint[2, 0]) < 0.02
    assert float(joint[2, 0] + joint[3, 0]) == pytest.approx(1.0, abs=1e-9)


def test_the_axial_law_agrees_with_the_doubled_one() -> None:
    from labelppl.distributions.log_mass import log_mass

    ends = torch.deg2rad(torch.tensor([[0.0, 90.0], [90.0, 180.0]], dtype=torch.float64))
    axial = AxialVonMises(torch.tensor(0.5).double(), torch.tensor(10.0).double())
    doubled = dist.VonMises(torch.tensor(1.0).double(), torch.tensor(10.0).double())
    torch.testing.assert_close(
        log_mass(axial, ends[:, 0], ends[:, 1], ends[:, 0]),
        log_mass(doubled, 2 * ends[:, 0], 2 * ends[:, 1], ends[:, 0]),
    )


def test_a_squeezed_ratio_keeps_all_its_mass() -> None:
    squeezed = _of(lambda m: dist.Beta(m.exp(), 3.0), Ratio("%", squeeze=20))
    column = _read(squeezed, ["50", "<5", ">95"], ["no", "yes", "no"]).columns["x"]
    assert (float(column.low[1]), float(column.high[2])) == (0.0, 1.0)
    assert float(column.high[1]) == pytest.approx((0.05 * 19 + 0.5) / 20)


def test_a_law_without_a_distribution_function_is_refused_by_name() -> None:
    model = _of(lambda m: dist.Stable(1.5, 0.0, 1.0, m), Real())
    cases = _read(model, ["1", "2", ">3"], ["no", "yes", None])
    with pytest.raises(
        InputError, match="site 'x': censored entries need a law with a distribution"
    ):
        fit(model, cases)


def test_an_interval_where_no_class_has_mass_is_refused_by_name() -> None:
    model = _of(lambda m: dist.Uniform(m - 1.0, m + 1.0), Real())
    with pytest.raises(InputError, match="case '2': its measurements have density zero"):
        fit(model, _read(model, ["1", "3", ">400"], ["no", "yes", None]))


def test_a_censored_input_is_refused_by_name() -> None:
    @label_model(y=Y, x=Real())
    def logistic(cases):  # type: ignore[no-untyped-def]
        slope = pyro.sample("slope", dist.Normal(0.0, 1.0))
        with cases as z:
            pyro.sample("y", dist.Bernoulli(logits=slope * z.x))

    with pytest.raises(InputError, match=r"column 'x', row 2 \(id '1'\): got an interval"):
        fit(logistic, _read(logistic, ["1", ">2"], ["no", "yes"]))
