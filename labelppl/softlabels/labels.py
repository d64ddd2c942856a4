"""`soft_labels`: the posterior-predictive p(Y|Z) of every case, never from a model that saw the case's own label.

``leave_out`` says what happens to cases that were fitted with their label: ``loo`` leaves each one out, exactly where the
model has a closed form, else by Pareto-smoothed importance sampling, and refits without the case where the smoothing
cannot be trusted; ``crossfit`` labels each fold of groups by a fit to the others; ``fitted`` keeps the in-sample label,
named as such. New cases get the exact predictive.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Literal

import numpy as np
import torch

from ..arrays import Array
from ..errors import InputError
from ..inference.convergence import khat_limit
from ..posterior import Posterior
from ..prevalence import read_prevalence
from ..table import Cases, match_ids
from .blocks import Labeller
from .deployment import PrevalenceEstimate
from .record import MOST_DRAWS, SoftLabels
from .refits import crossfit, replace_doubtful

LeaveOut = Literal["loo", "crossfit", "fitted"]


def soft_labels(
    posterior: Posterior,
    cases: Cases | None = None,
    *,
    leave_out: LeaveOut = "loo",
    prevalence: Mapping[str, float] | PrevalenceEstimate | None = None,
    keep_draws: int = 0,
    draws: int = MOST_DRAWS,
) -> SoftLabels:
    """Compute p(Y|Z) of every case, with its uncertainty: the soft labels.

    A case counts as fitted if its id and measurements are those of a fitted one. A UserWarning says where the posterior
    failed its checks.

    Args:
        posterior: What `fit` returned.
        cases: The cases to label; None: those that were fitted.
        leave_out: What happens to cases that were fitted with their label: ``loo`` leaves each one out, ``crossfit``
            labels each fold of groups by a fit to the others, ``fitted`` keeps the in-sample label.
        prevalence: Class -> probability where the labels will be used, e.g. ``{"dysplastic": 0.03}``; one class may be
            left out and gets the rest. Or what `estimate_prevalence` returned, whose draws are paired with those of
            the fit. None: as in the study.
        keep_draws: How many draws of p(Y|Z, theta), of equal weight, to keep in the record.
        draws: Cases whose label is not left out use no more draws than this, taken from the posterior with equal weights
            (4,096 leave a Monte Carlo error of at most 1.6 % of ``sd`` in ``probs``); leave-one-out always uses all.

    Returns:
        The soft labels, in the order of ``cases``.

    Raises:
        InputError: An unknown ``leave_out``, other classes than those of the fit, a bad prevalence, or a case that is
            impossible under every class.

    Examples:
        >>> from labelppl.families import gaussian
        >>> from labelppl.table import cases_from_frame
        >>> frame = pd.DataFrame({"x": [0.1, 0.4, 0.2, 2.1, 1.8, 2.4], "y": ["a"] * 3 + ["b"] * 3})
        >>> model = gaussian(y=Label("a", "b"), x=Real(low=0, high=4))
        >>> cases = cases_from_frame(frame, "y", model.label, model.features)
        >>> labels = soft_labels(fit(model, cases, seed=0))
        >>> labels.probs.argmax(1).tolist()
        [0, 0, 0, 1, 1, 1]
        >>> sorted(set(labels.source.tolist()))
        ['loo']
    """
    if leave_out not in ("loo", "fitted", "crossfit"):
        raise InputError(f"leave_out '{leave_out}': expected loo, crossfit or fitted")
    if draws < 1 or keep_draws < 0:
        raise InputError(
            f"soft_labels: got draws={draws}, keep_draws={keep_draws}, expected 1 or more and 0 or more"
        )
    cases = posterior.cases if cases is None else cases
    if cases.classes != posterior.cases.classes:
        raise InputError(
            f"classes: got {', '.join(cases.classes)}, expected those of the fit, "
            f"{', '.join(posterior.cases.classes)}; read the table with classes=posterior.cases.classes"
        )
    shift: torch.Tensor | PrevalenceEstimate | None = None
    if isinstance(prevalence, PrevalenceEstimate):
        shift = prevalence
    elif prevalence is not None:
        shift = torch.tensor(read_prevalence(prevalence, cases.classes), dtype=torch.float64)
    if posterior.problems:
        warnings.warn(
            f"soft labels from a fit that must not be trusted: {'; '.join(posterior.problems)}",
            stacklevel=2,
        )
    row = fitted_rows(posterior.cases, cases)
    used = np.where(row < 0, "nothing", "measurements")
    if leave_out == "loo":
        used[(row >= 0) & (posterior.cases.labels[row] >= 0)] = "label"
    labeller = Labeller(posterior, shift, keep_draws, draws)
    labels = labeller.label(cases, row, used)
    if leave_out == "crossfit":
        return crossfit(labeller, cases, row, labels, row >= 0)
    return replace_doubtful(
        labeller, cases, row, labels, khat_limit(max(10, len(posterior.log_weights)))
    )


def fitted_rows(fitted: Cases, cases: Cases) -> Array:
    """(cases,) the row of each case among the ``fitted`` ones, -1 for a case that is not among them.

    Ids alone do not tell: two tables without an id column both number their rows.
    """
    if cases is fitted:
        return np.arange(len(cases))
    row = match_ids(cases.ids, fitted.ids)
    here = np.flatnonzero(row >= 0)
    if len(here) == 0:
        return row
    same = np.ones(len(here), dtype=bool)
    ours, theirs = cases.take(here), fitted.take(row[here])
    for name in fitted.columns:
        for part in ("values", "observed", "low", "high"):
            same &= _equal(getattr(ours.columns[name], part), getattr(theirs.columns[name], part))
        one, other = ours.columns[name].ballots, theirs.columns[name].ballots
        if one is not None and other is not None:
            same &= one.same_as(other)
    row[here[~same]] = -1
    return row


def _equal(one: torch.Tensor | None, other: torch.Tensor | None) -> Array | bool:
    """(cases,) whether all numbers of a case agree; bounds that are absent are no bounds."""
    if one is None and other is None:
        return True
    one = torch.full_like(other, torch.nan) if one is None else one
    other = torch.full_like(one, torch.nan) if other is None else other
    if one.shape != other.shape:  # as many votes cannot have been given by other raters
        return False
    same = torch.isclose(one.double(), other.double(), rtol=1e-12, atol=0, equal_nan=True)
    return same.reshape(len(same), -1).all(-1).numpy()
