"""Ready-made label models: one line for experts who do not want to write Pyro.

Every family returns the same kind of `LabelModel` as ``@label_model``. The laws they are made of can be
combined by `independent`, or used inside a hand-written Pyro function (see `Law`).
"""

from __future__ import annotations

from ..crowds.majority import majority
from .angle_linear import OnAngle, angle_linear
from .categorical import Categorical, categorical
from .gamma import Gamma, gamma
from .gaussian import Gaussian, gaussian
from .hierarchical import Hierarchical
from .independent import Family, independent
from .law import Law
from .log_normal import LogNormal, log_normal
from .logistic import logistic
from .mean_vote import mean_vote
from .negative_binomial import NegativeBinomial, negative_binomial
from .nested import NestedDawidSkene
from .network import Network, Node, network
from .ordinal import Ordinal, ordinal
from .plackett_luce import Readers, plackett_luce
from .poisson import Poisson, poisson
from .rater_models import DawidSkene, Glad
from .rater_skill import dawid_skene, glad, hierarchical_dawid_skene, nested_dawid_skene
from .ratio import Beta, Hinkley, LibbyNovick, LogitNormal, ratio
from .raykar import raykar
from .shared_errors import SharedErrors
from .stated import Opinion, stated
from .student_t import StudentT, student_t
from .von_mises import VonMises, von_mises

__all__ = [
    "Beta",
    "Categorical",
    "DawidSkene",
    "Family",
    "Gamma",
    "Gaussian",
    "Glad",
    "Hierarchical",
    "Hinkley",
    "Law",
    "LibbyNovick",
    "LogNormal",
    "LogitNormal",
    "NegativeBinomial",
    "NestedDawidSkene",
    "Network",
    "Node",
    "OnAngle",
    "Opinion",
    "Ordinal",
    "Poisson",
    "Readers",
    "SharedErrors",
    "StudentT",
    "VonMises",
    "angle_linear",
    "categorical",
    "dawid_skene",
    "gamma",
    "gaussian",
    "glad",
    "hierarchical_dawid_skene",
    "independent",
    "log_normal",
    "logistic",
    "majority",
    "mean_vote",
    "negative_binomial",
    "nested_dawid_skene",
    "network",
    "ordinal",
    "plackett_luce",
    "poisson",
    "ratio",
    "raykar",
    "stated",
    "student_t",
    "von_mises",
]
