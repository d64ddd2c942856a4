"""Every zoo model says where it comes from; the hip models find the parameters their own data were drawn with."""

from __future__ import annotations

import ast

import numpy as np
import pandas as pd
import pyro
import pytest
import torch
from pyro import poutine
from pyro.poutine.util import site_is_subsample

from labelppl import LabelModel, fit, load_model, soft_labels
from labelppl.features import Vector
from labelppl.model import zoo
from labelppl.model.score import inside_cases
from labelppl.table import cases_from_frame


@pytest.mark.parametrize("name", sorted(zoo()))
def test_it_loads_and_states_its_source(name: str) -> None:
    model = load_model(name)
    text = ast.get_docstring(ast.parse(zoo()[name].read_text())) or ""
    assert len(text) > 200
    assert any(year in text for year in map(str, range(1950, 2027))), (
        "cite the source with its year"
    )
    assert model.name == name


def simulate(model: LabelModel, n: int, seed: int) -> tuple[pd.DataFrame, dict[str, torch.Tensor]]:
    """A table of n cases drawn by plain Pyro from the model's own prior, and the parameters they were drawn with."""
    pyro.set_rng_seed(seed)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        trace = poutine.trace(model).get_trace(model.plate(n))
    finally:
        torch.set_default_dtype(before)
    columns = {
        model.label_name: np.array(model.label.classes)[
            trace.nodes[model.label_name]["value"].int()
        ]
    }
    for name, feature in model.features.items():
        value = trace.nodes[name]["value"].numpy()
        parts = feature.columns(name, model.label.classes)
        for i, column in enumerate(parts):
            kind = feature.components[column] if isinstance(feature, Vector) else feature
            measured = value[:, i] if isinstance(feature, Vector) else value
            columns[column] = (
                np.rad2deg(measured) if getattr(kind, "unit", "") == "deg" else measured
            )
    given = {
        name: site["value"]
        for name, site in trace.nodes.items()
        if site["type"] == "sample" and not site_is_subsample(site) and not inside_cases(site)
    }
    return pd.DataFrame(columns), given


@pytest.mark.parametrize("name", ["hip", "hip_gaussian"])
def test_parameters_are_recovered_from_its_own_data(name: str) -> None:
    model = load_model(name)
    table, given = simulate(model, 600, seed=3)
    cases = cases_from_frame(table, model.label_name, model.label, model.features)
    posterior = fit(model, cases, seed=0)
    assert posterior.problems == ()
    weights = posterior.log_weights.exp()
    scores = []
    for site, true in given.items():
        draws = posterior.values[site]
        mean = torch.einsum("s,s...->...", weights, draws)
        sd = torch.einsum("s,s...->...", weights, (draws - mean) ** 2).sqrt()
        free = sd > 1e-9  # a Cholesky factor of a correlation starts with a fixed 1
        scores.append(((true - mean) / sd)[free])
    # A dozen standard normal scores: one beyond 4 happens once in 1,300 runs.
    assert torch.cat(scores).abs().max() < 4
    labels = soft_labels(posterior)
    own = labels.probs[np.arange(len(cases)), cases.labels]
    assert np.log(own).mean() > np.log(np.bincount(cases.labels) / len(cases))[cases.labels].mean()


def test_votes_of_raters_have_the_closed_form_posterior() -> None:
    """p(Y = k | votes, theta) = (votes_k + a_k) / (N + sum a) at every draw."""
    rng = np.random.default_rng(0)
    rates = rng.dirichlet([0.6, 0.3, 0.2], size=80)
    counts = np.stack([rng.multinomial(rng.integers(1, 12), p) for p in rates])
    table = pd.DataFrame(counts, columns=["votes_a", "votes_b", "votes_c"])
    model = load_model("votes")
    cases = cases_from_frame(table, model.label_name, model.label, model.features)
    posterior = fit(model, cases, seed=0)
    joint, _ = posterior.density.class_log_joint(posterior.values)
    a = (posterior.values["size"][:, None] * posterior.values["prevalence"])[:, None]
    votes = torch.as_tensor(counts, dtype=torch.float64)
    expected = (votes + a) / (votes.sum(-1, keepdim=True) + a.sum(-1, keepdim=True))
    torch.testing.assert_close(torch.softmax(joint, -1), expected, rtol=1e-9, atol=1e-12)


def test_true_class_behind_votes_is_found_and_sharpens_with_agreement() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 300)
    sensitivity = np.array([[0.85, 0.15], [0.25, 0.75]])
    counts = np.stack([rng.multinomial(7, sensitivity[t]) for t in truth])
    table = pd.DataFrame(counts, columns=["votes_a", "votes_b"])
    model = load_model("votes").with_options(estimand="truth")
    cases = cases_from_frame(table, model.label_name, model.label, model.features)
    labels = soft_labels(fit(model, cases, seed=0))
    assert (labels.probs.argmax(1) == truth).mean() > 0.93
    unanimous = counts.max(1) == 7
    assert labels.probs[unanimous].max(1).min() > 0.95
