"""Is the log density quadratic in the missing values? Measured at points the quadratic was not made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ..arrays import Array
from ..errors import InputError
from ..seeds import stream
from ..table import Cases
from .expand import expand
from .gaussian import coefficients
from .missing import Pattern, Relations

#: Largest deviation from the quadratic, relative to the largest value it was made from.
QUADRATIC_TOLERANCE = 1e-7
#: How far out the further points lie, in standard deviations of the measured values.
RADII = (0.4, 0.9, 2.0, 4.0, 9.0)
PROBE_ROWS = 8


def check_quadratic(cases: Cases, relations: Relations) -> None:
    """InputError names the child, its missing parent and the mend where no closed form exists."""
    which, patterns = relations.patterns(cases)
    for at, pattern in enumerate(patterns):
        if pattern.dim:
            rows = np.flatnonzero(which == at)[:PROBE_ROWS]
            _check(cases, relations, pattern, rows)


def _check(cases: Cases, relations: Relations, pattern: Pattern, rows: Array) -> None:
    generator = stream(0, "quadratic").torch()
    directions = torch.randn(len(RADII), pattern.dim, generator=generator, dtype=torch.float64)
    radii = torch.tensor(RADII, dtype=torch.float64)
    further = radii[:, None] * directions / directions.norm(dim=1, keepdim=True)
    wider = replace(pattern, points=torch.cat([pattern.points, further]))
    of_class = np.arange(len(rows)) % relations.classes
    expansion = expand(
        cases.take(rows),
        relations.structure,
        relations,
        (np.arange(len(rows)), of_class),
        only=wider,
    )
    sites = relations.run(expansion.columns, expansion.label, expansion.discrete)
    block = expansion.blocks[0]
    made_from = len(pattern.points)

    def deviates(log_prob: Tensor) -> bool:
        f = log_prob.expand(expansion.size).reshape(block.configurations, block.probes, block.pairs)
        f = f.movedim(1, 0)
        c, g, precision = coefficients(f[:made_from], pattern.dim)
        linear = torch.einsum("ed,...d->e...", further, g)
        square = torch.einsum("ei,...ij,ej->e...", further, precision, further)
        error = (f[made_from:] - (c + linear - 0.5 * square)).abs()
        size = 1 + f[:made_from].abs().amax(0)
        limit = QUADRATIC_TOLERANCE * size * radii.square().clamp(min=1)[:, None, None]
        return not bool((error <= limit).all())

    if deviates(torch.stack([s.expand(expansion.size) for s in sites.values()]).sum(0)):
        raise InputError(
            _message(
                cases, relations, pattern, int(rows[0]), {n: deviates(s) for n, s in sites.items()}
            )
        )


def _message(
    cases: Cases, relations: Relations, pattern: Pattern, row: int, deviating: Mapping[str, bool]
) -> str:
    names = list(dict.fromkeys(name for name, _ in pattern.continuous))
    for parent in names:
        for child in sorted(relations.children[parent]):
            if deviating.get(child):
                why = f"'{child}' depends on it, but not as a normal that is linear in it"
                mend = f"make '{child}' a Normal whose mean is linear in '{parent}'"
                break
        else:
            if not deviating.get(parent):
                continue
            why = f"other sites depend on it, and '{parent}' is not normal"
            mend = f"make '{parent}' a Normal"
        break
    else:
        parent, why, mend = names[0], "the density is not quadratic in it", "make it a Normal"
    return (
        f"column '{parent}', row {row + 1} (id '{cases.ids[row]}'): got no measured value, and {why}, so it cannot be "
        f"integrated out exactly; {mend}, fill the cell, or leave out the row"
    )
