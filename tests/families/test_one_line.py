"""A model file of thirty lines of plain Pyro and one line of a family label the same hips alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from labelppl import fit, load_model, soft_labels
from labelppl.families import Beta, VonMises, independent
from labelppl.features import Angle, Label, Ratio
from labelppl.model import LabelDensity

BY_HAND = '''
"""Infant hip dysplasia: von Mises roof angle (typically 58 +- 7 degrees), Beta coverage (.52 +- .09)."""
from math import log, radians

import pyro
import pyro.distributions as dist
import torch

from labelppl import Angle, Label, Ratio, label_model
from labelppl.distributions import LogitNormal, VonMises

SPREAD = 0.09 / (0.52 * 0.48)  # of the coverage on the logit scale


@label_model(
    diagnosis=Label("normal", "dysplastic"), alpha=Angle("deg", low=20, high=90), coverage=Ratio()
)
def hip(cases):
    prevalence = pyro.sample("prevalence", dist.Dirichlet(torch.ones(2)))
    with pyro.plate("class", 2):
        turn = VonMises(torch.tensor(radians(58)), torch.tensor(1 / (2 * radians(7)) ** 2))
        mean = pyro.sample("mean", turn)
        kappa = pyro.sample("kappa", dist.LogNormal(-2 * log(0.7 * radians(7)), 2.4))
        share = LogitNormal(torch.tensor(log(0.52 / 0.48)), torch.tensor(2 * SPREAD))
        covered = pyro.sample("covered", share)
        size = pyro.sample("size", dist.LogNormal(log(0.52 * 0.48 / (0.7 * 0.09) ** 2 - 1), 2.4))
    with cases:
        y = pyro.sample("diagnosis", dist.Categorical(prevalence))
        pyro.sample("alpha", dist.VonMises(mean[y], kappa[y]))
        pyro.sample("coverage", dist.Beta(covered[y] * size[y], (1 - covered[y]) * size[y]))
'''

SAME = {
    "mean": "alpha_mean",
    "kappa": "alpha_concentration",
    "covered": "coverage_mean",
    "size": "coverage_size",
    "prevalence": "prevalence",
}


def test_hips_by_hand_and_in_one_line(simulate: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "hip.py").write_text(BY_HAND)
    by_hand = load_model(tmp_path / "hip.py")
    one_line = independent(
        diagnosis=Label("normal", "dysplastic"),
        alpha=VonMises(Angle("deg", low=20, high=90), (58, 7)),
        coverage=Beta(Ratio(), (0.52, 0.09)),
    )
    given = {
        "prevalence": [0.6, 0.4],
        "mean": np.deg2rad([61.0, 53.0]),
        "kappa": [130.0, 90.0],
        "covered": [0.56, 0.46],
        "size": [40.0, 35.0],
    }
    fixed = {name: torch.tensor(value, dtype=torch.float64) for name, value in given.items()}
    cases, _ = simulate(by_hand, 300, seed=0, given=fixed)
    labels = []
    for seed, model in enumerate((by_hand, one_line)):
        posterior = fit(model, cases, engine="laplace", seed=seed)
        assert posterior.problems == ()
        labels.append(soft_labels(posterior, leave_out="fitted", draws=1000))
    error = np.sqrt((labels[0].sd ** 2 + labels[1].sd ** 2) / 1000)
    # 300 standard normal scores: one of them beyond 4.5 once in about 500 seeds.
    assert (np.abs(labels[0].probs - labels[1].probs) < 4.5 * error + 1e-6).all()
    assert (labels[0].sd > 1e-4).mean() > 0.5
    # The two densities are the same function of the parameters, so their agreement is not luck.
    theirs, mine = LabelDensity(by_hand, cases), LabelDensity(one_line, cases)
    points = mine.start(4, seed=0)
    values = mine.constrain(points)
    u = torch.stack(
        [
            theirs.parameters.unconstrain({name: values[SAME[name]][s] for name in SAME})
            for s in range(4)
        ]
    )
    difference = theirs.log_prob(u) - mine.log_prob(points)
    assert float(difference.abs().max()) < 1e-8
