"""Glaucoma from the vertical and the horizontal cup-to-disc ratio: one bivariate Gaussian for each class.

Both ratios are read off the same outline of cup and disc, so they are strongly correlated within a class; a case may lack
one of them. Larger cups are suspect; discs differ so much between people that the classes overlap widely.

Source: Vega et al. 2021 (AISTATS; arXiv 2102.06164), the glaucoma experiment, with Gaussians of (vertical, horizontal) on
RIM-ONE r3 (Fumero et al. 2011), 85 normal and 74 suspect discs. Priors: ratios of healthy eyes lie around .3 to .5
(Jonas, Gusek and Naumann 1988, Investigative Ophthalmology 29), and those of suspects .1 to .3 above; spreads around .12;
correlation towards positive by the data alone, LKJ(1).
"""

import pyro
import pyro.distributions as dist
import torch

from labelppl import Label, Real, Vector, label_model

RATIO = Real(low=0, high=1)


@label_model(
    diagnosis=Label("normal", "suspect"),
    cup_to_disc=Vector(vertical=RATIO, horizontal=RATIO),
)
def glaucoma(cases):
    prevalence = pyro.sample("prevalence", dist.Dirichlet(torch.ones(2)))
    with pyro.plate("class", 2):
        center = torch.tensor([[0.40, 0.40], [0.60, 0.58]])
        mean = pyro.sample("mean", dist.Normal(center, 0.12).to_event(1))
        sd = pyro.sample("sd", dist.LogNormal(torch.tensor(0.12).log().expand(2), 0.4).to_event(1))
        correlation = pyro.sample("correlation", dist.LKJCholesky(2, 1.0))
    scale = sd.unsqueeze(-1) * correlation
    with cases:
        y = pyro.sample("diagnosis", dist.Categorical(prevalence))
        pyro.sample("cup_to_disc", dist.MultivariateNormal(mean[y], scale_tril=scale[y]))
