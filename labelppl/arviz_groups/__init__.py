"""A posterior as the groups that ArviZ reads."""

from .datasets import LEAST_DRAWS, as_arviz, groups

__all__ = ["LEAST_DRAWS", "as_arviz", "groups"]
