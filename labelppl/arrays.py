"""Names for the types of numpy arrays, the same in every room; shapes stand in each docstring by named axes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = np.ndarray[Any, Any]
"""An array of any type."""

Floats = NDArray[np.float64]
"""Numbers."""

Ints = NDArray[np.int64]
"""Codes from 0, or counts; -1 where a label is unknown."""
