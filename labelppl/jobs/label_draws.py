"""Draws of the run's soft labels, made again from its posterior."""

from __future__ import annotations

from pathlib import Path

from ..softlabels import SoftLabels, soft_labels
from .fit import load_posterior
from .inputs import Inputs
from .telling import Teller, say_warnings


def label_draws(run: Path, count: int, *, trust: bool, say: Teller) -> SoftLabels:
    """The soft labels of all cases of the run with ``count`` draws of p(Y|Z); the model file is executed."""
    inputs = Inputs.of_run(run, trust=trust)
    with say_warnings(say):
        return soft_labels(load_posterior(run, inputs, say), inputs.cases, keep_draws=count)
