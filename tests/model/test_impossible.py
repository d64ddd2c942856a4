"""What no parameter can repair is refused before the first engine, by site, row and cell; what is only unlikely is not."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch

from labelppl import Category, Label, Positive, Ratio, Real, Vector, label_model
from labelppl.errors import InputError
from labelppl.model import LabelDensity, LabelModel
from labelppl.posterior import fit
from labelppl.table import Cases, cases_from_frame

Y = Label("a", "b")


def _model(site: Callable[[Any, Any], Any], label: Any = None, **features: Any) -> LabelModel:
    """``site(mean, y)`` is sampled for the one feature; label: the label's law."""

    @label_model(y=Y, **features)
    def model(cases):  # type: ignore[no-untyped-def]
        with pyro.plate("class", 2):
            mean = pyro.sample("mean", dist.Normal(0.0, 5.0))
        with cases:
            y = pyro.sample("y", dist.Bernoulli(torch.tensor(0.5)) if label is None else label)
            site(mean, y.long())

    return model


def _read(model: LabelModel, y: list[str | None], **columns: list[Any]) -> Cases:
    return cases_from_frame(pd.DataFrame({**columns, "y": y}), "y", model.label, model.features)


def _normal(mean: Any, y: Any) -> None:
    pyro.sample("x", dist.Normal(mean[y], 1.0))


IMPOSSIBLE_LABELS = {
    "Categorical([1, 0])": dist.Categorical(torch.tensor([1.0, 0.0], dtype=torch.float64)),
    "Bernoulli(0)": dist.Bernoulli(torch.tensor(0.0, dtype=torch.float64)),
    "Categorical(logits)": dist.Categorical(logits=torch.tensor([0.0, -torch.inf]).double()),
}


@pytest.mark.parametrize("name", IMPOSSIBLE_LABELS)
def test_a_class_of_probability_zero_that_occurs_is_refused(name: str) -> None:
    model = _model(_normal, IMPOSSIBLE_LABELS[name], x=Real())
    cases = _read(model, ["a", "b", None], x=[0.1, 3.0, 1.0])
    with pytest.raises(InputError, match=r"label 'y': .*class 'b' probability zero .* case '1'"):
        fit(model, cases)


def test_a_class_of_probability_zero_that_does_not_occur_is_fine() -> None:
    model = _model(_normal, IMPOSSIBLE_LABELS["Categorical([1, 0])"], x=Real())
    assert fit(model, _read(model, ["a", "a", None], x=[0.1, 3.0, 1.0])).problems == ()


def test_a_class_that_is_only_rare_is_fine() -> None:
    rare = dist.Categorical(torch.tensor([1 - 1e-15, 1e-15], dtype=torch.float64))
    model = _model(_normal, rare, x=Real())
    LabelDensity(model, _read(model, ["a", "b"], x=[0.1, 3.0]))


def test_a_probability_that_only_some_parameters_make_zero_is_fine() -> None:
    """torch writes its smallest number for a probability of 1e-300, as a steep slope gives it."""

    @label_model(y=Y, x=Real())
    def steep(cases):  # type: ignore[no-untyped-def]
        slope = pyro.sample("slope", dist.Normal(0.0, 1000.0))
        with cases as z:
            pyro.sample("y", dist.Bernoulli(torch.sigmoid(slope * z.x)))

    LabelDensity(steep, _read(steep, ["a", "b"], x=[-3.0, 3.0]))


def test_a_value_of_probability_zero_is_refused() -> None:
    fixed = torch.tensor([[0.5, 0.5, 0.0], [0.2, 0.4, 0.4]], dtype=torch.float64)
    model = _model(
        lambda mean, y: pyro.sample("c", dist.Categorical(fixed[y])), c=Category("r", "g", "b")
    )
    with pytest.raises(
        InputError, match=r"site 'c', case '2': under its class 'a' the value 2 has"
    ):
        LabelDensity(model, _read(model, ["a", "b", "a"], c=["r", "b", "b"]))
    LabelDensity(model, _read(model, ["a", "b", "b"], c=["r", "b", "b"]))


OUTSIDE = {
    "Poisson for a Real": (
        lambda mean, y: pyro.sample("x", dist.Poisson(mean[y].exp())),
        Real(),
        [1.0, -0.5, 2.0],
        "row 2 .*got -0.5, which the support of Poisson",
    ),
    "Poisson for a fraction": (
        lambda mean, y: pyro.sample("x", dist.Poisson(mean[y].exp())),
        Real(),
        [1.0, 2.0, 0.5],
        "row 3 .*got 0.5, which the support of Poisson",
    ),
    "LogNormal for a Real": (
        lambda mean, y: pyro.sample("x", dist.LogNormal(mean[y], 1.0)),
        Real(),
        [1.0, 2.0, -3.0],
        "got -3, which the support of LogNormal",
    ),
    "Beta for a Positive": (
        lambda mean, y: pyro.sample("x", dist.Beta(mean[y].exp(), 2.0)),
        Positive(),
        [0.5, 1.5, 0.2],
        "got 1.5, which the support of Beta",
    ),
    "Exponential for a Real": (
        lambda mean, y: pyro.sample("x", dist.Exponential(mean[y].exp())),
        Real(),
        [0.5, -1.5, 0.2],
        "got -1.5, which the support of Exponential",
    ),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_value_outside_the_support_is_refused_in_training_and_in_new_cases(name: str) -> None:
    site, feature, values, message = OUTSIDE[name]
    model = _model(site, x=feature)
    cases = _read(model, ["a", "b", None], x=values)
    with pytest.raises(InputError, match=f"column 'x', {message}|column 'x', .*{message}"):
        fit(model, cases)
    good = _read(model, ["a", "b"], x=[1.0, 1.0] if "Beta" not in name else [0.5, 0.6])
    density = LabelDensity(model, good)
    with pytest.raises(InputError, match=r"column 'x'.*which the support of"):
        density.class_log_joint(density.constrain(density.start(1, 0)), cases)


def test_a_vector_outside_its_support_is_refused() -> None:
    model = _model(
        lambda mean, y: pyro.sample(
            "v",
            dist.Gamma(mean[y][..., None].exp(), 1.0).expand([2, 2]).to_event(1)
            if False
            else dist.LogNormal(mean[y].unsqueeze(-1).expand(-1, 2), 1.0).to_event(1),
        ),
        v=Vector("p", "q"),
    )
    with pytest.raises(
        InputError, match=r"column 'v', row 2 .*got 1, -2, which the support of LogN"
    ):
        LabelDensity(model, _read(model, ["a", "b"], p=[1.0, 1.0], q=[2.0, -2.0]))


def test_a_support_that_depends_on_a_parameter_is_left_to_the_density() -> None:
    model = _model(
        lambda mean, y: pyro.sample("x", dist.Uniform(mean[y] - 50.0, mean[y] + 50.0)), x=Real()
    )
    LabelDensity(model, _read(model, ["a", "b"], x=[12.0, -12.0]))


def test_obs_by_hand_at_a_declared_site_is_refused() -> None:
    model = _model(
        lambda mean, y: pyro.sample("x", dist.Normal(mean[y], 1.0), obs=torch.zeros(2)), x=Real()
    )
    cases = _read(model, ["a", "b"], x=[0.0, 1.0])
    with pytest.raises(InputError, match="site 'x': obs= is given by hand, but 'x' is a declared"):
        fit(model, cases)

    @label_model(y=Y, x=Real())
    def labelled(cases):  # type: ignore[no-untyped-def]
        mean = pyro.sample("mean", dist.Normal(0.0, 5.0))
        with cases:
            y = pyro.sample("y", dist.Bernoulli(0.5), obs=torch.tensor([0.0, 1.0]))
            pyro.sample("x", dist.Normal(mean + y, 1.0))

    with pytest.raises(InputError, match="site 'y': obs= is given by hand, but 'y' is the label"):
        fit(labelled, _read(labelled, ["a", "b"], x=[0.0, 1.0]))


def test_an_improper_prior_is_named_with_its_mend() -> None:
    @label_model(y=Y, x=Real())
    def improper(cases):  # type: ignore[no-untyped-def]
        real = dist.constraints.real
        mean = pyro.sample("mean", dist.ImproperUniform(real, torch.Size(), torch.Size()))
        with cases:
            y = pyro.sample("y", dist.Bernoulli(0.5))
            pyro.sample("x", dist.Normal(mean + y, 1.0))

    with pytest.raises(InputError, match=r"site 'mean': .*improper prior.*dist.Normal") as caught:
        fit(improper, _read(improper, ["a", "b"], x=[0.0, 1.0]))
    assert "\n" not in str(caught.value)


def test_a_model_function_that_ends_python_is_refused() -> None:
    model = _model(lambda mean, y: sys.exit(3), x=Real())
    with pytest.raises(
        InputError, match=r"line \d+: the model function ends Python .exit status 3"
    ):
        fit(model, _read(model, ["a", "b"], x=[0.0, 1.0]))


def test_a_density_of_zero_names_its_site() -> None:
    far = _model(
        lambda mean, y: pyro.sample("x", dist.Uniform(mean[y] + 100.0, mean[y] + 101.0)), x=Real()
    )
    with pytest.raises(
        InputError, match="site 'x', case '0': its measurements have density zero or"
    ):
        LabelDensity(far, _read(far, [None, None], x=[0.0, 1.0]))


def test_a_gradient_that_is_not_finite_names_site_row_and_cell() -> None:
    """sqrt has no slope at 0: the density of the second case is finite, its gradient is not."""

    @label_model(y=Y, x=Real())
    def rooted(cases):  # type: ignore[no-untyped-def]
        mean = pyro.sample("mean", dist.Normal(0.0, 5.0))
        with cases as z:
            y = pyro.sample("y", dist.Bernoulli(0.5))
            where = (z.x > 2).to(mean.dtype)
            pyro.sample("x", dist.Normal(torch.sqrt((1 - where) * mean.square()) + y, 1.0))

    with pytest.raises(
        InputError, match=r"site 'x', row 2 \(id '1'\), value 3: its log density has no finite grad"
    ):
        LabelDensity(rooted, _read(rooted, ["a", "b"], x=[0.0, 3.0]))


def test_a_prior_whose_gradient_is_not_finite_names_the_parameter() -> None:
    @label_model(y=Y, x=Ratio())
    def odd(cases):  # type: ignore[no-untyped-def]
        mean = pyro.sample("mean", dist.Normal(0.0, 5.0))
        pyro.factor("odd", torch.sqrt(0.0 * mean.square()))
        with cases:
            y = pyro.sample("y", dist.Bernoulli(0.5))
            pyro.sample("x", dist.Beta(2.0 + y, 2.0))

    with pytest.raises(
        InputError, match="parameter 'mean': the log density has no finite gradient"
    ):
        LabelDensity(odd, _read(odd, ["a", "b"], x=[0.3, 0.5]))
