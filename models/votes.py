"""Votes of several raters about each case, as counts over K classes -> p(Y | votes).

Two different things can be asked of votes, so the estimand is an explicit option:

``estimand="raters"`` (default): Y is the answer of one more rater of the same kind. Each case has its own answer
probabilities, Dirichlet(a) over the cases, so that p(Y = k | votes) = (votes_k + a_k) / (N + sum a): the mean vote with as
much smoothing as the cases themselves ask for. Grossmann, Schmarje & Koch 2022 (arXiv 2207.06224) train on this target.

``estimand="truth"``: Y is one true class behind the votes, whose answers are Dirichlet-multinomial around a row of a
confusion matrix: raters who see the same image err together, so votes are not independent given the truth (Dawid &
Skene 1979, pooled over raters and overdispersed). It sharpens towards one class as votes agree.
"""

import pyro
import pyro.distributions as dist
import torch

from labelppl import Label, VoteCounts, label_model
from labelppl.distributions import DirichletMultinomial


@label_model(label=Label(), votes=VoteCounts())
def votes(cases, *, estimand: str = "raters"):
    if estimand not in ("raters", "truth"):
        raise ValueError(f"estimand {estimand!r}: expected 'raters' or 'truth'")
    k = len(cases.classes)
    prevalence = pyro.sample("prevalence", dist.Dirichlet(torch.ones(k)))
    if estimand == "raters":
        size = pyro.sample("size", dist.LogNormal(0.0, 2.0))
        answers = size * prevalence + torch.eye(k)
    else:
        with pyro.plate("true_class", k, dim=-1):
            confusion = pyro.sample("confusion", dist.Dirichlet(torch.ones(k) + 8 * torch.eye(k)))
            size = pyro.sample("size", dist.LogNormal(1.0, 1.5))
        answers = size.unsqueeze(-1) * confusion
    with cases as z:
        y = pyro.sample("label", dist.Categorical(prevalence))
        pyro.sample("votes", DirichletMultinomial(answers[y], z.votes.sum(-1)))
