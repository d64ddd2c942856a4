"""Cases counted instead of repeated: the same density, and only cases that are alike in everything are merged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import torch

from labelppl import Category, Label, Real, label_model
from labelppl.model import LabelDensity
from labelppl.model.collapse import distinct_cases
from labelppl.table import cases_from_frame


@label_model(y=Label("no", "yes"), side=Category("left", "right"), x=Real())
def model(cases):
    pi = pyro.sample("pi", dist.Dirichlet(torch.ones(2)))
    right = pyro.sample("right", dist.Beta(torch.ones(2), 1.0).to_event(1))
    mean = pyro.sample("mean", dist.Normal(torch.zeros(2), 1.0).to_event(1))
    with cases:
        y = pyro.sample("y", dist.Categorical(pi))
        side = pyro.sample("side", dist.Categorical(torch.stack([1 - right, right], -1)[y]))
        pyro.sample("x", dist.Normal(mean[y] + 0.3 * side, 1.0))


def _cases(n=300):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "y": rng.choice(["no", "yes", None], n),
            "side": rng.choice(["left", "right", None], n),
            "x": rng.choice(["0", "1.5", ">1", None], n),
        }
    )
    return cases_from_frame(frame, model.label_name, model.label, model.features)


def test_the_density_is_that_of_every_case():
    cases = _cases()
    few, counts = distinct_cases(cases)
    assert len(few) == 36 < len(cases)
    assert counts.sum() == len(cases)
    density = LabelDensity(model, cases)
    u = density.start(3, seed=1)
    joint = density.class_log_joint(density.constrain(u), cases).joint
    known = torch.from_numpy(cases.labels) >= 0
    own = joint[:, known, torch.from_numpy(cases.labels)[known]].sum(-1)
    expected = own + torch.logsumexp(joint[:, ~known], -1).sum(-1)
    for i, v in enumerate(u):
        values, log_jacobian = density.parameters.constrain(v)
        log_prior = dist.Dirichlet(torch.ones(2, dtype=torch.float64)).log_prob(values["pi"])
        log_prior = log_prior + dist.Normal(0.0, 1.0).log_prob(values["mean"]).sum()
        expected[i] += log_jacobian + log_prior
    torch.testing.assert_close(density.log_prob(u), expected)
    torch.testing.assert_close(
        density._evaluator.over_draws(density._log_prob_by_class, u), expected
    )


def test_what_differs_in_one_thing_is_kept_apart():
    rows = [["no", "left", "1"], ["yes", "left", "1"], ["no", None, "1"], ["no", "left", ">1"]]
    rows += [["no", "left", ">2"], ["no", "left", None], [None, "left", "1"], ["no", "left", "1"]]
    rows += [rows[3]] * 2
    frame = pd.DataFrame(rows, columns=["y", "side", "x"])
    few, counts = distinct_cases(
        cases_from_frame(frame, model.label_name, model.label, model.features)
    )
    assert few.ids.tolist() == ["0", "1", "2", "3", "4", "5", "6"]
    assert counts.tolist() == [2, 1, 1, 3, 1, 1, 1]


def test_different_cases_are_left_alone():
    cases = _cases(10).take(range(5))
    same, counts = distinct_cases(cases)
    assert same is cases
    assert counts.tolist() == [1.0] * 5
