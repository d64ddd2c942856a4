"""`fit`, and the `Posterior` that it returns."""

from .fitting import fit
from .record import Posterior, to_arviz

__all__ = ["Posterior", "fit", "to_arviz"]
