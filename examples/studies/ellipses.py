"""The ellipses of the second paper, made anew: their statistics, and hard against soft labels.

The paper's generator is not public; the phantom's shares and sizes were inferred from what it prints. Its labels are exact:
`soft` is p(Y|X) itself, `hard` its most probable class. Accuracy is the mean recall over classes, against the most
probable class; KL is that from p(Y|X) to the student, also as its code computes it (both sides clipped to [1e-5, 1 - 1e-5]).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from labelppl import distill, evaluate_probs, load_model, read_cases
from labelppl.phantoms import Ellipses, simulate
from labelppl.seeds import stream
from labelppl.training.schedule import Schedule

from .features import maps
from .form import Form
from .writing import table

CASES, TEST_SHARE, TRAIN_SHARE = 15_000, 0.2, 0.6
PUBLISHED = {
    "channel mean": 0.16462,
    "channel SD": 0.35290,
    "mean of squares over mean": 0.921,
    "largest soft label, mean": 0.787,
    "one-hot labels": 0.40,
}
"""Of the paper's 15,000 images of 224 pixels; the first two are means over the three channels."""
PRINTED = {"hard": ("0.825 ± 0.050", "0.414 ± 0.084"), "soft": ("0.910 ± 0.014", "0.039 ± 0.001")}
PAPER_SCHEDULE = Schedule(
    epochs=60, batch_size=128, lr=0.1, optimiser="sgd", weight_decay=5e-4, decay="cosine"
)
PIXELS = 224


def statistics(cases: int) -> tuple[dict[str, Any], list[str]]:
    """The published statistics of so many new images of 224 pixels."""
    phantom = Ellipses()
    frame = phantom.sample(cases, seed=3)
    p = frame.filter(like="p_true_").to_numpy()
    sums = np.zeros((2, 3))
    for at, case in enumerate(frame.to_dict("records")):
        pixels = phantom.draw(case, at, PIXELS) / 255.0
        sums += pixels.mean((0, 1)), (pixels**2).mean((0, 1))
    mean, square = sums / cases
    ours = {
        "channel mean": float(mean.mean()),
        "channel SD": float(np.sqrt(square - mean**2).mean()),
        "mean of squares over mean": float((square / mean).mean()),
        "largest soft label, mean": float(p.max(1).mean()),
        "one-hot labels": float((p.max(1) == 1).mean()),
    }
    off = {name: ours[name] / PUBLISHED[name] - 1 for name in ours}
    rows = [[n, f"{ours[n]:.4f}", f"{PUBLISHED[n]:.4f}", f"{off[n]:+.1%}"] for n in ours]
    head = [f"of {cases} images", "ours", "published", "difference"]
    return {"ours": ours, "published": PUBLISHED, "relative difference": off}, [table(head, rows)]


def hard_or_soft(folder: Path, form: Form) -> tuple[dict[str, Any], list[str], dict[str, Figure]]:
    """Both labels on several splits: numbers, tables, and t-SNE of the first split."""
    count = form.of(CASES)
    data = folder / f"ellipses-{count}-{form.size}"
    if not data.is_dir():
        simulate("ellipses", data, cases=count, size=form.size, seed=22)
    cases = read_cases(data / "ellipses.csv", load_model(data / "ellipses.py"))
    assert cases.p_true is not None
    schedule = replace(PAPER_SCHEDULE, epochs=round(PAPER_SCHEDULE.epochs * form.effort))
    if form.name == "quick":  # too few updates for that rate
        schedule = form.schedule(round(TRAIN_SHARE * count))
    keys = ("macro_accuracy", "kl", "kl_dcic", "accuracy", "ece")
    runs: dict[str, list[dict[str, float | None]]] = {"hard": [], "soft": []}
    features = {}
    for seed in range(form.seeds):
        order = stream(seed, "split").numpy().permutation(count)
        train, test = np.split(order, [round(TRAIN_SHARE * count)])
        test = test[: round(TEST_SHARE * count)]
        rows = np.sort(np.concatenate([train, test]))
        split = np.where(np.isin(rows, test), "test", "train")
        own = replace(cases.take(rows), split=split, split_given=True)
        truth = own.test.p_true
        assert truth is not None
        assert own.test.images is not None
        for name, target in (("hard", "majority"), ("soft", "mean-vote")):
            # The paper's labels are exact: p(Y|X) takes the place of votes.
            student = distill(
                None,
                own,
                target=target,
                votes=own.p_true,
                student=form.options(augment="none"),
                schedule=schedule,
                lam=float("inf"),
                seed=seed,
                device=form.device,
            ).student
            probs = student.predict_proba(own.test.images)
            values = evaluate_probs(
                probs,
                truth.argmax(1),
                classes=own.classes,
                soft=truth,
                metrics=["kl_dcic"],
                n_boot=0,
            ).values
            runs[name].append({key: values[key] for key in keys})
            print(f"ellipses, split {seed + 1}, {name}: {runs[name][-1]}", flush=True)
            if seed == 0:
                features[f"{name} labels"] = student.features(own.test.images)
                places = truth.argmax(1)
    rows_shown = []
    for name, own_runs in runs.items():
        cells = []
        for key in keys:
            numbers = [float(run[key] or 0.0) for run in own_runs]
            cells.append(f"{np.mean(numbers):.3f} ± {np.std(numbers, ddof=1):.3f}")
        accuracy, kl = PRINTED[name]
        rows_shown.append([name, *cells, accuracy, kl])
    head = ["labels", "macro accuracy", "KL", "KL, clipped", "accuracy", "ECE", "paper: accuracy", "paper: KL"]  # fmt: skip
    text = (
        f"{round(TRAIN_SHARE * count)} training images of {form.size} pixels, {round(TEST_SHARE * count)} test images, "
        f"{form.seeds} splits, mean ± SD."
    )
    figures = {"ellipses_tsne": maps(features, places, cases.classes)}
    return runs, [text, table(head, rows_shown)], figures
