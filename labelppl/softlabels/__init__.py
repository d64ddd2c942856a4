"""p(Y|Z) of every case, with uncertainty: the soft targets."""

from .labels import SoftLabels, soft_labels

__all__ = ["SoftLabels", "soft_labels"]
