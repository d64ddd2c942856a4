"""Infant hip dysplasia from two Graf ultrasound measurements.

``alpha`` is Graf's bony roof angle (degrees, against the iliac line), ``coverage`` the fraction of the femoral head below
the extended iliac line. A mature hip has alpha of 60 degrees or more and a coverage of about one half or more.

Source: the two measurements, and their use as probabilistic labels, are those of Vega et al. 2021 (AISTATS; arXiv
2102.06164), who model them as Gaussian. Here the angle is von Mises and the coverage Beta. The priors put the class means
within about 10 degrees of Graf's type limits and the spread of an angle near the 5 to 6 degrees between observers and
infants that makes kappa about 100 (Graf, *Hip Sonography*, 2nd ed., 2006); coverage limits after Morin et al. 1985.
"""

from math import radians

import pyro
import pyro.distributions as dist
import torch

from labelppl import Angle, Label, Ratio, label_model
from labelppl.distributions import Beta, VonMises  # Pyro's, with the cdf that ">60" needs


@label_model(
    diagnosis=Label("normal", "dysplastic"),
    alpha=Angle("deg", low=20, high=90),
    coverage=Ratio(),
)
def hip(cases):
    prevalence = pyro.sample("prevalence", dist.Dirichlet(torch.ones(2)))
    with pyro.plate("class", 2):
        alpha_mean = pyro.sample(
            "alpha_mean", dist.Normal(torch.tensor([radians(62), radians(52)]), radians(10))
        )
        alpha_kappa = pyro.sample("alpha_kappa", dist.LogNormal(4.5, 0.7))
        coverage_mean = pyro.sample("coverage_mean", dist.Beta(torch.tensor([11.0, 9.0]), 9.0))
        coverage_size = pyro.sample("coverage_size", dist.LogNormal(3.3, 0.8))
    with cases:
        y = pyro.sample("diagnosis", dist.Categorical(prevalence))
        pyro.sample("alpha", VonMises(alpha_mean[y], alpha_kappa[y]))
        a = coverage_mean[y] * coverage_size[y]
        b = (1 - coverage_mean[y]) * coverage_size[y]
        pyro.sample("coverage", Beta(a, b))
