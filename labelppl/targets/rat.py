"""Residual-as-teacher: the measurements teach the student what it still gets wrong, in place of being copied.

A teacher that shrinks passes its bias on to a student that copies it. Here it estimates the student's residuals instead, and
the student's next target is a step along them (residual-as-teacher, 2026, arXiv 2603.25466):

    g(z) ~ E[e_y - q_theta(x) | z],        target = P(q_theta(x) + eta g(z)),

P the nearest probability vector. If the teacher keeps a share h of what it should say, a copy keeps h for ever, while t rounds
leave 1 - (1 - h)^t. The paper gives a rule for regression and one step per round; the adaptation is ours: g is a quadratic
ridge regression on the measurements, its strength by generalised cross-validation, fitted to labelled cases only and
cross-fitted, so that no case is corrected by its own label. The first target is p(Y|Z). Missing measurements take the mean,
with a column that says so; categories enter by their codes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.impute import SimpleImputer
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from torch import Tensor

from ..arrays import Array, Floats
from ..errors import InputError
from ..split import held_out_folds
from .base import Target, Validation, check, promote, sum_over_processes
from .target_data import TargetData, require

RESIDUAL_FOLDS = 5
STRENGTHS = np.logspace(-3, 3, 13)


class RaT(Target):
    """rounds >= 1 times, evenly spread over the epochs, the target moves by eta in (0, 1] of the estimated residual."""

    name = "rat"
    needs_observe = True

    def __init__(self, rounds: int = 5, eta: float = 1.0) -> None:
        check(rounds >= 1, self.name, "rounds", rounds, "at least 1")
        check(0 < eta <= 1, self.name, "eta", eta, "a number in (0, 1]")
        self.rounds, self.eta = rounds, eta

    def usable(self, evidence: TargetData) -> Tensor:
        return torch.ones(len(evidence), dtype=torch.bool, device=evidence.hard.device)

    def start(self, evidence: TargetData) -> Tensor:
        soft = require(evidence, "soft", self.name)
        self._measured = require(evidence, "measured", self.name).cpu().numpy()
        self._hard = evidence.hard.cpu().numpy()
        if len(np.unique(self._hard[self._hard >= 0])) < 2:
            raise InputError(
                "target rat: got hard labels of fewer than two classes, expected two or more"
            )
        self._said = torch.zeros_like(soft)
        self._targets = soft
        return soft

    def observe(self, logits: Tensor, rows: Tensor) -> None:
        self._said[rows] = promote(logits).softmax(1).to(self._said)

    def end_epoch(self, epoch: int, epochs: int, validation: Validation | None) -> Tensor | None:
        said = sum_over_processes(self._said)
        self._said = torch.zeros_like(said)
        if epoch + 1 not in turns(epochs, self.rounds):
            return None
        move = residuals(self._measured, self._hard, said.cpu().double().numpy())
        step = said + self.eta * torch.from_numpy(move).to(said)
        self._targets = nearest_probabilities(step)
        return self._targets

    def state_dict(self) -> dict[str, Tensor]:
        return {"targets": self._targets}

    def load_state_dict(self, state: dict[str, Tensor]) -> Tensor | None:
        self._targets = state["targets"]
        return self._targets


def turns(epochs: int, rounds: int) -> tuple[int, ...]:
    """After which epochs (counted from 1) the target moves; none after the last, when nobody would learn it."""
    turns = {round(epochs * t / (rounds + 1)) for t in range(1, rounds + 1)}
    return tuple(sorted(turn for turn in turns if 1 <= turn < epochs))


def residuals(measured: Floats, hard: Array, said: Floats) -> Floats:
    """g at every case, (cases, classes), fitted to the other labelled cases.

    measured: (cases, numbers), NaN = missing. hard: (cases,), -1 = unlabelled. said: q_theta, (cases, classes).
    """
    labelled = np.flatnonzero(hard >= 0)
    missed = np.eye(said.shape[1])[hard[labelled]] - said[labelled]
    wanted = np.empty_like(said)
    rest = np.flatnonzero(hard < 0)
    if len(rest):
        wanted[rest] = _regression().fit(measured[labelled], missed).predict(measured[rest])
    for held in held_out_folds(hard[labelled], None, min(RESIDUAL_FOLDS, len(labelled)), 0):
        kept = np.setdiff1d(np.arange(len(labelled)), held)
        fitted = _regression().fit(measured[labelled[kept]], missed[kept])
        wanted[labelled[held]] = fitted.predict(measured[labelled[held]])
    return wanted


def _regression() -> Pipeline:
    empty: dict[str, Any] = {"add_indicator": True, "keep_empty_features": True}
    return make_pipeline(
        SimpleImputer(**empty), StandardScaler(), PolynomialFeatures(2, include_bias=False),
        StandardScaler(), RidgeCV(alphas=STRENGTHS),
    )  # fmt: skip


def nearest_probabilities(rows: Tensor) -> Tensor:
    """The probability vector nearest to each row (cases, classes), by Euclid (Duchi et al. 2008)."""
    ordered = rows.sort(1, descending=True).values
    excess = (ordered.cumsum(1) - 1) / torch.arange(1, rows.shape[1] + 1).to(rows)
    kept = (ordered > excess).sum(1, keepdim=True)
    return (rows - excess.gather(1, kept - 1)).clamp_min(0)
