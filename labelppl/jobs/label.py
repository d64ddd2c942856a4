"""``label``: soft labels of a run's cases, of another table, or of a folder of tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import InputError
from ..features import ReaderFeature
from ..posterior import Posterior
from ..prevalence import read_prevalence
from ..runs import Step, check_file, check_folder, read_run_json, record, step
from ..softlabels import label_parquet, soft_labels
from ..softlabels.deployment import PAIRS, PrevalenceEstimate, estimate_prevalence
from ..softlabels.labels import LeaveOut
from ..softlabels.parquet import BATCH_DRAWS
from ..table import CaseBatches, Cases, Delimiters, TableFile, open_table
from ..workers import Workers, cores
from .engines import describe_engine, read_engine
from .explain import write_explanations
from .fit import fit_in, fit_into, load_posterior
from .inputs import Inputs
from .label_folder import label_folder
from .telling import Teller, bar, in_force, in_words, say_warnings

#: Cases that a prevalence is estimated from: at least, and at most, where their own number adds no uncertainty any more.
FEWEST_TO_ESTIMATE, MOST_TO_ESTIMATE = 10, 20_000
#: Rows of a table that are labelled with all draws; longer ones in batches, with 200 draws, at a twentieth of the time.
MOST_AT_ONCE = 100_000


@dataclass(frozen=True)
class LabelSettings:
    """The options of ``labelppl label``; see there."""

    data: Path | None = None
    out: Path | None = None
    leave_out: LeaveOut = "loo"
    prevalence: Mapping[str, float] | Literal["auto"] | None = None
    draws: int | None = None
    trust: bool = False
    delimiters: Delimiters | None = None
    jobs: int | None = None
    ray: str | None = None


def label_job(run: Path, settings: LabelSettings, *, say: Teller) -> None:
    """Soft labels of the run's cases, or of those in ``data``, written as Parquet.

    prevalence ``auto``: estimated from the measurements of the cases that were not fitted. A long Parquet file is
    labelled in batches.
    """
    made = read_run_json(run)
    _check_label(run, settings, made.model, made.data)
    fitted = Inputs.of_run(run, trust=settings.trust)
    if isinstance(settings.prevalence, Mapping):
        read_prevalence(settings.prevalence, fitted.cases.classes)
    posterior = load_posterior(run, fitted, say)
    with step(run, "label", _arguments(settings), say.command_line) as work:
        _label(run, posterior, fitted, settings, work, say)


def label_model_job(
    inputs: Inputs, folder: Path, engine: str, settings: LabelSettings, *, say: Teller
) -> None:
    """Fit into ``folder``, or use the matching fit that is there, then label the cases of ``inputs``."""
    assert inputs.model.source is not None
    _check_label(folder, settings, inputs.model.source, inputs.cases.path)
    check_folder(folder)
    read_engine(engine)
    arguments = {**_arguments(settings), "engine": describe_engine(engine)}
    with step(folder, "label", arguments, say.command_line) as work:
        if fit_in(folder, inputs, engine):
            say.stage(f"the fit in {folder} is of the same model, table and seed, and is used")
            posterior = load_posterior(folder, inputs, say)
        else:
            posterior = fit_into(inputs, folder, engine, inputs.seed, work, say)
        _label(folder, posterior, inputs, settings, work, say)


def _check_label(run: Path, settings: LabelSettings, model: Path, table: Path | None) -> None:
    """Everything about the paths and options of ``label`` that can be known before any work."""
    if settings.draws is not None and settings.draws < 1:
        raise InputError(f"--draws {settings.draws}: expected 1 or more")
    if settings.data is not None and settings.data.is_dir():
        if settings.out is not None:
            check_folder(settings.out, "--out")
            if settings.out.resolve() == settings.data.resolve():
                raise InputError(f"--out {settings.out}: is the folder of the tables; name another")
        if settings.prevalence == "auto":
            raise InputError(
                f"--prevalence auto: {settings.data} is a folder, whose tables may be of different places; estimate it on one "
                "table, then give --prevalence CLASS=P"
            )
        return
    for option, value in (("--jobs", settings.jobs), ("--ray", settings.ray)):
        if value is not None:
            raise InputError(
                f"{option}: shares out the tables of a folder, but --data is not one; leave {option} out, or cut the table "
                "into several files of one folder"
            )
    if settings.out is not None:
        inputs = (model, table, settings.data)
        columns = ("id", "source", "concentration")
        check_file(settings.out, suffixes=(".parquet",), inputs=inputs, columns=columns)
    if settings.data is not None and not settings.data.is_file():
        raise InputError(
            f"{settings.data}: no such table; expected a CSV or Parquet file, or a folder of them"
        )


def _arguments(settings: LabelSettings) -> dict[str, Any]:
    return {
        "data": None if settings.data is None else str(settings.data),
        "out": None if settings.out is None else str(settings.out),
        "leave_out": settings.leave_out,
        "prevalence": settings.prevalence,
        "draws": settings.draws,
        **{
            name: value
            for name, value in (("jobs", settings.jobs), ("ray", settings.ray))
            if value is not None
        },
    }


def _label(
    run: Path,
    posterior: Posterior,
    fitted: Inputs,
    settings: LabelSettings,
    work: Step,
    say: Teller,
) -> None:
    data, path = settings.data, settings.out or run / "labels.parquet"
    own = settings.out is None
    written = settings.delimiters or fitted.cases.delimiters
    if data is not None and data.is_dir():
        return _label_folder(run, data, written, settings, say)
    if data is not None and _in_batches(posterior, open_table(data, written)):
        return _label_in_batches(posterior, data, written, path, settings, say)
    cases = fitted.cases
    if data is not None:
        cases = Inputs.of_run(run, data, trust=settings.trust, delimiters=written).cases
    prevalence: Any = settings.prevalence
    if prevalence == "auto":
        prevalence = _estimate(posterior, cases, run if own else None, say)
    most: dict[str, Any] = {} if settings.draws is None else {"draws": settings.draws}
    with say_warnings(say):
        labels = soft_labels(
            posterior,
            cases,
            leave_out=settings.leave_out,
            prevalence=prevalence,
            **most,
        )
    labels.save(path)
    if own:
        if data is None:
            write_explanations(run, posterior, labels, cases)
        work.keep(label={"leave_out": settings.leave_out, "prevalence": in_force(labels)})
    say(f"{len(labels)} soft labels at {in_words(labels)} in {path}")


def _label_folder(
    run: Path, data: Path, written: Delimiters, settings: LabelSettings, say: Teller
) -> None:
    """The tables of a folder, each by itself, shared out over workers."""
    assert settings.prevalence != "auto"
    out = settings.out or run / "labels"
    workers = Workers(settings.jobs or cores(), settings.ray)
    draws = settings.draws or BATCH_DRAWS
    rows = label_folder(
        run, data, out, leave_out=settings.leave_out, prevalence=settings.prevalence, draws=draws,
        delimiters=written, trust=settings.trust, workers=workers, say=say,
    )  # fmt: skip
    say(f"{rows} soft labels, with {draws} draws each, in {out}")


def _in_batches(posterior: Posterior, table: TableFile) -> bool:
    """Whether a table is so long that it is labelled batch by batch; what raters said is always read at once."""
    raters = any(isinstance(kind, ReaderFeature) for kind in posterior.model.features.values())
    return not raters and table.rows > MOST_AT_ONCE


def _label_in_batches(
    posterior: Posterior,
    data: Path,
    written: Delimiters,
    out: Path,
    settings: LabelSettings,
    say: Teller,
) -> None:
    """As `label_job`, in the memory of one batch; ``run.json`` keeps what it says of the run's own labels."""
    draws = settings.draws or BATCH_DRAWS
    prevalence: Any = settings.prevalence
    if prevalence == "auto":
        fitted = posterior.cases
        sample = CaseBatches(
            data, posterior.model.label_name, posterior.model.label, posterior.model.features,
            classes=fitted.classes, delimiters=written,
        ).sample(MOST_TO_ESTIMATE)  # fmt: skip
        prevalence = _estimate(posterior, sample, None, say, draws)
    with say_warnings(say), bar("label", say) as progress:
        rows = label_parquet(
            posterior,
            data,
            out,
            leave_out=settings.leave_out,
            prevalence=prevalence,
            draws=draws,
            progress=progress,
            delimiters=written,
        )
    say(f"{rows} soft labels, made in batches with {draws} draws each, in {out}")


def _estimate(
    posterior: Posterior, cases: Cases, run: Path | None, say: Teller, draws: int = PAIRS
) -> PrevalenceEstimate:
    """The prevalence among the cases that were not fitted, told to the user, and to the run whose labels it is of."""
    new = cases.take(~np.isin(cases.ids, posterior.cases.ids))
    if len(new) < FEWEST_TO_ESTIMATE:
        raise InputError(
            f"--prevalence auto: got {len(new)} cases that were not fitted, expected at least {FEWEST_TO_ESTIMATE}; "
            "give --data with new cases, or --prevalence CLASS=P"
        )
    estimate = estimate_prevalence(posterior, new, draws=draws, seed=posterior.seed)
    for k, name in enumerate(estimate.classes):
        say(
            f"prevalence of {name} among {len(new)} new cases: {estimate.mean[k]:.3f} "
            f"[{estimate.lo[k]:.3f}, {estimate.hi[k]:.3f}]"
        )
    if run is not None:
        record(run, estimated_prevalence=estimate.to_frame().set_index("class").to_dict("index"))
    return estimate
