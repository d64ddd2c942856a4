"""Making probabilities mean what they say: recalibration maps, prediction sets, and when to abstain.

Everything is fitted on cases that neither trained nor test the classifier; nothing here knows of
networks. One map is one file, a subclass of `Recalibration` with `fit` and `transform`.
"""

from .base import Recalibration
from .beta import BetaMap
from .confidence import Confidence, choose_confidence
from .conformal import Conformal, fit_conformal
from .dirichlet import DirichletMap
from .in_force import InForce, read_in_force
from .isotonic import IsotonicMap
from .maps import MAPS, choose_map
from .platt import Platt
from .temperature import Temperature
from .venn_abers import VennAbers

__all__ = [
    "MAPS",
    "BetaMap",
    "Confidence",
    "Conformal",
    "DirichletMap",
    "InForce",
    "IsotonicMap",
    "Platt",
    "Recalibration",
    "Temperature",
    "VennAbers",
    "choose_confidence",
    "choose_map",
    "fit_conformal",
    "read_in_force",
]
