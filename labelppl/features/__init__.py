"""The measurements an expert may declare, each with its unit, bounds and support."""

from .angle import Angle
from .base import Column, Feature, Rows, Scalar
from .codes import Category, Label, Ordinal
from .scalars import Count, Positive, Ratio, Real
from .vector import Vector
from .votes import VoteCounts

__all__ = [
    "Angle",
    "Category",
    "Column",
    "Count",
    "Feature",
    "Label",
    "Ordinal",
    "Positive",
    "Ratio",
    "Real",
    "Rows",
    "Scalar",
    "Vector",
    "VoteCounts",
]
