"""Declaring a label model in Pyro, and its one density."""

from ..zoo import zoo
from .class_joint import ClassJoint
from .closed_form import ClosedForm, LabelPosterior
from .declare import LabelModel, label_model, read_cases
from .density import LabelDensity
from .load import find_model, find_table, load_model
from .plate import CasePlate
from .site_draws import SiteDraws, SiteSampler

__all__ = [
    "CasePlate",
    "ClassJoint",
    "ClosedForm",
    "LabelDensity",
    "LabelModel",
    "LabelPosterior",
    "SiteDraws",
    "SiteSampler",
    "find_model",
    "find_table",
    "label_model",
    "load_model",
    "read_cases",
    "zoo",
]
