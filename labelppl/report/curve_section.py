"""The learning curves of both steps."""

from __future__ import annotations

import pandas as pd
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .figure import FAINT, MAIN, colour, house_style, to_svg

WIDE = 9.4
FEW_EPOCHS = 3


def learning_curves(curve: pd.DataFrame) -> Markup | None:
    """Return the picture of `curve.csv`: loss and validation NLL per epoch, the steps side by side.

    None where the table has no rows or lacks the columns step and loss.
    """
    if len(curve) == 0 or not {"step", "loss"} <= set(curve.columns):
        return None
    steps = list(dict.fromkeys(curve["step"].astype(str)))
    with house_style():
        figure = Figure(figsize=(WIDE, 2.7), layout="constrained")
        for axes, step in zip(figure.subplots(1, len(steps), squeeze=False)[0], steps, strict=True):
            rows = curve[curve["step"].astype(str) == step]
            epoch = range(1, len(rows) + 1)
            dots = "o" if len(rows) <= FEW_EPOCHS else None
            axes.plot(
                epoch, rows["loss"], color=MAIN, linewidth=1.6, marker=dots, label="training loss"
            )
            if "penalty" in rows and (rows["penalty"] > 0).any():
                axes.plot(
                    epoch,
                    rows["loss"] + rows["penalty"],
                    color=MAIN,
                    linewidth=1.2,
                    marker=dots,
                    linestyle=(0, (3, 2)),
                    label="with weight prior",
                )
            if "val_nll" in rows and rows["val_nll"].notna().any():
                axes.plot(
                    epoch,
                    rows["val_nll"],
                    color=colour(1),
                    linewidth=1.6,
                    marker=dots,
                    label="validation NLL",
                )
            axes.set_title(step, fontsize=9, loc="left")
            axes.set_xlabel("epoch")
            axes.grid(axis="y", color=FAINT, alpha=0.3, linewidth=0.6)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.legend(fontsize=8)
        figure.axes[0].set_ylabel("nats per case")
        return to_svg(figure, "Learning curves of each training step")
