"""Ready-made label models: one line for experts who do not want to write Pyro.

Every family returns the same kind of `LabelModel` as ``@label_model``. The laws they are made of can be
combined by `independent`, or used inside a hand-written Pyro function (see `Evidence`).
"""

from __future__ import annotations

from .categorical import Categorical, categorical
from .evidence import Evidence
from .gamma import Gamma, gamma
from .gaussian import Gaussian, gaussian
from .independent import Family, independent
from .log_normal import LogNormal, log_normal
from .negative_binomial import NegativeBinomial, negative_binomial
from .ordinal import Ordinal, ordinal
from .poisson import Poisson, poisson
from .ratio import Beta, Hinkley, LibbyNovick, LogitNormal, ratio
from .student_t import StudentT, student_t
from .von_mises import VonMises, von_mises

__all__ = [
    "Beta",
    "Categorical",
    "Evidence",
    "Family",
    "Gamma",
    "Gaussian",
    "Hinkley",
    "LibbyNovick",
    "LogNormal",
    "LogitNormal",
    "NegativeBinomial",
    "Ordinal",
    "Poisson",
    "StudentT",
    "VonMises",
    "categorical",
    "gamma",
    "gaussian",
    "independent",
    "log_normal",
    "negative_binomial",
    "ordinal",
    "poisson",
    "ratio",
    "student_t",
    "von_mises",
]
