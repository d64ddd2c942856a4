"""Do the 90 % intervals of p(Y|Z) cover the truth, also where the truth was not drawn from the prior?

Simulation-based calibration (`sbc`) cannot see a prior that swamps a class which differs from what it expects: its truths come
from that prior. Here they come from the fit to the user's own table, and from worlds that the model does not quite describe
(`coverage_worlds`), in which the true p(Y|Z) is known all the same. In each, cases are simulated, the model is fitted to them,
and its intervals of new cases and of left-out ones are held against the truth. No model covers 90 % in every world; what it
loses in which one says what to mend. Measurements are complete in the simulated tables.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..arrays import Array
from ..errors import FailedWork, InputError
from ..features import Column
from ..inference.base import Engine, Progress
from ..model import LabelDensity, LabelModel
from ..posterior import Posterior, fit
from ..runs import write_json
from ..seeds import stream
from ..softlabels import SoftLabels, soft_labels
from ..table import Cases
from .coverage_worlds import (
    WORLDS,
    MovableFeature,
    Moves,
    World,
    class_shares,
    log_slopes,
    movable,
    off_line,
    on_line,
)
from .finding import Finding
from .sbc_simulate import simulate_table

#: Cases that no fit sees, and left-out ones that are looked at, in every simulation.
NEW_CASES, LEFT_OUT_CASES = 100, 50
#: Coverage of a 90 % interval below which a world is told; it must be missed by two standard errors.
LEAST_COVERAGE = 0.87
#: Fewer simulations of a world than this say nothing.
LEAST_WORLDS = 5


@dataclass(frozen=True)
class Coverage:
    """What a check of coverage found.

    names: of the worlds. covered, width: (worlds, simulations) share of the true p(Y|Z) inside the 90 % intervals, and
    their mean width; NaN where a fit was refused. refused: why, one line each.
    """

    model: str
    names: tuple[str, ...]
    covered: Array
    width: Array
    refused: tuple[str, ...]
    seed: int

    def to_frame(self) -> pd.DataFrame:
        """One row per world: world, coverage, its standard error, width, simulations."""
        kept = ~np.isnan(self.covered)
        n = kept.sum(1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of a world without any fit
            return pd.DataFrame(
                {
                    "world": self.names,
                    "coverage": np.nanmean(self.covered, 1),
                    "se": np.nanstd(self.covered, 1, ddof=1) / np.sqrt(n),
                    "width": np.nanmean(self.width, 1),
                    "simulations": n,
                }
            )

    @property
    def findings(self) -> tuple[Finding, ...]:
        """A warning for every world in which the intervals cover too little, or too few fits came about."""
        mends = {world.name: world.mend for world in WORLDS}
        findings = []
        for row in self.to_frame().to_dict("records"):
            world, se = str(row["world"]), float(row["se"])
            where, share = f"coverage, {world}", float(row["coverage"])
            if row["simulations"] < max(LEAST_WORLDS, self.covered.shape[1] / 2):
                what = f"only {row['simulations']} of {self.covered.shape[1]} simulated tables could be fitted"
                why = self.refused[0] if self.refused else "no reason told"
                findings.append(Finding("warning", where, f"{what} ({why})", "mend the model"))
            elif share + 2 * se < LEAST_COVERAGE:
                what = f"90 % intervals of p(Y|Z) cover the truth in {share:.0%} ± {se:.0%} of the cases"
                findings.append(Finding("warning", where, what, mends[world]))
        return tuple(findings)

    def save(self, path: str | Path) -> None:
        """Write the table and the refusals as JSON."""
        content = {
            "model": self.model,
            "seed": self.seed,
            "worlds": self.to_frame().to_dict("records"),
            "refused": list(self.refused),
        }
        write_json(Path(path), content)


def coverage(
    model: LabelModel,
    cases: Cases,
    *,
    simulations: int = 40,
    engine: str | Engine = "auto",
    worlds: Sequence[World] = WORLDS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Coverage:
    """Coverage of the 90 % intervals of p(Y|Z) in each of the worlds, on tables like ``cases``.

    simulations: tables per world. progress: called with (simulations done, simulations in all). Raises InputError where the
    model cannot be simulated, FailedWork where the fit to ``cases``, from which the truths come, fails.
    """
    if simulations < LEAST_WORLDS:
        raise InputError(
            f"coverage: got {simulations} simulations, expected at least {LEAST_WORLDS}; fewer say nothing"
        )
    posterior = fit(model, cases, engine=engine, seed=seed)
    if posterior.problems:
        raise FailedWork(f"no truths to simulate from: {'; '.join(posterior.problems)}")
    density = posterior.density
    places = movable(density)
    worlds = [world for world in worlds if _possible(world, len(places))]
    table = _table(cases)
    covered = np.full((len(worlds), simulations), np.nan)
    width, refused = covered.copy(), []
    rows = posterior.equal_weight_rows(simulations)
    for r in range(simulations):
        truth = {name: value[rows[r]][None] for name, value in posterior.values.items()}
        for w, world in enumerate(worlds):
            own = stream(seed, "coverage", world.name, r).integer()
            try:
                made = _simulate(density, table, truth, world, places, own)
                covered[w, r], width[w, r] = _intervals(model, made, len(cases), engine, own)
            except (InputError, FailedWork) as error:
                refused.append(str(error))
            if progress is not None:
                progress(r * len(worlds) + w + 1, simulations * len(worlds))
    names = tuple(world.name for world in worlds)
    return Coverage(model.name, names, covered, width, tuple(refused), seed)


def _possible(world: World, places: int) -> bool:
    """Whether a model with so many movable measurements can be put into the world."""
    if world.sheared:
        return places > 1
    return places > 0 or world == WORLDS[0]


class Made(NamedTuple):
    """cases as a fit sees them, the first of them with labels; truth (cases, classes) the true p(Y|Z)."""

    cases: Cases
    truth: Tensor


def _table(cases: Cases) -> Cases:
    """The table's rows, complete, then some again as new cases."""
    again = np.arange(NEW_CASES) % len(cases)
    whole = cases.take(np.concatenate([np.arange(len(cases)), again]))
    columns = {
        name: Column(
            column.values,
            torch.ones_like(column.observed),
            names=column.names,
            ballots=column.ballots,
        )
        for name, column in whole.columns.items()
    }
    ids = np.array(
        [*(f"fitted{i}" for i in range(len(cases))), *(f"new{i}" for i in range(NEW_CASES))]
    )
    return replace(whole, columns=columns, ids=ids)


def _simulate(
    density: LabelDensity,
    table: Cases,
    truth: dict[str, Tensor],
    world: World,
    places: tuple[MovableFeature, ...],
    seed: int,
) -> Made:
    """One table of a world whose parameters are ``truth``, and the true p(Y|Z) of its cases."""
    rng = stream(seed, "labels").numpy()
    log_share = density.class_log_joint(truth, table).label[0].numpy()  # (1 or cases, classes)
    classes = log_share.shape[1]
    if len(log_share) == 1:
        share = class_shares(world, dict(enumerate(np.exp(log_share[0]))))
        log_share = np.log(share)[None]
    p = np.exp(log_share - np.logaddexp.reduce(log_share, 1, keepdims=True))
    labels = (rng.random((len(table), 1)) > p.cumsum(1)).sum(1).clip(max=classes - 1)
    drawn = _draw_cases(density, table, truth, labels, seed)
    if places:
        moves = _moves(density, table, truth, world, places, seed)
        drawn = off_line(drawn, places, moves.forward(on_line(drawn, places), labels, rng))

        def log_density(u: Tensor, k: int) -> Tensor:
            joint, label = density.class_log_joint(truth, off_line(drawn, places, u))
            return (joint - label)[0, :, k] + log_slopes(places, u)

        log_f = moves.log_densities(on_line(drawn, places), log_density)
    else:
        joint, label = density.class_log_joint(truth, drawn)
        log_f = (joint - label)[0]
    return Made(
        replace(drawn, labels=np.where(table.labels >= 0, labels, -1)),
        torch.softmax(log_f + torch.from_numpy(log_share), -1),
    )


def _draw_cases(
    density: LabelDensity, table: Cases, truth: dict[str, Tensor], labels: Array, seed: int
) -> Cases:
    """Cases drawn from the model at ``truth`` with these labels."""
    values = {name: value[0] for name, value in truth.items()}
    values[density.model.label_name] = density.structure.label_values[torch.from_numpy(labels)]
    return simulate_table(density, table, seed, values).cases


def _moves(
    density: LabelDensity,
    table: Cases,
    truth: dict[str, Tensor],
    world: World,
    places: tuple[MovableFeature, ...],
    seed: int,
) -> Moves:
    """The world's maps around where the model puts each class."""
    centres, spreads = [], []
    for k in range(len(table.classes)):
        alike = np.full(len(table), k)
        u = on_line(
            _draw_cases(density, table, truth, alike, stream(seed, "centre", k).integer()), places
        )
        centres.append(u.median(0).values)
        spreads.append(u.std(0))
    return Moves(world, places, torch.stack(centres), torch.stack(spreads).mean(0))


def _intervals(
    model: LabelModel, made: Made, fitted: int, engine: str | Engine, seed: int
) -> tuple[float, float]:
    """Share of the truths inside the intervals, and the intervals' mean width. Raises FailedWork for a refused fit."""
    known = made.cases.take(np.arange(fitted))
    posterior: Posterior = fit(model, known, engine=engine, seed=seed)
    if posterior.problems:
        raise FailedWork("; ".join(posterior.problems))
    left_out = np.flatnonzero(known.labels >= 0)[:LEFT_OUT_CASES]
    new = np.arange(fitted, len(made.cases))
    inside, widths = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for rows in (left_out, new):
            if not len(rows):
                continue
            some = replace(made.cases.take(rows), labels=np.full(len(rows), -1))
            labels: SoftLabels = soft_labels(
                posterior, known.take(rows) if rows is left_out else some
            )
            truth = made.truth[rows].numpy()
            first = len(labels.classes) == 2  # with two classes one says what the other does
            inside.append(((labels.lo <= truth) & (truth <= labels.hi))[:, int(first) :].mean())
            widths.append((labels.hi - labels.lo)[:, int(first) :].mean())
    return float(np.mean(inside)), float(np.mean(widths))
