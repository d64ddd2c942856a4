"""Tables and figures of experiments 2 to 4 of the first paper; what is trained says `phantom_worlds`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from labelppl.plots import house_style

from .form import Form
from .paired import Array, Scores, difference, interval, of_paper, score
from .phantom_worlds import PRINTED_COLUMNS, RELATED, Data, World, chosen_lambda, train_arms
from .writing import table, with_interval

NAMES = {
    "hard": "hard",
    "paper-soft": "soft (.1, .9)",
    "prob": "prob",
    "reg": "reg",
    "prob-shuffled": "prob, shuffled within class",
    "smooth": "label smoothing",
    "confidence-penalty": "confidence penalty",
    "kd": "distillation by a hard-label teacher",
    "tfkd-self": "self-distillation (Tf-KD)",
    "mixed": "one mixed target of both labels",
    "mixup": "mixup of p(Y\\|Z)",
    "reg-uniform": "reg from uniform noise",
    "reg-flipped": "reg from flipped labels",
}
KEYS = {
    "accuracy": "accuracy",
    "expected": "expected accuracy",
    "nll": "NLL",
    "kl_true": "KL from the true p(Y\\|X)",
}
PAIRS = (("prob", "hard"), ("reg", "hard"), ("prob", "paper-soft"), ("reg", "paper-soft"),
         ("prob", "prob-shuffled"),
         *((arm, "hard") for arm in RELATED))  # fmt: skip
SIZES = (25, 50, 100, 200, 429)
CURVE_ARMS = ("hard", "prob", "reg")


def one_world(
    name: str, world: World, folder: Path, form: Form
) -> tuple[dict[str, Any], list[str], dict[str, list[Array]], Data]:
    """The numbers, the tables, the predictions and the data of one experiment; its folder has its name."""
    data = Data(world, folder / "data", form)
    place = folder / name.replace(" ", "-")
    said = train_arms(data, world.arms, place, form)
    scores = {arm: score(predictions, data.test) for arm, predictions in said.items()}
    means = {arm: {key: interval(own[key]) for key in KEYS} for arm, own in scores.items()}
    gaps = {
        f"{one} - {other}": {key: difference(scores, one, other, key) for key in KEYS}
        for one, other in PAIRS
        if one in scores and other in scores
    }
    small = data.test.take(np.arange(min(world.tests, len(data.test))))
    like_paper = {
        arm: [of_paper(p[: len(small)], small) for p in predictions]
        for arm, predictions in said.items()
    }
    truth = data.test.p_true
    assert truth is not None
    numbers = {
        "training cases": data.count,
        "test cases": len(data.test),
        "accuracy of the truth, expected": float(truth.max(1).mean()),
        "lambda of reg": chosen_lambda(place, form.seeds) if "reg" in said else [],
        "means": means,
        "differences": gaps,
        "as the paper": like_paper,
    }
    return numbers, _tables(numbers, world, len(small)), said, data


def _tables(numbers: dict[str, Any], world: World, tests: int) -> list[str]:
    head = ["labels", *KEYS.values()]
    rows = [
        [NAMES[arm], *(with_interval(means[key]) for key in KEYS)]
        for arm, means in numbers["means"].items()
    ]
    gaps = [
        [" − ".join(NAMES[arm] for arm in pair.split(" - ")), *(with_interval(own[key], sign=True) for key in KEYS)]
        for pair, own in numbers["differences"].items()
    ]  # fmt: skip
    printed = []
    for arm, runs in numbers["as the paper"].items():
        own = [_mean(runs, key) for key in (*PRINTED_COLUMNS, "hl_p", "ece")]
        theirs = world.printed.get(arm)
        cells = [
            _beside(ours, None if theirs is None else theirs[at]) for at, ours in enumerate(own[:4])
        ]
        printed.append([NAMES[arm], *cells, f"{own[4]:.3f}", f"{own[5]:.3f}"])
    return [
        f"{numbers['training cases']} training cases a seed, {numbers['test cases']} test cases; the true p(Y|X) is right in "
        f"{numbers['accuracy of the truth, expected']:.3f} of them in expectation. Means with 95 % intervals over seeds and cases.",
        table(head, rows),
        f"λ that cross-validation chose for reg: {', '.join(numbers['lambda of reg']) or 'no reg here'}.",
        "Paired differences; bold where the interval excludes 0.",
        table(["difference", *KEYS.values()], gaps),
        f"At the paper's number of test cases ({tests}): ours, mean over seeds"
        + (", and in brackets what the paper prints for its own data." if world.printed else "."),
        table(
            ["labels", "accuracy", "AUC", "HL", "ECE, replica", "HL p (ours)", "ECE (ours)"],
            printed,
        ),
    ]


def _mean(runs: list[dict[str, float | None]], key: str) -> float:
    return float(np.mean([np.nan if run[key] is None else run[key] for run in runs]))


def _beside(ours: float, theirs: float | None) -> str:
    text = f"{ours:.1f}" if ours > 5 else f"{ours:.3f}"
    if theirs is None:
        return text
    return f"{text} (>100)" if theirs == 100 else f"{text} ({theirs:g})"


def learning_curve(
    world: World, folder: Path, form: Form
) -> tuple[dict[str, Any], list[str], Figure]:
    """Accuracy to expect and KL from the truth by the number of training cases."""
    data = Data(world, folder / "data", form)
    sizes = [n for n in SIZES if n <= data.count]
    numbers: dict[str, Any] = {}
    for n in sizes:
        whole = n == data.count
        place = folder / (world.phantom if whole else f"{world.phantom}-{n}")
        # With all its cases this is the comparison above, whose folder knows the arms it was made with.
        arms = world.arms if whole else CURVE_ARMS
        said = train_arms(data, arms, place, form, n)
        scores = {arm: score(said[arm], data.test) for arm in CURVE_ARMS}
        numbers[str(n)] = {
            arm: {key: interval(own[key]) for key in KEYS} for arm, own in scores.items()
        }
    rows = [
        [n, NAMES[arm], *(with_interval(own[key]) for key in KEYS)]
        for n, arms_of in numbers.items()
        for arm, own in arms_of.items()
    ]
    with house_style():
        figure, panels = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
        for axes, key in zip(panels, ("expected", "kl_true"), strict=True):
            for arm in CURVE_ARMS:
                mid, lo, hi = np.array([numbers[str(n)][arm][key] for n in sizes]).T
                (line,) = axes.plot(sizes, mid, marker="o", markersize=4, label=NAMES[arm])
                axes.fill_between(sizes, lo, hi, color=line.get_color(), alpha=0.15, linewidth=0)
            axes.set_xscale("log")
            axes.set_xticks(sizes, [str(n) for n in sizes])
            axes.minorticks_off()
            axes.set(xlabel="training cases", ylabel=KEYS[key].replace("\\", ""))
        truth = data.test.p_true
        assert truth is not None
        panels[0].axhline(truth.max(1).mean(), color="0.4", linestyle=":", label="true p(Y|X)")
        panels[0].legend()
    return numbers, [table(["cases", "labels", *KEYS.values()], rows)], figure


def misleading(folder: Path, world: World, form: Form) -> tuple[dict[str, Any], list[str]]:
    """`reg` from soft labels that say nothing or the opposite, beside hard labels."""
    data = Data(world, folder / "data", form)
    arms = ("hard", "reg-uniform", "reg-flipped")
    said = train_arms(data, arms, folder / f"{world.phantom}-misled", form)
    scores: dict[str, Scores] = {arm: score(said[arm], data.test) for arm in arms}
    rows, numbers = [], {}
    for arm in arms:
        gaps = {key: difference(scores, arm, "hard", key) for key in KEYS}
        numbers[arm] = {
            "means": {key: interval(scores[arm][key]) for key in KEYS},
            "to hard": gaps,
        }
        cells = [with_interval(numbers[arm]["means"][key]) for key in ("expected", "nll")]
        cells += [
            "" if arm == "hard" else with_interval(gaps[key], sign=True)
            for key in ("expected", "nll")
        ]
        rows.append([NAMES[arm], *cells])
    head = ["labels", "expected accuracy", "NLL", "accuracy to hard", "NLL to hard"]
    return numbers, [table(head, rows)]


def figure_2(data: Data) -> Figure:
    """The measurements of the test cases and what the label model, fitted to one seed's cases, says of them."""
    cases = data.of_seed(0)
    labels = data.label(cases)
    held = cases.split == "test"
    frame = pd.read_csv(data.table).set_index("id").loc[list(cases.ids[held])]
    first, second = list(data.model.features)[:2]
    with house_style():
        figure, panels = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained", sharey=True)
        for k, (name, marker) in enumerate(zip(cases.classes, "o^", strict=True)):
            own = frame[cases.labels[held] == k]
            panels[0].scatter(own[first], own[second], s=7, marker=marker, label=name, alpha=0.6)
        panels[0].legend(title="hard label")
        dots = panels[1].scatter(
            frame[first], frame[second], c=labels.probs[held, 1], s=7, cmap="cividis"
        )
        figure.colorbar(dots, label=f"p({cases.classes[1]} | measurements)")
        for axes in panels:
            axes.set(xlabel=first)
        panels[0].set_ylabel(second)
    return figure


def figure_6(said: dict[str, list[Array]], data: Data) -> Figure:
    """What students of hard and of probabilistic labels say of the test cases, seed 0, beside the truth."""
    truth = data.test.p_true
    assert truth is not None
    shown = {"hard labels": said["hard"][0], "probabilistic labels": said["prob"][0]}
    bins = np.linspace(0, 1, 21)
    with house_style():
        figure, panels = plt.subplots(
            2,
            2,
            figsize=(9, 5.4),
            layout="constrained",
            height_ratios=(1, 2),
            sharex=True,
            sharey="row",
        )
        for (top, axes), (name, probs) in zip(panels.T, shown.items(), strict=True):
            top.hist(probs[:, 1], bins, color="0.6")
            top.set_title(name)
            axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
            axes.scatter(probs[:, 1], truth[:, 1], s=5, alpha=0.4)
            axes.set(xlabel=f"student: p({data.test.classes[1]} | image)")
        panels[0, 0].set_ylabel("test cases")
        panels[1, 0].set_ylabel("true p(Y|X)")
    return figure
