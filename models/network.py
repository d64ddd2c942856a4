"""Severe aortic stenosis from an echocardiogram and a CT: a network of discrete and continuous measurements.

    sex -> calcium;  severity -> velocity -> gradient, velocity -> area;  severity -> calcium, hypertrophy

The label is the severity. Jet velocity (m/s) decides the mean gradient (mmHg) and, with the flow that differs between people,
the valve area (cm2); calcium (natural log of Agatston units) is higher in men at the same severity; hypertrophy is yes or
no. Within a class continuous nodes are linear-Gaussian in their continuous parents, so that p(Y | whatever was measured) is
exact for every pattern of missing nodes.

Source: Lauritzen 1992 (JASA 87) for such networks. Limits: Baumgartner et al. 2017 (European Heart Journal Cardiovascular
Imaging 18), severe from 4 m/s, 40 mmHg, at most 1.0 cm2; Clavel et al. 2013 (JACC 62), calcium of severe stenosis from about
2,000 in men and 1,250 in women.
"""

from math import log

import pyro
import pyro.distributions as dist
import torch

from labelppl import Category, Label, Real, label_model


@label_model(
    severity=Label("moderate", "severe"),
    sex=Category("female", "male"),
    hypertrophy=Category("no", "yes"),
    velocity=Real("m/s"),
    gradient=Real("mmHg"),
    area=Real("cm2"),
    log_calcium=Real(),
)
def network(cases):
    prevalence = pyro.sample("prevalence", dist.Dirichlet(torch.ones(2)))
    men = pyro.sample("men", dist.Beta(2.0, 2.0))
    with pyro.plate("class", 2):
        hypertrophied = pyro.sample(
            "hypertrophied", dist.Beta(torch.tensor([2.0, 3.0]), torch.tensor([3.0, 2.0]))
        )
        velocity_mean = pyro.sample("velocity_mean", dist.Normal(torch.tensor([3.4, 4.5]), 0.4))
        velocity_sd = pyro.sample("velocity_sd", dist.LogNormal(log(0.4), 0.4))
        gradient_mean = pyro.sample("gradient_mean", dist.Normal(torch.tensor([28.0, 50.0]), 7.0))
        gradient_slope = pyro.sample("gradient_slope", dist.Normal(20.0, 6.0))
        gradient_sd = pyro.sample("gradient_sd", dist.LogNormal(log(5.0), 0.4))
        area_mean = pyro.sample("area_mean", dist.Normal(torch.tensor([1.25, 0.8]), 0.15))
        area_slope = pyro.sample("area_slope", dist.Normal(-0.15, 0.1))
        area_sd = pyro.sample("area_sd", dist.LogNormal(log(0.18), 0.4))
        calcium_mean = pyro.sample("calcium_mean", dist.Normal(torch.tensor([6.8, 7.6]), 0.4))
        calcium_men = pyro.sample("calcium_men", dist.Normal(0.45, 0.3))
        calcium_sd = pyro.sample("calcium_sd", dist.LogNormal(log(0.5), 0.4))
    with cases:
        sex = pyro.sample("sex", dist.Categorical(torch.stack([1 - men, men])))
        y = pyro.sample("severity", dist.Categorical(prevalence))
        thick = hypertrophied[y]
        pyro.sample("hypertrophy", dist.Categorical(torch.stack([1 - thick, thick], -1)))
        velocity = pyro.sample("velocity", dist.Normal(velocity_mean[y], velocity_sd[y]))
        faster = velocity - velocity_mean[y]
        pyro.sample(
            "gradient", dist.Normal(gradient_mean[y] + gradient_slope[y] * faster, gradient_sd[y])
        )
        pyro.sample("area", dist.Normal(area_mean[y] + area_slope[y] * faster, area_sd[y]))
        calcium = calcium_mean[y] + calcium_men[y] * sex
        pyro.sample("log_calcium", dist.Normal(calcium, calcium_sd[y]))
