"""Raters and a measurement together: a lesion's size and texture predict its nature, and several readers vote on it.

The truth is logistic in the two measurements; given the truth, every reader errs by a confusion matrix of their own. One fit
learns the classifier and the readers, each from the other. For a case with votes p(Y | Z, votes) is the soft label; for one
without, p(Y | Z).

Source: Raykar et al. 2010 (Journal of Machine Learning Research 11), there with EM, breast lesions and readers of
mammograms. Diameter in mm and texture (0 smooth to 1 coarse) stand for whatever was measured.
"""

import pyro
import pyro.distributions as dist
import torch

from labelppl import Label, Positive, Real, label_model
from labelppl.families import DawidSkene
from labelppl.features import Votes

VOTES = Votes()
READERS = DawidSkene(VOTES).with_name("votes")


@label_model(
    nature=Label("benign", "malignant"),
    votes=VOTES,
    diameter=Positive("mm"),
    texture=Real(low=0, high=1),
)
def raykar(cases):
    intercept = pyro.sample("intercept", dist.Normal(0.0, 2.5))
    weights = pyro.sample("weights", dist.StudentT(5.0, 0.0, 1.5).expand([2]).to_event(1))
    votes = READERS.parameters(cases)
    with cases as z:
        measured = torch.stack([(z.diameter - 15) / 8, (z.texture - 0.5) / 0.25], -1)
        score = intercept + measured @ weights
        logits = torch.stack([torch.zeros_like(score), score], -1)
        y = pyro.sample("nature", dist.Categorical(logits=logits))
        votes(y)
