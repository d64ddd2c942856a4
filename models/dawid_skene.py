"""Votes of known raters, each with a confusion matrix of their own: what is true, not what raters say.

Each rater answers class l with probability C[k, l] when the truth is k; given the truth, raters err independently. Rows of C
have a Dirichlet prior that is heavier on the right answer, which also settles which class is which where no case is labelled.
Raters with a few votes stay near that prior. Raters who repeat each other break the assumption: use
``families.dawid_skene(..., groups="detect")``, which looks for them.

Source: Dawid and Skene 1979 (Applied Statistics 28); Bayesian with such priors in Paun et al. 2018 (TACL 6).
"""

import pyro
import pyro.distributions as dist
import torch

from labelppl import Label, label_model
from labelppl.families import DawidSkene
from labelppl.features import Votes

VOTES = Votes()
RATERS = DawidSkene(VOTES).with_name("votes")


@label_model(truth=Label(), votes=VOTES)
def dawid_skene(cases):
    prevalence = pyro.sample("prevalence", dist.Dirichlet(torch.ones(len(cases.classes))))
    votes = RATERS.parameters(cases)
    with cases:
        y = pyro.sample("truth", dist.Categorical(prevalence))
        votes(y)
