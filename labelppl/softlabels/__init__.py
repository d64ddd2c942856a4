"""p(Y|Z) of every case, with uncertainty: the soft targets."""

from .labels import soft_labels
from .record import SoftLabels

__all__ = ["SoftLabels", "soft_labels"]
