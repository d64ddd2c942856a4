"""``compare``: the paper's Table 1 on the user's own data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ..comparison import Comparison, compare
from ..errors import FailedWork
from ..features import vote_counts
from ..images.augment import augmentation
from ..runs import check_folder, record, sha256, step
from ..softlabels import SoftLabels, soft_labels
from ..students.network import check_student
from ..table import Cases
from ..training.device import check_device
from ..training.schedule import default_schedule
from .engines import chosen_engine
from .inputs import Inputs
from .telling import Teller, refused_fit, said_warnings
from .told_fit import told_fit

#: Draws of p(Y|Z) kept for the Dirichlet student.
KEPT_DRAWS = 200


def compare_job(
    inputs: Inputs,
    folder: Path,
    *,
    methods: Sequence[str] | None,
    repeats: int,
    engine: str,
    student: str,
    image_size: int | None,
    augment: str,
    epochs: int | None,
    lam: float | Literal["auto"],
    validation: float,
    columns: Sequence[str] | None,
    device: str,
    resume: bool,
    force: bool,
    quiet: bool,
    say: Teller,
) -> Comparison:
    """Run the methods ``repeats`` times; writes ``compare.csv``, ``compare.md`` and ``compare.json``.

    The label model is fitted again for every repeat's training cases. Raises FailedWork where that fit fails its checks.
    """

    def labelled(cases: Cases) -> SoftLabels:
        told = told_fit(inputs.model, cases.train, engine=engine, seed=inputs.seed, say=say)
        posterior = told.posterior
        if posterior.problems and not force:
            raise FailedWork(f"{refused_fit(posterior)}; --force compares all the same")
        return soft_labels(posterior, cases, keep_draws=KEPT_DRAWS)

    check_folder(folder)
    check_device(device)
    augmentation(augment)
    check_student(student)
    chosen_engine(engine)
    arguments = {"methods": methods, "repeats": repeats, "engine": engine, "lam": lam}
    schedule = default_schedule(len(inputs.cases.train))
    assert inputs.model.source is not None
    with step(folder, "compare", arguments), said_warnings(say):
        done = compare(
            labelled,
            inputs.cases,
            methods=methods,
            repeats=repeats,
            student=student,
            image_size=image_size,
            votes=vote_counts(
                inputs.model.features, inputs.cases.columns, len(inputs.cases.classes)
            ),
            augment=augment,
            lam=lam,
            validation=validation,
            columns=columns,
            schedule=None if epochs is None else replace(schedule, epochs=epochs),
            seed=inputs.seed,
            device=device,
            out=folder,
            resume=resume,
            identity={"model": sha256(inputs.model.source), "options": dict(inputs.model.options)},
            progress=not quiet,
            say=say,
        )
        inputs.record(folder, "compare", arguments)
        record(folder, status="done")
    return done
