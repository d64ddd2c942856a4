"""p(Y|Z) of every case, with uncertainty: the soft labels."""

from .labels import soft_labels
from .parquet import label_parquet
from .record import SoftLabels

__all__ = ["SoftLabels", "label_parquet", "soft_labels"]
