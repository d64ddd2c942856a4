"""Closed-form posteriors of label models: exact p(Y | Z), exact leave-one-out, exact draws."""

from __future__ import annotations

from .base import Evidence, ExactPosterior, Factor, Prevalence, Product
from .categorical import CategoricalFactor
from .gaussian import NIW, GaussianFactor, Standard
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
