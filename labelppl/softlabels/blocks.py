"""Labels of many cases from one posterior, block by block, so that memory is bounded in the number of cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ..arrays import Array
from ..model import ClosedForm
from ..posterior import Posterior
from ..seeds import stream
from ..table import Cases
from . import summary
from .deployment import PrevalenceEstimate
from .predictive import Predictive, Used, predictive
from .record import SoftLabels, join

#: Levels of ``lo`` and ``hi``: they hold 90 % of the label posterior.
INTERVAL = (0.05, 0.95)
#: Numbers held at once, draws x cases x classes of one block: 4 MiB, so that the passes over them stay near the processor.
BLOCK_NUMBERS = 2**19
#: Where the mean is known in closed form, draws only tell the spread: so many numbers, but at least so many draws.
SPREAD_NUMBERS, SPREAD_DRAWS = 2**22, 200

SOURCE: dict[Used, str] = {"nothing": "new", "measurements": "fitted", "label": "loo"}


@dataclass(frozen=True)
class Labeller:
    """Makes labels from ``posterior``.

    prevalence: (classes,) to shift to, one for each of some draws, or None. keep: draws of p(Y|Z, theta) to keep for each case. draws: the most draws
    used for a case whose label is not left out.
    """

    posterior: Posterior
    prevalence: Tensor | PrevalenceEstimate | None
    keep: int
    draws: int

    def label(self, cases: Cases, row: Array, used: Array) -> SoftLabels:
        """Labels of ``cases``: ``row`` (cases,) is where the fit holds each case, -1 nowhere; ``used`` what it used of it."""
        order = [np.flatnonzero(used == kind) for kind in SOURCE]
        parts = [
            self._kind(cases.take(at), row[at], kind)
            for kind, at in zip(SOURCE, order, strict=True)
            if len(at)
        ]
        return join(parts).take(np.argsort(np.concatenate(order)))

    def _kind(self, cases: Cases, row: Array, used: Used) -> SoftLabels:
        closed = self._closed_for(cases, used)
        draws = self._many(len(cases), used, closed is not None)
        values, log_weights, shift = self._draws(draws)
        step = max(1, BLOCK_NUMBERS // (draws * len(cases.classes)))
        # Filled in place: a block's small arrays, kept one by one, would scatter over the memory that its draws leave.
        whole: dict[str, Array] = {}
        for first in range(0, len(cases), step):
            at = np.arange(first, min(first + step, len(cases)))
            block, mean = cases.take(at), None
            if closed is not None:
                rows = torch.from_numpy(row[at])
                exact = closed.new(block.columns) if used == "nothing" else closed.left_out(rows)
                mean = exact.probs
                even = torch.full((len(block), draws), 1 / draws, dtype=torch.float64)
                label = Predictive(exact.draw(draws, self.posterior.seed), even, exact.khat)
            else:
                labels = self.posterior.cases.labels[row[at]] if used == "label" else row[at]
                density = self.posterior.density
                power = self.posterior.model.power(block, self.posterior.diagnostics)
                label = predictive(density, values, log_weights, block, used, labels, shift, power)
            for name, value in self._columns(label, mean).items():
                if name not in whole:
                    shape = (len(cases), *value.shape[1:])
                    whole[name] = np.empty(shape, dtype=value.numpy().dtype)
                whole[name][at] = value.numpy()
        kept = whole.pop("draws", None)
        return SoftLabels(
            ids=cases.ids,
            id_type=cases.id_type,
            most_draws=self.draws,
            classes=cases.classes,
            labels=cases.labels,
            source=np.full(len(cases), SOURCE[used]),
            prevalence=self._in_force,
            draws=None if kept is None else np.moveaxis(kept, -1, 0),
            **whole,
        )

    @property
    def _in_force(self) -> Array | None:
        """(classes,) the prevalence of the labels, the mean of an estimated one; None for the study's."""
        if isinstance(self.prevalence, PrevalenceEstimate):
            return self.prevalence.mean
        return None if self.prevalence is None else self.prevalence.numpy()

    def _many(self, cases: int, used: Used, exact: bool) -> int:
        """How many draws of p(Y|Z, theta) each case gets."""
        have = len(self.posterior.log_weights)
        if isinstance(self.prevalence, PrevalenceEstimate):
            return len(self.prevalence.draws)
        if exact:
            budget = SPREAD_NUMBERS // (cases * len(self.posterior.cases.classes))
            return max(self.keep, SPREAD_DRAWS, min(budget, have))
        return have if used == "label" else min(have, max(self.draws, self.keep))

    def _draws(self, draws: int) -> tuple[Mapping[str, Tensor], Tensor, Tensor | None]:
        """Parameter values and log weights of so many draws of the fit, and the prevalence to shift to, if any."""
        even = torch.full((draws,), -np.log(draws), dtype=torch.float64)
        if isinstance(self.prevalence, PrevalenceEstimate):
            rows, shift = (
                torch.from_numpy(self.prevalence.rows),
                torch.from_numpy(self.prevalence.draws),
            )
            return {n: value[rows] for n, value in self.posterior.values.items()}, even, shift
        if draws >= len(self.posterior.log_weights):
            return self.posterior.values, self.posterior.log_weights, self.prevalence
        rows = self.posterior.equal_weight_rows(draws)
        values = {name: value[rows] for name, value in self.posterior.values.items()}
        return values, even, self.prevalence

    def _closed_for(self, cases: Cases, used: Used) -> ClosedForm | None:
        """The closed form, where there is one for what is wanted; a cell that only draws can integrate over has none."""
        closed = self._closed_form
        if closed is None or used == "measurements":
            return None
        censored = any(bool(column.censored.any()) for column in cases.columns.values())
        return None if censored and used == "nothing" else closed

    @cached_property
    def _closed_form(self) -> ClosedForm | None:
        closed = self.posterior.closed
        if isinstance(self.prevalence, PrevalenceEstimate):
            return None  # a prevalence that goes with each draw of the fit has no closed form
        if closed is None or self.prevalence is None:
            return closed
        return closed.under(self.prevalence)

    def _columns(self, label: Predictive, exact: Tensor | None) -> dict[str, Tensor]:
        """The columns of a block's labels by name, each (cases, ...)."""
        p, w = label.p, label.weights
        log_p = summary.finite_log(p, label.log_p)
        probs = summary.mean(p, w)
        sd = summary.sd(p, w, probs)
        concentration = summary.concentration(probs, sd)
        epistemic = (summary.entropy(probs) - summary.aleatoric(p, log_p, w)).clamp(min=0.0)
        if exact is not None:
            probs = exact
        entropy = summary.entropy(probs)
        epistemic = torch.minimum(epistemic, entropy)
        lo, hi = summary.quantiles(p, w, INTERVAL)
        measured = {
            "probs": probs,
            "sd": sd,
            "lo": lo,
            "hi": hi,
            "entropy": entropy,
            "aleatoric": entropy - epistemic,
            "epistemic": epistemic,
            "concentration": concentration,
            "mean_log": summary.weighted_mean(log_p, w),
            "khat": label.khat,
        }
        if label.likeliest is not None:
            measured["likeliest"] = label.likeliest
        if self.keep:
            rng = stream(self.posterior.seed, "kept draws").numpy()
            measured["draws"] = summary.resample(p, w, self.keep, rng.random())
        return measured
