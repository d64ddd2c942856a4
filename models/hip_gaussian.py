"""Infant hip dysplasia as in the paper: one bivariate Gaussian of (alpha, coverage) for each class.

Source: Vega et al. 2021 (AISTATS; arXiv 2102.06164), Eq. 6 and the dysplasia experiment, Z = (angle, coverage). The paper
plugs in estimates; here means, spreads and correlation have priors, so that few cases do not make it overconfident:
class means about 10 degrees and 0.1 around Graf's limits (see ``hip.py``), correlations LKJ(2).
"""

from math import radians

import pyro
import pyro.distributions as dist
import torch

from labelppl import Angle, Label, Real, Vector, label_model


@label_model(
    diagnosis=Label("normal", "dysplastic"),
    measured=Vector(alpha=Angle("deg", low=20, high=90), coverage=Real(low=0, high=1)),
)
def hip_gaussian(cases):
    prevalence = pyro.sample("prevalence", dist.Dirichlet(torch.ones(2)))
    center = torch.tensor([[radians(62), 0.55], [radians(52), 0.45]])
    width = torch.tensor([radians(10), 0.1])
    with pyro.plate("class", 2):
        mean = pyro.sample("mean", dist.Normal(center, width).to_event(1))
        sd = pyro.sample("sd", dist.LogNormal(torch.log(0.6 * width), 0.5).to_event(1))
        correlation = pyro.sample("correlation", dist.LKJCholesky(2, 2.0))
    scale = sd.unsqueeze(-1) * correlation
    with cases:
        y = pyro.sample("diagnosis", dist.Categorical(prevalence))
        pyro.sample("measured", dist.MultivariateNormal(mean[y], scale_tril=scale[y]))
