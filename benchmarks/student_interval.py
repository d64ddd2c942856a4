"""How often a 90 % interval around the student covers the true p(Y|X) of hip phantoms, and how wide it is.

    python benchmarks/student_interval.py --cases 614 --size 32 --seeds 3
    python benchmarks/student_interval.py --cases 614 --size 32 --grid 1

Per seed: phantoms are simulated, the label model is fitted, both steps are trained with lambda chosen by folds, and the test images
are predicted. Four intervals of the first class, each with its coverage of the truth and its mean width:

`ours`: what `distill` keeps and `predict` writes: quantiles of the residuals, on the scale of the log-odds, between the soft labels
of held-out cases and the students of the folds. `inflated`: the quantiles of the last layer's Laplace posterior, its variance
times the factor with which nine tenths of the same residuals lie inside. `last layer`: those quantiles as they are; both need
0 < lambda < inf. `labels`: the soft label's own interval, from the measurements.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import torch
from scipy.special import expit, logit, ndtri

from labelppl import (
    LabelModel,
    Schedule,
    SoftLabels,
    distill,
    fit,
    load_model,
    read_cases,
    soft_labels,
)
from labelppl.distillation import lam as choosing
from labelppl.distillation.interval import LEVELS, label_odds, rows_of
from labelppl.distillation.last_layer import last_layer_posterior
from labelppl.distillation.prior_options import GRID, PriorOptions
from labelppl.phantoms import simulate
from labelppl.students.options import StudentOptions
from labelppl.students.student import Student
from labelppl.students.weight_posterior import WeightPosterior, last_linear, with_features
from labelppl.table import Cases, match_ids
from labelppl.training.source import Source

Array = np.ndarray[Any, Any]
END = float(ndtri(0.95))


class Width(NamedTuple):
    """Coverage of the truth, and mean width."""

    covered: float
    width: float


@click.command()
@click.option("--cases", default=614, show_default=True, help="Phantoms, of which 30 % are tested.")
@click.option("--size", default=32, show_default=True, help="Pixels a side.")
@click.option("--seeds", default=3, show_default=True)
@click.option("--first-seed", default=0, show_default=True)
@click.option("--epochs", default=None, type=int, help="Of each step  [default: by the cases].")
@click.option("--grid", default=None, help="Candidates of lambda  [default: those of distill].")
@click.option("--student", default="cnn", show_default=True)
def main(
    cases: int,
    size: int,
    seeds: int,
    first_seed: int,
    epochs: int | None,
    grid: str | None,
    student: str,
) -> None:
    """Print one line per seed, then the means."""
    candidates = GRID if grid is None else tuple(map(float, grid.split(",")))
    names = ("ours", "inflated", "last layer", "labels")
    print("| seed | lambda | " + " | ".join(f"{name}: covered, width" for name in names) + " |")
    print("|---" * (len(names) + 2) + "|")
    rows: list[dict[str, Width]] = []
    for seed in range(first_seed, first_seed + seeds):
        with tempfile.TemporaryDirectory() as place:
            folder = simulate("hip", Path(place) / "hip", cases=cases, size=size, seed=seed)
            lam, row = _one(folder, seed, epochs, candidates, student)
        rows.append(row)
        print(
            f"| {seed} | {lam:g} | " + " | ".join(_cell([row], name) for name in names) + " |",
            flush=True,
        )
    print("| mean | | " + " | ".join(_cell(rows, name) for name in names) + " |")


def _cell(rows: list[dict[str, Width]], name: str) -> str:
    values = [row[name] for row in rows if name in row]
    return "{:.3f}, {:.3f}".format(*np.mean(values, axis=0)) if values else "none"


def _one(
    folder: Path, seed: int, epochs: int | None, grid: tuple[float, ...], student: str
) -> tuple[float, dict[str, Width]]:
    """lambda, and what each interval is worth."""
    model = load_model(folder / "hip.py")
    table = read_cases(folder / "hip.csv", model, seed=seed)
    labels = soft_labels(fit(model, table.train, seed=seed), table)
    with _Folds() as folds:
        done = distill(
            labels, table, student=StudentOptions(student), prior=PriorOptions(grid=grid), seed=seed,
            schedule=None if epochs is None else Schedule(epochs=epochs), refit=_refit(model, table, seed),
        )  # fmt: skip
    test = np.flatnonzero(table.split == "test")
    assert table.images is not None
    assert table.p_true is not None
    assert done.choice is not None
    truth = table.p_true[test, 0]
    images = [table.images[i] for i in test]
    said = done.student.predict(images)
    row = {"labels": _worth(labels.lo[test, 0], truth, labels.hi[test, 0])}
    if said.interval is not None:
        row["ours"] = _worth(said.interval.low[:, 0], truth, said.interval.high[:, 0])
    if done.student.posterior is not None:
        centre = logit(said.probs[:, 0])
        sd = np.sqrt(_variance(done.student, images))
        factor = folds.factor(labels, table.train.ids, done.choice.grid.index(done.choice.lam))
        for name, times in (("last layer", END), ("inflated", factor)):
            row[name] = _worth(expit(centre - times * sd), truth, expit(centre + times * sd))
    return done.choice.lam, row


def _refit(model: LabelModel, table: Cases, seed: int) -> Any:
    """As `labelppl distill` labels inside the folds."""

    def refit(ids: Array) -> SoftLabels:
        some = table.take(match_ids(ids, table.ids))
        made = soft_labels(fit(model, some, seed=seed), some)
        return made.take(match_ids(some.ids, made.ids))

    return refit


class _Folds:
    """Inside the block, what the students of the folds say of held-out cases, with the variance of their last layer."""

    def __init__(self) -> None:
        self.rows: list[Array] = []
        self.odds: list[Array] = []
        self.variances: list[Array] = []

    def __enter__(self) -> _Folds:
        self._follow, self._evidence = choosing.follow_path, choosing.fold_evidence
        choosing.follow_path, choosing.fold_evidence = self._watch, self._note
        return self

    def __exit__(self, *_: object) -> None:
        choosing.follow_path, choosing.fold_evidence = self._follow, self._evidence

    def _note(self, job: Any, test: Array, refit: Any) -> Any:
        self.rows.append(test)
        return self._evidence(job, test, refit)

    def _watch(
        self, job: Any, network: Any, source: Source, evidence: Any, grid: Any, held: Any, hard: Any
    ) -> Any:
        of_candidates = []

        def step2(trained: Any, images: Source, some: Any, prior: Any, schedule: Any) -> None:
            job.step2(trained, images, some, prior, schedule)
            posterior = last_layer_posterior(trained, "softmax", images, some.hard, prior).posterior
            of_candidates.append(_of_source(trained, posterior, held))

        followed = self._follow(
            replace(job, step2=step2), network, source, evidence, grid, held, hard
        )
        none = np.full(len(held), np.nan)
        finite = iter(of_candidates)
        self.variances.append(np.stack([none if math.isinf(lam) else next(finite) for lam in grid]))
        self.odds.append(followed.log_odds[:, :, 0])
        return followed

    def factor(self, labels: SoftLabels, ids: Array, candidate: int) -> float:
        """How many standard deviations hold nine tenths of the residuals of one candidate."""
        rows = np.concatenate(self.rows)
        odds = rows_of(label_odds(labels, ids), rows)
        said = np.concatenate([part[candidate] for part in self.odds])
        sd = np.sqrt(np.concatenate([part[candidate] for part in self.variances]))
        normal = ndtri((np.arange(LEVELS) + 0.5) / LEVELS)[:, None]
        away = np.abs(odds.centre[:, 0] + normal * odds.sd[:, 0] - said) / sd
        return float(np.quantile(away, 0.9))


def _of_source(network: Any, posterior: WeightPosterior | None, source: Source) -> Array:
    """Variance of the one logit of each image; NaN where there is no posterior."""
    layer = last_linear(network)
    if posterior is None or layer is None:
        return np.full(len(source), np.nan)
    network.eval()
    parts = []
    with torch.inference_mode():
        for x in source.batches(torch.arange(len(source)).split(256), torch.device("cpu")):
            output, features = with_features(network, layer, x)
            parts.append(posterior.covariance(features, output.shape[1])[:, 0, 0].numpy())
    return np.concatenate(parts)


def _variance(student: Student, images: list[Path]) -> Array:
    """Variance of the one logit of each image, (cases,)."""
    assert student.posterior is not None
    features = torch.from_numpy(student.features(images))
    return student.posterior.covariance(features, 1)[:, 0, 0].numpy()


def _worth(low: Array, truth: Array, high: Array) -> Width:
    return Width(float(((low <= truth) & (truth <= high)).mean()), float((high - low).mean()))


if __name__ == "__main__":
    main()
