"""Layout of the unconstrained vector: round trip and log Jacobian against autodiff, for every kind of support."""

from __future__ import annotations

import warnings

import pyro
import pyro.distributions as dist
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyro import poutine

from labelppl.model.parameters import Parameters
from labelppl.model.precision import float64_defaults

PRIORS = {
    "real": lambda: dist.Normal(0.0, 1.0),
    "vector": lambda: dist.Normal(torch.zeros(3), 1.0).to_event(1),
    "positive": lambda: dist.LogNormal(0.0, 1.0),
    "unit": lambda: dist.Beta(torch.tensor([2.0, 3.0]), 2.0).to_event(1),
    "interval": lambda: dist.Uniform(-3.0, 5.0),
    "simplex": lambda: dist.Dirichlet(torch.ones(2, 4)).to_event(1),
    "turn": lambda: dist.VonMises(1.0, 3.0),
    "correlation": lambda: dist.LKJCholesky(3, 1.0),
    "half": lambda: dist.HalfCauchy(torch.ones(2)).to_event(1),
}
# From a matrix or simplex, the coordinates that are free.
FREE = {
    "simplex": lambda x: x[..., :-1].reshape(-1),
    "correlation": lambda x: x[torch.tril_indices(3, 3, -1).unbind()],
}


@pytest.fixture(scope="module")
def layout():
    def model():
        for name, prior in PRIORS.items():
            pyro.sample(name, prior())

    with float64_defaults():
        torch.manual_seed(0)
        nodes = poutine.trace(model).get_trace().nodes
    return Parameters({name: nodes[name] for name in PRIORS})


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_round_trip_and_jacobian(layout, data):
    numbers = st.floats(-4, 4, allow_nan=False)
    u = torch.tensor(
        data.draw(st.lists(numbers, min_size=layout.dim, max_size=layout.dim)), dtype=torch.float64
    )
    values, log_jacobian = layout.constrain(u)
    assert torch.allclose(layout.unconstrain(values), u, atol=1e-7)
    for name, prior in PRIORS.items():
        with float64_defaults():
            assert prior().support.check(values[name]).all() or name == "turn"

    def free(v):
        got, _ = layout.constrain(v)
        return torch.cat([FREE.get(name, lambda x: x)(x).reshape(-1) for name, x in got.items()])

    jacobian = torch.autograd.functional.jacobian(free, u)
    assert jacobian.shape == (layout.dim, layout.dim)
    by_autodiff = torch.linalg.slogdet(jacobian).logabsdet
    assert torch.allclose(by_autodiff, log_jacobian, rtol=1e-8, atol=1e-6)


def test_coordinates_have_names(layout):
    names = layout.coordinates
    assert len(names) == len(set(names)) == layout.dim
    assert names[:4] == ("real", "vector[0]", "vector[1]", "vector[2]")
    assert [n for n in names if n.startswith("simplex")][3] == "simplex[1,0]"


def test_works_under_vmap(layout):
    u = torch.randn(5, layout.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    together, log_jacobian = torch.vmap(layout.constrain)(u)
    for i in range(5):
        one, log_one = layout.constrain(u[i])
        assert torch.allclose(log_jacobian[i], log_one)
        for name in one:
            assert torch.allclose(together[name][i], one[name])


def test_second_derivatives_of_a_simplex_do_not_warn(layout):
    u = torch.zeros(1, layout.dim, dtype=torch.float64, requires_grad=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="An output with one or more elements was resized")
        log_jacobian = torch.vmap(lambda v: layout.constrain(v)[1])(u).sum()
        (gradient,) = torch.autograd.grad(log_jacobian, u, create_graph=True)
        basis = torch.eye(layout.dim, dtype=torch.float64).unsqueeze(1)
        (hessian,) = torch.autograd.grad(gradient, u, basis, is_grads_batched=True)
    assert torch.isfinite(hessian).all()
