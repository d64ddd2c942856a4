"""Closed-form posteriors of label models: exact p(Y | Z), exact leave-one-out, exact draws."""

from __future__ import annotations

from .categorical import CategoricalFactor
from .evidence import Evidence
from .factor import Factor, Product
from .gaussian import GaussianFactor
from .niw import NIW, Standard
from .posterior import ExactPosterior
from .prevalence import Prevalence
from .regression import Coefficients, RegressionFactor
from .von_mises import VonMisesFactor, VonMisesPrior

__all__ = [
    "NIW",
    "CategoricalFactor",
    "Coefficients",
    "Evidence",
    "ExactPosterior",
    "Factor",
    "GaussianFactor",
    "Prevalence",
    "Product",
    "RegressionFactor",
    "Standard",
    "VonMisesFactor",
    "VonMisesPrior",
]
