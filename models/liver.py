"""Fatty liver from the brightness of three regions of an ultrasound image: a logistic label model p(Y | Z).

Z are the mean grey values (0 to 255) of three regions of interest that the expert drew: the liver, the diaphragm behind it,
and the zone around the portal veins. Fat makes the liver brighter and weakens the beam, so that diaphragm and portal walls
lose their echo. The label model is discriminative: nothing is said about how bright images are, so a case needs all three
values, and unlabelled cases teach nothing.

Source: Vega et al. 2021 (AISTATS; arXiv 2102.06164), the fatty-liver experiment, p(Y=1 | z) = sigmoid(z.theta), fitted to
353 images of which 62 % were normal. An intercept is added, which the paper omits, and the grey values are standardised; the
weights are Student t as Gelman et al. 2008 (Annals of Applied Statistics 2) advise, so that classes that separate in a small
table do not give certainty.
"""

import pyro
import pyro.distributions as dist
import torch

from labelppl import Label, Real, label_model

GREY = Real(low=0, high=255)


@label_model(diagnosis=Label("normal", "fatty"), liver=GREY, diaphragm=GREY, periportal=GREY)
def liver(cases):
    intercept = pyro.sample("intercept", dist.Normal(0.0, 2.5))
    weights = pyro.sample("weights", dist.StudentT(5.0, 0.0, 2.5).expand([3]).to_event(1))
    with cases as z:
        brightness = (torch.stack([z.liver, z.diaphragm, z.periportal], -1) - 128) / 64
        score = intercept + brightness @ weights
        logits = torch.stack([torch.zeros_like(score), score], -1)
        pyro.sample("diagnosis", dist.Categorical(logits=logits))
