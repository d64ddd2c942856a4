"""`soft_labels`: the posterior-predictive p(Y|Z) of every case, never from a model that saw the case's own label.

``targets`` says what happens to cases that were fitted with their label: ``loo`` leaves each one out by Pareto-smoothed
importance sampling, and refits without the case where the smoothing cannot be trusted; ``crossfit`` labels each fold of
groups by a fit to the others; ``fitted`` keeps the in-sample label, named as such. New cases get the exact predictive.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from sklearn.model_selection import StratifiedGroupKFold
from torch import Tensor

from ..errors import InputError
from ..inference.convergence import khat_limit
from ..posterior import Posterior, fit
from ..prevalence import read_prevalence
from ..runs import write_atomically
from ..table import Cases
from . import summary
from .predictive import predictive

Array = npt.NDArray[Any]
Targets = Literal["loo", "fitted", "crossfit"]

#: Cases refitted one by one where k-hat is bad; beyond that, 5-fold cross-fitting labels them.
MOST_REFITS = 20
FOLDS = 5
#: Levels of ``lo`` and ``hi``: they hold 90 % of the label posterior.
INTERVAL = (0.05, 0.95)
#: Numbers held at once: draws x cases x classes of one block.
BLOCK = 2**25


@dataclass(frozen=True)
class SoftLabels:
    """p(Y|Z) of n cases, with uncertainty.

    probs, sd, lo, hi: (cases, classes); lo to hi holds 90 % of the label posterior. entropy = aleatoric + epistemic, in
    nats (cases,). concentration: of a Dirichlet with the same spread. mean_log: (cases, classes) posterior mean of
    log p(Y|Z, theta). source: 'loo', 'refit', 'crossfit', 'fitted' or 'new'. khat: Pareto k of leave-one-out, else NaN.
    labels: the given labels, -1 where none. prevalence: (classes,) in force, or None for the study's own.
    draws, weights: p(Y|Z, theta_s) (draws, cases, classes) and (draws, cases) if they were asked for.
    """

    ids: Array
    classes: tuple[str, ...]
    labels: Array
    probs: Array
    sd: Array
    lo: Array
    hi: Array
    entropy: Array
    aleatoric: Array
    epistemic: Array
    concentration: Array
    mean_log: Array
    source: Array
    khat: Array
    prevalence: Array | None = None
    draws: Array | None = None
    weights: Array | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: Array) -> SoftLabels:
        """The cases ``index``, in that order."""
        rows = {f.name: getattr(self, f.name)[index] for f in fields(self) if f.name in _PER_CASE}
        for name in ("draws", "weights"):
            value = getattr(self, name)
            rows[name] = None if value is None else value[:, index]
        return replace(self, **rows)

    def to_frame(self) -> pd.DataFrame:
        """One row per case, with the columns of ``labels.parquet``."""
        names = np.array([*self.classes, None], dtype=object)
        frame = pd.DataFrame(
            {"id": self.ids, "label": pd.Series(names[self.labels], dtype="object")}
        )
        for name, values in (("p", self.probs), ("sd", self.sd), ("lo", self.lo), ("hi", self.hi)):
            for k, label in enumerate(self.classes):
                frame[f"{name}_{label}"] = values[:, k]
        for name in ("entropy", "aleatoric", "epistemic", "concentration", "source", "khat"):
            frame[name] = getattr(self, name)
        for k, label in enumerate(self.classes):
            frame[f"mean_log_{label}"] = self.mean_log[:, k]
        return frame

    def save(self, path: str | Path) -> None:
        """Write ``labels.parquet``; the same labels give the same bytes."""
        frame = self.to_frame()
        if self.prevalence is not None:
            frame.attrs["prevalence"] = dict(
                zip(self.classes, map(float, self.prevalence), strict=True)
            )
        write_atomically(Path(path), lambda temporary: frame.to_parquet(temporary, index=False))

    @staticmethod
    def load(path: str | Path) -> SoftLabels:
        """The labels saved at ``path``, without draws."""
        if not Path(path).is_file():
            raise InputError(f"{path}: no soft labels; run labelppl label")
        frame = pd.read_parquet(path)
        classes = tuple(str(c)[2:] for c in frame.columns if str(c).startswith("p_"))
        wide = {
            n: frame[[f"{n}_{k}" for k in classes]].to_numpy()
            for n in ("p", "sd", "lo", "hi", "mean_log")
        }
        prevalence = frame.attrs.get("prevalence")
        return SoftLabels(
            ids=frame["id"].to_numpy(dtype=str),
            classes=classes,
            labels=pd.Index(classes).get_indexer(pd.Index(frame["label"])),
            probs=wide["p"],
            sd=wide["sd"],
            lo=wide["lo"],
            hi=wide["hi"],
            mean_log=wide["mean_log"],
            source=frame["source"].to_numpy(dtype=str),
            prevalence=None if prevalence is None else np.array([prevalence[k] for k in classes]),
            **{
                n: frame[n].to_numpy()
                for n in ("entropy", "aleatoric", "epistemic", "concentration", "khat")
            },
        )


_PER_CASE = {f.name for f in fields(SoftLabels)} - {"classes", "prevalence", "draws", "weights"}


def soft_labels(
    posterior: Posterior,
    cases: Cases | None = None,
    *,
    targets: Targets = "loo",
    prevalence: Mapping[str, float] | None = None,
    keep_draws: int = 0,
) -> SoftLabels:
    """The soft labels of ``cases`` (default: those that were fitted).

    prevalence: class -> probability where the labels will be used, e.g. ``{"dysplastic": 0.03}``; one class may be left
    out and gets the rest. keep_draws: how many draws of p(Y|Z, theta_s) to keep in the record.
    Raises InputError for unknown targets or classes.
    """
    if targets not in ("loo", "fitted", "crossfit"):
        raise InputError(f"targets '{targets}': expected loo, fitted or crossfit")
    cases = posterior.cases if cases is None else cases
    shift = None if prevalence is None else torch.tensor(
        read_prevalence(prevalence, posterior.density.classes), dtype=torch.float64
    )
    fitted = dict(zip(posterior.cases.ids, posterior.cases.labels, strict=True))
    used = np.array([_used(fitted, case, targets) for case in cases.ids])
    labels = _labels(posterior, cases, used, shift, keep_draws)
    if targets == "crossfit":
        return _crossfit(
            posterior, cases, labels, np.isin(cases.ids, posterior.cases.ids), shift, keep_draws
        )
    limit = khat_limit(len(posterior.log_weights))
    doubtful = np.flatnonzero(labels.khat >= limit)
    if len(doubtful) == 0:
        return labels
    named = ", ".join(cases.ids[doubtful[:5]]) + (", …" if len(doubtful) > 5 else "")
    how = (
        "each refitted without its label"
        if len(doubtful) <= MOST_REFITS
        else f"labelled by {FOLDS}-fold cross-fitting"
    )
    warnings.warn(
        f"{len(doubtful)} of {len(cases)} cases have k-hat of {limit:.2f} or more ({named}): their given labels surprise the "
        f"label model; {how}",
        stacklevel=2,
    )
    if len(doubtful) > MOST_REFITS:
        rows = np.zeros(len(cases), dtype=bool)
        rows[doubtful] = True
        return _crossfit(posterior, cases, labels, rows, shift, keep_draws)
    for i in map(int, doubtful):
        rest = posterior.cases.take(posterior.cases.ids != cases.ids[i])
        labels = _replace(
            labels,
            np.array([i]),
            _refitted(posterior, rest, cases.take([i]), shift, keep_draws, "refit"),
        )
    return labels


def _used(fitted: Mapping[str, int], case: str, targets: str) -> str:
    if case not in fitted:
        return "nothing"
    return "label" if targets == "loo" and fitted[case] >= 0 else "measurements"


_SOURCE = {"nothing": "new", "label": "loo", "measurements": "fitted"}


def _labels(
    posterior: Posterior, cases: Cases, used: Array, shift: Tensor | None, keep: int
) -> SoftLabels:
    """Summaries block by block, so that memory stays bounded in the number of cases."""
    draws, classes = len(posterior.log_weights), cases.classes
    step = max(1, BLOCK // (draws * len(classes)))
    blocks = [
        _block(
            posterior,
            cases.take(range(at, min(at + step, len(cases)))),
            used[at : at + step],
            shift,
            keep,
        )
        for at in range(0, len(cases), step)
    ]
    joined: dict[str, Any] = {
        name: np.concatenate([getattr(b, name) for b in blocks]) for name in _PER_CASE
    }
    if keep:
        joined |= {
            name: np.concatenate([getattr(b, name) for b in blocks], 1)
            for name in ("draws", "weights")
        }
    return replace(blocks[0], **joined)


def _block(
    posterior: Posterior, cases: Cases, used: Array, shift: Tensor | None, keep: int
) -> SoftLabels:
    p, w, khat = predictive(
        posterior.density, posterior.values, posterior.log_weights, cases, used, shift
    )
    probs, expected = summary.mean(p, w), summary.aleatoric(p, w)
    total = summary.entropy(probs)
    lo, hi = summary.quantiles(p, w, INTERVAL)
    kept = slice(None, None, max(1, len(p) // keep)) if keep else slice(0)
    found = {
        "probs": probs,
        "sd": summary.sd(p, w),
        "lo": lo,
        "hi": hi,
        "entropy": total,
        "aleatoric": expected,
        "epistemic": (total - expected).clamp(min=0.0),
        "concentration": summary.concentration(p, w),
        "mean_log": torch.einsum(
            "sn,snk->nk", w, torch.log(p.clamp(min=torch.finfo(p.dtype).tiny))
        ),
        "khat": khat,
    }
    return SoftLabels(
        ids=cases.ids,
        classes=cases.classes,
        labels=cases.labels,
        source=np.array([_SOURCE[u] for u in used]),
        prevalence=None if shift is None else shift.numpy(),
        draws=p[kept].numpy() if keep else None,
        weights=(w[kept] / w[kept].sum(0)).numpy() if keep else None,
        **{name: value.numpy() for name, value in found.items()},
    )


def _refitted(
    posterior: Posterior, rest: Cases, cases: Cases, shift: Tensor | None, keep: int, source: str
) -> SoftLabels:
    """Labels of ``cases`` from a fit to ``rest`` by the same engine and seed."""
    again = fit(posterior.model, rest, method=_method(posterior), seed=posterior.seed)
    labels = _labels(again, cases, np.full(len(cases), "nothing"), shift, keep)
    return replace(labels, source=np.full(len(cases), source))


def _method(posterior: Posterior) -> Any:
    return posterior.sampled.method


def _crossfit(
    posterior: Posterior,
    cases: Cases,
    labels: SoftLabels,
    rows: Array,
    shift: Tensor | None,
    keep: int,
) -> SoftLabels:
    """Relabel ``rows`` (cases,) fold by fold, each from a fit to the fitted cases of the other groups."""
    fitted = posterior.cases
    groups = np.arange(len(fitted)) if fitted.groups is None else fitted.groups
    if len(np.unique(groups)) < FOLDS:
        raise InputError(
            f"cross-fitting: got {len(np.unique(groups))} groups, expected at least {FOLDS}; use --targets loo"
        )
    cut = StratifiedGroupKFold(n_splits=FOLDS, shuffle=True, random_state=posterior.seed)
    for kept, held in cut.split(fitted.labels, fitted.labels, groups):
        at = np.flatnonzero(rows & np.isin(cases.ids, fitted.ids[held]))
        if len(at):
            new = _refitted(posterior, fitted.take(kept), cases.take(at), shift, keep, "crossfit")
            labels = _replace(labels, at, new)
    return labels


def _replace(labels: SoftLabels, at: Array, new: SoftLabels) -> SoftLabels:
    """``labels`` with the rows ``at`` taken from ``new``; k-hat keeps what leave-one-out found."""
    changed: dict[str, Any] = {}
    for name in _PER_CASE - {"khat"}:
        column = np.array(getattr(labels, name), dtype=object if name == "source" else None)
        column[at] = getattr(new, name)
        changed[name] = column.astype(str) if name == "source" else column
    if (
        labels.draws is not None
        and new.draws is not None
        and labels.weights is not None
        and new.weights is not None
    ):
        if len(new.draws) != len(labels.draws):
            warnings.warn(
                "a refit kept another number of draws; the draws of those cases stay in-sample",
                stacklevel=2,
            )
        else:
            draws, weights = labels.draws.copy(), labels.weights.copy()
            draws[:, at], weights[:, at] = new.draws, new.weights
            changed |= {"draws": draws, "weights": weights}
    return replace(labels, **changed)
