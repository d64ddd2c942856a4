"""Closed-form posteriors of label models: exact p(Y | Z), exact leave-one-out, exact draws."""

from __future__ import annotations

from .base import ExactPosterior, Factor, Prevalence, Product
from .categorical import CategoricalFactor
from .gaussian import NIW, GaussianFactor
from .regression import NIG, RegressionFactor
from .von_mises import VonMisesFactor, VonMisesPrior

__all__ = [
    "NIG",
    "NIW",
    "CategoricalFactor",
    "ExactPosterior",
    "Factor",
    "GaussianFactor",
    "Prevalence",
    "Product",
    "RegressionFactor",
    "VonMisesFactor",
    "VonMisesPrior",
]
