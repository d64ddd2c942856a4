"""What was measured of each case, as one matrix, for targets that learn from measurements themselves."""

from __future__ import annotations

import numpy as np
import torch

from ..arrays import Array, Floats
from ..table import Cases


def measured_matrix(cases: Cases, rows: Array) -> Floats | None:
    """(rows, numbers) in the label model's units, NaN = missing or only a limit known; None where nothing is measured.

    Raters' votes are no measurements.
    """
    parts = []
    for column in cases.columns.values():
        if column.ballots is not None:
            continue
        values = column.values.reshape(len(cases), -1).double()
        observed = column.observed.reshape(len(cases), -1)
        parts.append(torch.where(observed, values, torch.nan).numpy()[rows])
    return np.concatenate(parts, axis=1) if parts else None
