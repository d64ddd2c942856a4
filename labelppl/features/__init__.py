"""The measurements an expert may declare, each with its unit, bounds and support."""

from .angle import Angle
from .ballots import Ballots
from .base import Column, Feature, Scalar
from .codes import Category, Label, Ordinal
from .ranking import Ranking
from .readers import ReaderFeature
from .rows import Rows
from .scalars import Count, Positive, Ratio, Real
from .stated import Stated
from .vector import Vector
from .vote_counts import VoteCounts, vote_counts
from .votes import Votes

__all__ = [
    "Angle",
    "Ballots",
    "Category",
    "Column",
    "Count",
    "Feature",
    "Label",
    "Ordinal",
    "Positive",
    "Ranking",
    "Ratio",
    "ReaderFeature",
    "Real",
    "Rows",
    "Scalar",
    "Stated",
    "Vector",
    "VoteCounts",
    "Votes",
    "vote_counts",
]
