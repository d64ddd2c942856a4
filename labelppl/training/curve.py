"""Learning curves as CSV and picture."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError


class Epoch(NamedTuple):
    """One row of the learning curve. Losses are means over cases in nats.

    penalty: (lambda/m) ||theta - theta_p||^2 after the epoch. val_nll, val_accuracy: on the
    labelled validation cases, nan without any.
    """

    step: str
    epoch: int
    lr: float
    loss: float
    penalty: float
    val_nll: float
    val_accuracy: float
    seconds: float
    images_per_second: float


def read_curve(folder: Path) -> tuple[Epoch, ...]:
    """The rows of curve.csv. Raises InputError where it is missing or damaged."""
    path = folder / "curve.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return tuple(
            Epoch(row["step"], int(row["epoch"]), *(float(row[k]) for k in Epoch._fields[2:]))
            for row in rows
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: is not a learning curve ({error})") from error


def save_curve(history: Sequence[Epoch], folder: Path) -> None:
    """Write curve.csv, one row per epoch of either step, and curve.png into `folder`."""
    with (folder / "curve.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(Epoch._fields)
        writer.writerows(history)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    place = range(1, len(history) + 1)
    axes.plot(place, [e.loss for e in history], label="training loss")
    if any(e.penalty > 0 for e in history):
        axes.plot(place, [e.loss + e.penalty for e in history], "--", label="with weight prior")
    if any(e.val_nll == e.val_nll for e in history):
        axes.plot(place, [e.val_nll for e in history], label="validation NLL")
    for i in range(1, len(history)):
        if history[i].step != history[i - 1].step:
            axes.axvline(i + 0.5, color="grey", linewidth=0.8)
            axes.annotate(
                history[i].step, (i + 0.5, 0.02), xycoords=("data", "axes fraction"), color="grey"
            )
    axes.set(xlabel="epoch", ylabel="nats per case")
    axes.legend()
    figure.savefig(folder / "curve.png", dpi=120)
