"""Distributions for measurements, in the torch and Pyro interface, safe under `torch.func.vmap`.

Each has a stable `log_prob` with gradients and Hessians in every parameter, `sample`, `expand`, and `cdf`
where one exists, which the tail mass of censored entries needs.
"""

from __future__ import annotations

from .abe_ley import AbeLey
from .axial_von_mises import AxialVonMises
from .common_scale import CommonScale
from .fisher_lee import FisherLee
from .gamma_from import GammaFrom
from .half_circle_von_mises import HalfCircleVonMises
from .inverse_wishart_cholesky import InverseWishartCholesky
from .libby_novick import LibbyNovick
from .logit_normal import LogitNormal, MultivariateLogitNormal
from .mardia_sutton import MardiaSutton
from .multivariate_log_normal import MultivariateLogNormal
from .ordered_logistic import OrderedLogistic
from .plackett_luce import PlackettLuce
from .rater_votes import MixedVotes, RaterVotes, SharedErrorVotes
from .ratio_of_normals import RatioOfNormals
from .shared_covariances import SharedCovariances
from .shared_sizes import SharedSizes
from .shared_spread import SharedSpread
from .sine_bivariate_von_mises import SineBivariateVonMises
from .stated_opinion import StatedOpinion
from .von_mises import VonMises
from .votes import DirichletMultinomial, VoteMultinomial
from .with_cdf import Beta, Gamma, LogNormal, StudentT
from .zero_one_inflated import ZeroOneInflated

__all__ = [
    "AbeLey",
    "AxialVonMises",
    "Beta",
    "CommonScale",
    "DirichletMultinomial",
    "FisherLee",
    "Gamma",
    "GammaFrom",
    "HalfCircleVonMises",
    "InverseWishartCholesky",
    "LibbyNovick",
    "LogNormal",
    "LogitNormal",
    "MardiaSutton",
    "MixedVotes",
    "MultivariateLogNormal",
    "MultivariateLogitNormal",
    "OrderedLogistic",
    "PlackettLuce",
    "RaterVotes",
    "RatioOfNormals",
    "SharedCovariances",
    "SharedErrorVotes",
    "SharedSizes",
    "SharedSpread",
    "SineBivariateVonMises",
    "StatedOpinion",
    "StudentT",
    "VonMises",
    "VoteMultinomial",
    "ZeroOneInflated",
]
