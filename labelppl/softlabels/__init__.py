"""p(Y|Z) of every case, with uncertainty: the soft targets."""

from .labels import SoftLabels, read_prevalence, soft_labels

__all__ = ["SoftLabels", "read_prevalence", "soft_labels"]
