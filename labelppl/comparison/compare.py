"""`compare`: every method on the same cases, splits, seeds, student, schedule and budget.

Budget: single-step methods train for as many epochs as `reg` does in both its steps, on one
schedule; where lambda comes out infinite, `reg` has no step 2 and is `prob` with its epochs, to the
byte; a teacher, where a method needs one, trains for as long again, and the number of epochs is
reported. Each method keeps the weights of the epoch with the best validation NLL, and `reg`
chooses lambda by validation NLL too; below a hundred labelled validation cases both are chosen by
cross-validation over training and validation cases together. Test cases are only predicted.

`resume` reads the runs that are finished (`parts`) and does the rest. Soft labels are made anew: they
take seconds. With `workers` the repeats are labelled side by side, then all trainings run side by side; each is kept as it
ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from ..arrays import Array, Floats
from ..distillation.prior_options import PriorOptions
from ..errors import FailedWork, InputError
from ..images.by_case import digest_of_images
from ..metrics.listed import metric_named
from ..records import digest
from ..runs import versions
from ..softlabels import SoftLabels
from ..split import TEST_SHARE, Cut
from ..students.options import AugmentLike, StudentLike, StudentOptions
from ..table import Cases
from ..training.schedule import Schedule
from ..workers import Workers
from .methods import MethodLike, make_method
from .one_method import Labelled
from .parts import Parts
from .record import Comparison
from .table import row_of, summarise
from .trainings import Common, Trainings

VALIDATION = 0.2


def compare(
    labels: SoftLabels | Labelled | None,
    cases: Cases,
    *,
    methods: Sequence[MethodLike] | None = None,
    repeats: int = 5,
    student: StudentLike | StudentOptions = "cnn",
    augment: AugmentLike | None = None,
    schedule: Schedule | None = None,
    lam: float | Literal["auto", "evidence"] | None = None,
    prior: PriorOptions | None = None,
    votes: Array | None = None,
    validation: float = VALIDATION,
    test_share: float = TEST_SHARE,
    columns: Sequence[str] | None = None,
    seed: int = 0,
    device: str = "auto",
    n_boot: int = 1000,
    out: Path | str | None = None,
    resume: bool = False,
    workers: Workers | None = None,
    keep_students: bool = False,
    identity: Mapping[str, Any] | None = None,
    progress: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Comparison:
    """Run methods several times, on the same cases, and compare their test metrics.

    Args:
        labels: A function that makes soft labels for cases whose split is in force, from `cases.train` alone: repeats
            differ in their splits, and the label model must not have seen validation or test labels. It keeps draws of
            p(Y|Z) where `dirichlet` is to be run. Or soft labels made before, or None where there are none.
        cases: The table, with images.
        methods: Names, (name, target) with a target of your own, or `Method`s; None: all that the evidence allows.
        repeats: Seeds, and splits where the table has none.
        student: As in `distill`, the same for all methods.
        augment: As in `distill`.
        schedule: Of step 1, None by the number of training cases; see the module for the budget.
        lam: lambda of `reg`; None as `prior` says.
        prior: The options of the weight prior; None: its defaults.
        votes: (cases, classes) counts, aligned with `cases`.
        validation: The share of training groups set aside in each repeat where the table names no validation case; 0:
            none, checkpoints are the last and lambda is cross-validated.
        test_share: The share of groups that is tested in each repeat where the table has no split.
        columns: Metric keys that compare.md shows, None for the usual ones.
        seed: Of everything random.
        device: As in `distill`.
        n_boot: Bootstrap draws for the intervals, 0 for none.
        out: The folder for compare.csv, .md, .json and parts/.
        resume: Whether to go on with what the folder holds.
        workers: Worker processes, here or on a Ray cluster, each with one thread, that train side by side; None trains
            one after the other. They must be able to read the images under the same paths.
        keep_students: Whether the student of each training is saved too, in `out`/parts/METHOD-REPEAT, for
            `predict`, `Student.features` and whoever asks later.
        identity: What else must be the same for a resumed comparison (the model file).
        progress: Whether to show bars.
        say: Told what is being done, one line each.

    Returns:
        The comparison, with one row per method and repeat.

    Raises:
        InputError: Students are to be kept without `out`, unknown methods, cases that cannot be split, a folder that
            holds another comparison.
        FailedWork: No training finished.

    Examples:
        >>> from labelppl.phantoms import simulate
        >>> folder = simulate("glaucoma", "glaucoma", cases=24, size=32)
        >>> model = load_model(folder / "glaucoma.py")
        >>> cases = read_cases(folder / "glaucoma.csv", model)
        >>> labels = soft_labels(fit(model, cases, seed=0))
        >>> quick = {"schedule": Schedule(epochs=1), "student": "logistic", "device": "cpu", "n_boot": 0}
        >>> table = compare(labels, cases, methods=["hard", "prob"], repeats=2, **quick)
        >>> table.rows[["method", "repeat"]].to_numpy().tolist()
        [['hard', 0], ['hard', 1], ['prob', 0], ['prob', 1]]
    """
    cut = Cut(test_share, validation)
    _check(cases, methods, repeats)
    shown = None if columns is None else [metric_named(key).key for key in columns]
    options = student if isinstance(student, StudentOptions) else StudentOptions(student)
    options = options if augment is None else replace(options, augment=augment)
    prior = prior or PriorOptions()
    prior = prior if lam is None else replace(prior, lam=lam)
    settings: dict[str, Any] = {
        "student": options.record(),
        "prior": prior.record(),
        "schedule": None if schedule is None else schedule.record(),
        **cut.record(),
        "seed": seed,
        "device": device,
        "cases": _digest(cases, votes),
        "images": digest_of_images(cases.images or ()),
        "identity": dict(identity or {}),
    }
    if isinstance(labels, SoftLabels):
        settings["labels"] = digest(labels.ids, labels.probs)
    parts = Parts(out, settings, resume=resume, students=keep_students)
    common = Common(labels, cases, options, schedule, prior, votes, cut, seed, device)
    trainings = Trainings(common, methods, repeats, parts, workers, progress, say)
    done, tested = trainings.run()
    runs: list[dict[str, Any]] = []
    probs: dict[tuple[str, int], Floats] = {}
    notes: list[str] = []
    if isinstance(labels, SoftLabels):
        notes.append(
            "the soft labels were made before, not refitted per repeat: where splits differ between "
            "repeats, the label model has seen cases that were held out from the students"
        )
    for (name, repeat), (record, predicted) in done.items():
        if predicted is None:
            notes.append(f"{name}, repeat {repeat}: left out, {record['failed']}")
            continue
        notes += [f"{name}: {note}" for note in record["notes"]]
        probs[name, repeat] = predicted
        spent = {key: record[key] for key in ("seconds", "epochs", "lam")}
        runs.append({"method": name, "repeat": repeat, **spent})
    if not probs:
        raise FailedWork(f"compare: no run finished; the first: {notes[-1]}")
    classes = tuple(cases.classes)
    names = list(dict.fromkeys(name for name, _ in done))
    if "raml" in names and len(classes) > 2:
        notes.append("raml: takes the classes to be ordered as they are declared")
    rows = pd.DataFrame(
        [
            {"method": name, "repeat": r, **row_of(p, tested[r], classes, seed)}
            for name in names
            for r in range(repeats)
            if (p := probs.get((name, r))) is not None
        ]
    )
    ordered = {(m, r): probs[m, r] for m, r in zip(rows["method"], rows["repeat"], strict=True)}
    comparison = Comparison(
        rows,
        summarise(ordered, rows, tested, n_boot, seed),
        pd.DataFrame(runs),
        {**settings, "methods": names, "repeats": repeats, "n_boot": n_boot,
         "columns": shown, "versions": versions()},
        tuple(dict.fromkeys(notes)),
    )  # fmt: skip
    if parts.folder is not None:
        comparison.save(parts.folder)
    return comparison


def _check(
    cases: Cases,
    methods: Sequence[MethodLike] | None,
    repeats: int,
) -> None:
    """Raise InputError for what no repeat could run."""
    if repeats < 1:
        raise InputError(f"repeats: got {repeats}, expected at least 1")
    if cases.images is None:
        raise InputError("cases: no column 'image', expected the path of an image per case")
    for method in methods or ():
        make_method(method)


def _digest(cases: Cases, votes: Array | None) -> str:
    """What two comparisons of the same cases share."""
    names = np.array([str(i) for i in cases.ids])
    groups = None if cases.groups is None else np.asarray(cases.groups).astype(str)
    split = cases.split if cases.split_given else None
    return digest(names, cases.labels, np.array(cases.classes), split, groups, votes)
