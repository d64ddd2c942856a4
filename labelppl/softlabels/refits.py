"""Labels from further fits that did not see the case: one by one where leave-one-out fails, or fold by fold.

Folds keep the groups (patients) of the fitted cases together and are stratified by label; a case is labelled by the fit to
all cases of the other folds, with the fastest engine that qualifies and the seed of the posterior. A fit that fails its
own checks labels nothing.
"""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from ..arrays import Array
from ..errors import FailedWork, InputError
from ..posterior import fit
from ..split import held_out_folds
from ..table import Cases
from .blocks import Labeller
from .record import SoftLabels

#: Folds of cross-fitting.
CROSSFIT_FOLDS = 5
#: Cases refitted one by one where k-hat is bad; beyond that, cross-fitting labels them.
MOST_REFITS = 20


def refit(labeller: Labeller, kept: Array, cases: Cases, source: str) -> SoftLabels:
    """Labels of ``cases``, which are new to a fit of the fitted cases ``kept`` (rows or a mask).

    Raises FailedWork where that fit must not be trusted.
    """
    posterior = labeller.posterior
    again = fit(posterior.model, posterior.cases.take(kept), seed=posterior.seed)
    if again.problems:
        raise FailedWork(
            f"the fit without {_name_some(cases.ids)} must not be trusted: {'; '.join(again.problems)}; "
            "use --leave-out fitted, or mend the model"
        )
    new = np.full(len(cases), -1), np.full(len(cases), "nothing")
    labels = replace(labeller, posterior=again).label(cases, *new)
    return replace(labels, source=np.full(len(cases), source))


def replace_doubtful(
    labeller: Labeller, cases: Cases, row: Array, labels: SoftLabels, limit: float
) -> SoftLabels:
    """``labels`` with those replaced whose k-hat is ``limit`` or more; k-hat stays as leave-one-out found it."""
    doubtful = np.flatnonzero((labels.khat >= limit) & (labels.khat > 0))
    if len(doubtful) == 0:
        return labels
    one_by_one = len(doubtful) <= MOST_REFITS
    how = (
        "each was refitted without its label"
        if one_by_one
        else f"labelled by {CROSSFIT_FOLDS}-fold cross-fitting"
    )
    warnings.warn(
        f"{len(doubtful)} of {len(cases)} cases have a k-hat of {limit:.2f} or more ({_name_some(cases.ids[doubtful])}): "
        f"their given labels surprise the label model; {how}",
        stacklevel=3,
    )
    khat = labels.khat
    if one_by_one:
        everyone = np.arange(len(labeller.posterior.cases))
        for i in doubtful:
            new = refit(labeller, everyone != row[i], cases.take([int(i)]), "refit")
            labels = labels.with_rows(np.array([i]), new)
    else:
        labels = crossfit(labeller, cases, row, labels, np.isin(np.arange(len(cases)), doubtful))
    return replace(labels, khat=khat)


def crossfit(
    labeller: Labeller, cases: Cases, row: Array, labels: SoftLabels, wanted: Array
) -> SoftLabels:
    """``labels`` with the ``wanted`` cases (a mask) labelled fold by fold.

    Raises InputError where there are fewer groups than folds.
    """
    fitted = labeller.posterior.cases
    number = len(fitted) if fitted.groups is None else len(np.unique(fitted.groups))
    if number < CROSSFIT_FOLDS:
        raise InputError(
            f"cross-fitting: got {number} groups, expected at least {CROSSFIT_FOLDS}; use --leave-out loo"
        )
    everyone = np.arange(len(fitted))
    seed = labeller.posterior.seed
    for held_out in held_out_folds(fitted.labels, fitted.groups, CROSSFIT_FOLDS, seed):
        at = np.flatnonzero(wanted & np.isin(row, held_out))
        if len(at):
            kept = ~np.isin(everyone, held_out)
            labels = labels.with_rows(at, refit(labeller, kept, cases.take(at), "crossfit"))
    return labels


def _name_some(ids: Array) -> str:
    return ", ".join(ids[:5]) + (", …" if len(ids) > 5 else "")
