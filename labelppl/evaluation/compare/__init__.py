"""The paper's Table 1 on the user's own data: every method, like with like.

`compare` runs the methods, `Comparison` holds and writes the tables.
"""

from labelppl.evaluation.compare.methods import ABLATIONS, METHODS
from labelppl.evaluation.compare.record import Comparison
from labelppl.evaluation.compare.run import compare

__all__ = ["ABLATIONS", "METHODS", "Comparison", "compare"]
