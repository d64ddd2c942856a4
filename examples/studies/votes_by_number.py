"""CIFAR-10H: what 1, 3, 5, 10, 20 or all of some fifty votes about an image are worth, as three kinds of label.

Of every training image so many votes are drawn without replacement. The student learns their majority, their mean, or the
posterior p(Y | votes) of the zoo's `votes` model: the answer of one more rater, with as much smoothing as all images together
ask for. On the test images, whose votes nobody trained on: KL from the human votes to the student, accuracy against their
majority, and the rank correlation of the student's entropy with theirs. The labels themselves are held against the votes
that were not drawn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from scipy.special import entr
from scipy.stats import spearmanr

from labelppl import SoftLabels, distill, fit, load_model, read_cases, soft_labels
from labelppl.metrics.kl import kl_per_case
from labelppl.plots import house_style
from labelppl.seeds import stream
from labelppl.table import Cases

from .form import Form
from .paired import Array, interval
from .writing import table, with_interval

ARMS = {"majority": "majority", "mean vote": "mean-vote", "p(Y\\|votes)": "prob"}
OURS = "p(Y\\|votes)"
EPS = 1e-3
"""The smallest probability that a label is taken to give, where labels themselves are held against votes: a majority gives 0."""
VOTES = "votes_"
DRAWS = 400
"""Of the posterior, for each label: prevalences and one size, from hundreds of images, are known too well to need more."""


def votes_study(
    data: Path, out: Path, form: Form, numbers: tuple[int | None, ...]
) -> tuple[dict[str, Any], list[str], dict[str, Figure]]:
    """Labels and students by number of votes (None: all)."""
    frame = _some(pd.read_csv(data, dtype={"id": str}), form)
    frame["image"] = [str((data.parent / name).resolve()) for name in frame["image"]]
    columns = [name for name in frame.columns if str(name).startswith(VOTES)]
    counts = frame[columns].to_numpy()
    human = counts / counts.sum(1, keepdims=True)
    test = frame["split"].to_numpy() == "test"
    model = load_model("votes")
    divergence: dict[tuple[str, str], list[Array]] = {}
    entropies: dict[tuple[str, str], list[float]] = {}
    accuracy: dict[tuple[str, str], list[float]] = {}
    labels_off: dict[tuple[str, str], list[float]] = {}
    for number in numbers:
        name = "all" if number is None else str(number)
        for seed in range(form.seeds):
            drawn = np.where(test[:, None], counts, _draw(counts, number, seed))
            path = out / f"votes-{name}-{seed}.csv"
            frame.assign(**{c: drawn[:, k] for k, c in enumerate(columns)}).to_csv(
                path, index=False
            )
            cases = read_cases(path, model)
            labels = soft_labels(fit(model, cases.train, seed=seed), draws=DRAWS)
            if number is not None:
                for arm, value in _label_divergence(labels, drawn, counts, ~test).items():
                    labels_off.setdefault((arm, name), []).append(value)
            for arm, target in ARMS.items():
                probs = _student(cases, labels, drawn, target, form, seed)
                at = (arm, name)
                divergence.setdefault(at, []).append(kl_per_case(human[test], probs))
                right = probs.argmax(1) == human[test].argmax(1)
                accuracy.setdefault(at, []).append(float(right.mean()))
                together = spearmanr(entr(probs).sum(1), entr(human[test]).sum(1)).statistic
                entropies.setdefault(at, []).append(float(together))
                kl = divergence[at][-1].mean()
                print(
                    f"votes {name}, seed {seed}, {arm}: KL {kl:.3f}, accuracy {right.mean():.3f}",
                    flush=True,
                )
    kinds = list(dict.fromkeys(number for _, number in divergence))
    stacked = {at: np.stack(runs) for at, runs in divergence.items()}
    gaps = {
        n: {arm: interval(stacked[OURS, n] - stacked[arm, n]) for arm in ARMS if arm != OURS}
        for n in kinds
    }
    result = {
        n: {
            arm: {
                "kl": interval(stacked[arm, n]),
                "accuracy": float(np.mean(accuracy[arm, n])),
                "entropies": float(np.mean(entropies[arm, n])),
                "label kl": float(np.mean(labels_off[arm, n])) if (arm, n) in labels_off else None,
            }
            for arm in ARMS
        }
        for n in kinds
    }
    rows = []
    for n in kinds:
        for arm in ARMS:
            own = result[n][arm]
            off = own["label kl"]
            cells = [
                with_interval(own["kl"]),
                "" if arm == OURS else with_interval(gaps[n][arm], sign=True),
                f"{own['accuracy']:.3f}",
                f"{own['entropies']:.3f}",
                "" if off is None else f"{off:.3f}",
            ]
            rows.append([n, arm, *cells])
    head = ["votes", "labels", "KL of the student", f"{OURS} − it", "accuracy", "entropies", "KL of the labels"]  # fmt: skip
    text = (
        f"{int((~test).sum())} training images, {int(test.sum())} test images, {form.seeds} seeds; intervals over seeds and "
        "test images. `entropies`: Spearman correlation of the student's entropy with the votes'. `KL of the labels`: from the "
        f"votes that were not drawn to the label, no probability below {EPS:g}."
    )
    numbers_made = {"results": result, "differences": gaps}
    return numbers_made, [text, table(head, rows)], {"votes": _figure(result)}


def _some(frame: pd.DataFrame, form: Form) -> pd.DataFrame:
    """The share of the training images and the test images that the form asks for; none for validation."""
    train, test = (frame[frame["split"] == side] for side in ("train", "test"))
    kept = [train.iloc[: form.of(len(train))], test.iloc[: form.test]]
    return pd.concat(kept, ignore_index=True)


def _draw(counts: Array, number: int | None, seed: int) -> Array:
    """So many votes of each case, without replacement."""
    if number is None:
        return counts
    rng = stream(seed, "votes", number).numpy()
    return np.stack([rng.multivariate_hypergeometric(row, number) for row in counts])


def _label_divergence(
    labels: SoftLabels, drawn: Array, counts: Array, train: Array
) -> dict[str, float]:
    """KL from the votes that were not drawn to each kind of label, mean over training images."""
    rest = counts[train] - drawn[train]
    human = rest / rest.sum(1, keepdims=True)
    some = drawn[train]
    top = (some == some.max(1, keepdims=True)).astype(float)
    made = {
        "majority": top / top.sum(1, keepdims=True),
        "mean vote": some / some.sum(1, keepdims=True),
        OURS: labels.probs,
    }
    return {arm: float(kl_per_case(human, p, EPS).mean()) for arm, p in made.items()}


def _student(
    cases: Cases, labels: SoftLabels, votes: Array, target: str, form: Form, seed: int
) -> Array:
    """What a student of these labels says of the test images."""
    done = distill(
        labels,
        cases,
        target=target,
        votes=votes,
        lam=float("inf"),
        student=form.options(),
        schedule=form.schedule(len(cases.train)),
        seed=seed,
        device=form.device,
    )
    assert cases.test.images is not None
    return done.student.predict_proba(cases.test.images)


def _figure(result: dict[str, Any]) -> Figure:
    """KL of the student by number of votes."""
    with house_style():
        figure, axes = plt.subplots(figsize=(6, 3.8), layout="constrained")
        for arm in ARMS:
            mid, lo, hi = np.array([own[arm]["kl"] for own in result.values()]).T
            (line,) = axes.plot(list(result), mid, marker="o", label=arm.replace("\\", ""))
            axes.fill_between(list(result), lo, hi, color=line.get_color(), alpha=0.15, linewidth=0)
        axes.set(xlabel="votes per training image", ylabel="KL from the human votes to the student")
        axes.legend()
    return figure
