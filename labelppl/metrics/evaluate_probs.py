"""Every metric of a set of predictions, with intervals.

What is measured against what:

    hard labels   accuracy, macro_accuracy, auc, nll, brier, ece, smece, hl_*  (labelled cases only)
    soft labels   kl = KL(soft label ‖ prediction): recovery of the label model, not of the truth
    true p(Y|X)   kl_true and accuracy_bayes, for phantoms

Intervals are 95 %, by drawing groups with replacement (`bootstrap`). The calibration errors come
with their null band, since a single number of a few hundred cases is mostly noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import chi2

from ..arrays import Floats, Ints
from ..errors import InputError
from ..probabilities import checked_classes, checked_labels, checked_probs
from .accuracy import correct_per_case
from .auc import auc, auc_replicates
from .bootstrap import (
    LEVEL,
    error_interval,
    exact_interval,
    statistic_interval,
)
from .brier import brier_per_case
from .collector import Collector, Member
from .corp import corp
from .debiased_ece import debiased_replicates
from .ece import ece_replicates
from .hosmer_lemeshow import hosmer_lemeshow, statistic_replicates
from .kl import EPS, kl_per_case
from .macro_accuracy import macro_accuracy, macro_accuracy_replicates
from .metrics import Metrics
from .nll import nll_per_case
from .null_band import null_band
from .pairs import default_quantity, select
from .smece import smece_replicates


def evaluate_probs(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    classes: Sequence[str],
    soft: ArrayLike | None = None,
    p_true: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_boot: int = 1000,
    bins: int = 10,
    eps: float = EPS,
    seed: int = 0,
) -> Metrics:
    """Return the metrics of `probs` (cases, classes).

    `labels` (cases,) are class codes, -1 = unlabelled. `soft` (cases, classes) are soft labels; a
    row of NaN has none. `p_true` (cases, classes) is the truth of a phantom. `groups` (cases,) are
    names of any kind; without them every case is its own group. `n_boot` replicates (0: no
    intervals), `bins` for ece, its null band and hl, `eps` floors the prediction in kl. One seed
    gives one result. Raises InputError for an array that does not fit or is not what it claims.
    """
    p = checked_probs(probs)
    names = checked_classes(classes, p.shape[1])
    y = checked_labels(labels, *p.shape)
    codes = _group_codes(groups, len(p))
    if n_boot < 0 or bins < 1 or not 0.0 < eps < 1.0:
        raise InputError(
            f"n_boot, bins, eps: got {n_boot}, {bins}, {eps:g}, expected at least 0, at least 1, "
            "and between 0 and 1"
        )
    out = Collector(codes, n_boot, seed)
    labelled = y >= 0
    if labelled.any():
        absent = [name for k, name in enumerate(names) if not (y == k).any()]
        if absent:
            out.notes.append(
                f"no labelled case of class {', '.join(absent)}: left out of macro_accuracy and auc"
            )
        _hard(out, p[labelled], y[labelled], labelled)
        _calibration(out, p[labelled], y[labelled], labelled, bins)
    else:
        out.notes.append("no case has a hard label: hard-label metrics are absent")
    if 0 < (~labelled).sum() < len(y):
        out.notes.append(
            f"{int((~labelled).sum())} of {len(y)} cases are unlabelled and left out of hard-label "
            "metrics"
        )
    if soft is not None:
        _soft(out, p, soft, eps)
    if p_true is not None:
        truth = _like(p_true, p, "p_true")
        out.add_mean("kl_true", kl_per_case(truth, p, eps), np.ones(len(p), dtype=bool))
        out.add_mean("accuracy_bayes_expected", truth.max(axis=1), np.ones(len(p), dtype=bool))
        if labelled.any():
            _share(out, "accuracy_bayes", correct_per_case(truth[labelled], y[labelled]), labelled)
    out.bootstrap()
    _follow_hosmer_lemeshow(out)
    values, intervals = out.ordered()
    return Metrics(
        values,
        intervals,
        n=len(p),
        n_labelled=int(labelled.sum()),
        n_groups=int(codes.max()) + 1,
        classes=names,
        notes=tuple(out.notes),
        settings={
            "level": LEVEL,
            "n_boot": n_boot,
            "seed": seed,
            "bins": bins,
            "kl_eps": eps,
            "calibration_of": default_quantity(p.shape[1]),
            "brier_of": "positive class" if p.shape[1] == 2 else "sum over classes",
        },
    )


def _hard(out: Collector, p: Floats, y: Ints, labelled: Member) -> None:
    """Add the metrics of `p` against `y`, both of the labelled cases only."""
    area = auc(p, y)
    if area is None:
        out.notes.append("auc is null: the labelled cases hold a single class")
    target = np.eye(p.shape[1])[y]
    _share(out, "accuracy", correct_per_case(p, y), labelled)
    out.add(
        "macro_accuracy",
        macro_accuracy(p, y),
        labelled,
        lambda weights: macro_accuracy_replicates(p, y, weights),
    )
    out.add("auc", area, labelled, lambda weights: auc_replicates(p, y, weights))
    out.add_mean("nll", nll_per_case(p, y), labelled)
    out.add_mean("brier", brier_per_case(p, target), labelled)

    parts = corp(p, y)
    out.add("brier_mcb", parts.miscalibration)
    out.add("brier_dsc", parts.discrimination)
    out.add("brier_unc", parts.uncertainty)


def _calibration(out: Collector, p: Floats, y: Ints, labelled: Member, bins: int) -> None:
    """Add the calibration errors, their null band and the Hosmer–Lemeshow test."""
    f, o, _ = select(p, np.eye(p.shape[1])[y], default_quantity(p.shape[1]))
    null = null_band(p, bins=bins, seed=out.seed)
    one = np.ones((1, len(p)))

    binned = float(ece_replicates(f, o, one, bins=bins)[0])
    out.add(
        "ece",
        binned,
        labelled,
        lambda weights: ece_replicates(f, o, weights, bins=bins),
        lambda replicates: error_interval(binned, replicates, null.ece_upper),
    )
    debiased = float(debiased_replicates(f, o, one, bins=bins)[0])
    out.add(
        "ece_debiased",
        debiased,
        labelled,
        lambda weights: debiased_replicates(f, o, weights, bins=bins),
        lambda replicates: error_interval(
            debiased,
            replicates,
            # The null band is that of the plug-in error: inside it, 0 cannot be rejected.
            debiased if binned <= null.ece_upper else 0.0,
            centre=binned,
        ),
    )
    smoothed = float(smece_replicates(f, o, one)[0])
    out.add(
        "smece",
        smoothed,
        labelled,
        lambda weights: smece_replicates(f, o, weights),
        lambda replicates: error_interval(smoothed, replicates, null.smece_upper, union=True),
    )
    out.add("ece_null_mean", null.ece_mean)
    out.add("ece_null_upper", null.ece_upper)
    out.add("smece_null_mean", null.smece_mean)
    out.add("smece_null_upper", null.smece_upper)

    test = hosmer_lemeshow(p, y, groups=bins)
    out.add(
        "hl_statistic",
        test.statistic,
        labelled,
        lambda weights: statistic_replicates(p, y, weights, bins),
        lambda replicates: statistic_interval(test.statistic, replicates),
    )
    out.add("hl_dof", test.dof)
    out.add("hl_p", test.p_value)
    if test.sparse:
        out.notes.append(
            f"hl_p is approximate: {test.sparse} of {test.expected.size} expected counts are "
            "below 5"
        )


def _share(out: Collector, key: str, right: Floats, member: Member) -> None:
    """Add a share of cases; a share of exactly 0 or 1 gets the exact binomial interval."""
    share = float(right.mean())
    if 0.0 < share < 1.0:
        out.add_mean(key, right, member)
        return
    trials = len(np.unique(out.groups[member]))
    out.notes.append(
        f"{key} is {share:g}: the bootstrap would claim certainty, its interval is the exact "
        f"binomial one for {trials} groups"
    )
    out.add_mean(key, right, member, lambda _: exact_interval(trials if share else 0, trials))


def _soft(out: Collector, p: Floats, soft: ArrayLike, eps: float) -> None:
    """Add kl over the cases that have a soft label."""
    array = np.asarray(soft, dtype=np.float64)
    if array.shape != p.shape:
        raise InputError(f"soft: got shape {array.shape}, expected {p.shape} like probs")
    given: Member = np.asarray(~np.isnan(array).all(axis=1))
    if not given.any():
        out.notes.append("no case has a soft label: kl is absent")
        return
    # Checked with its own row numbers: a row without a soft label is stood in for by the student.
    reference = checked_probs(np.where(given[:, None], array, p), "soft")
    if not given.all():
        out.notes.append(f"kl is over the {int(given.sum())} of {len(p)} cases with a soft label")
    out.add_mean("kl", kl_per_case(reference[given], p[given], eps), given)


def _follow_hosmer_lemeshow(out: Collector) -> None:
    """Give hl_p the interval that follows from hl_statistic's, and hl_dof its constant."""
    dof = out.values.get("hl_dof")
    if dof is None or "hl_statistic" not in out.intervals:
        return
    lo, hi = out.intervals["hl_statistic"]
    out.intervals["hl_p"] = float(chi2.sf(hi, dof)), float(chi2.sf(lo, dof))
    out.intervals["hl_dof"] = dof, dof


def _like(values: ArrayLike, p: Floats, name: str) -> Floats:
    array = checked_probs(values, name)
    if array.shape != p.shape:
        raise InputError(f"{name}: got shape {array.shape}, expected {p.shape} like probs")
    return array


def _group_codes(groups: ArrayLike | None, cases: int) -> Ints:
    """Number the groups (cases,) from 0 without gaps."""
    if groups is None:
        return np.arange(cases)
    array = np.asarray(groups)
    if array.shape != (cases,):
        raise InputError(f"groups: got shape {array.shape}, expected ({cases},) like labels")
    missing = pd.isna(array)
    if missing.any():
        raise InputError(
            f"groups, row {int(np.flatnonzero(missing)[0])}: got nothing, expected the name of a "
            "group; give an ungrouped case a group of its own"
        )
    return np.asarray(pd.factorize(array.astype(str))[0], dtype=np.int64)
