"""The paper's Table 1 on the user's own data: every method, like with like.

`compare` runs the methods, `Comparison` holds and writes the tables.
"""

from .compare import compare
from .methods import ABLATIONS, METHODS, Method
from .record import Comparison

__all__ = ["ABLATIONS", "METHODS", "Comparison", "Method", "compare"]
