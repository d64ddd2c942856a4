"""``fit`` and ``label``: a posterior, and soft labels from one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import FailedWork, InputError
from ..features import ReaderFeature
from ..posterior import Posterior
from ..prevalence import read_prevalence
from ..runs import Step, check_file, check_folder, read_json, read_run_json, record, step, verified
from ..softlabels import label_parquet, soft_labels
from ..softlabels.deployment import PrevalenceEstimate, estimate_prevalence
from ..softlabels.labels import LeaveOut
from ..softlabels.parquet import BATCH_DRAWS
from ..table import Cases, Delimiters, TableFile, open_table
from .engines import chosen_engine, described_engine
from .explain import write_explanations
from .inputs import Inputs, matches
from .telling import (
    Teller,
    bar,
    fit_line,
    fit_record,
    in_force,
    in_words,
    refused_fit,
    said_warnings,
)
from .told_fit import told_fit

FEWEST_TO_ESTIMATE = 10
#: Rows of a table that are labelled with all draws; longer ones in batches, with 200 draws, at a twentieth of the time.
MOST_AT_ONCE = 100_000
#: What is made from a posterior, by the command that makes it; a new fit makes the first of no use.
FROM_A_FIT = {
    "label": ("labels.parquet", "explain.parquet"),
    "distill": ("student.json", "student.safetensors"),
}


def fit_job(inputs: Inputs, folder: Path, *, engine: str, seed: int, say: Teller) -> Posterior:
    """Fit, write ``posterior.nc``, say how it went. Raises FailedWork, after writing, if the fit fails its checks."""
    check_folder(folder)
    chosen_engine(engine)
    arguments = {"engine": described_engine(engine), "group": inputs.group, "seed": seed}
    with step(folder, "fit", arguments, say.command_line) as work:
        return _fitted(inputs, folder, engine, seed, work, say)


def _fitted(
    inputs: Inputs, folder: Path, engine: str, seed: int, work: Step, say: Teller
) -> Posterior:
    stale = _stale(inputs, folder, engine)
    told = told_fit(inputs.model, inputs.training, engine=engine, seed=seed, say=say)
    posterior = told.posterior
    for name in stale:
        (folder / name).unlink()
        say(f"note: {folder / name} was made from another fit and is removed; run labelppl label")
    posterior.save(folder / "posterior.nc")
    work.keep(
        **inputs.entries("fit", {"engine": described_engine(engine)}),
        fit=fit_record(posterior, told.findings),
    )
    say.stage(fit_line(posterior))
    if posterior.problems:
        raise FailedWork(refused_fit(posterior))
    say(f"posterior in {folder / 'posterior.nc'}")
    return posterior


def _stale(inputs: Inputs, folder: Path, engine: str) -> list[str]:
    """Soft labels in the folder that a new fit would belie. Raises InputError where there is a student."""
    if not (folder / "run.json").is_file() or fit_in(folder, inputs, engine):
        return []
    for name in FROM_A_FIT["distill"]:
        if (folder / name).exists():
            raise InputError(
                f"{folder}: holds a student ({name}) that was made from another fit; name another folder with --run"
            )
    return [name for name in FROM_A_FIT["label"] if (folder / name).is_file()]


def fit_in(folder: Path, inputs: Inputs, engine: str) -> bool:
    """Whether the folder holds a whole fit of the same model, table, options, engine and seed."""
    content = read_json(folder / "run.json")
    if not (folder / "posterior.nc").is_file() or "model" not in content:
        return False
    made = read_run_json(folder)
    if made.arguments.get("engine") != described_engine(engine) or matches(made, inputs):
        return False
    verified(folder, "posterior.nc")
    return True


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
    chosen_engine(engine)
    arguments = {**_arguments(settings), "engine": described_engine(engine)}
    with step(folder, "label", arguments, say.command_line) as work:
        if fit_in(folder, inputs, engine):
            say.stage(f"the fit in {folder} is of the same model, table and seed, and is used")
            posterior = load_posterior(folder, inputs, say)
        else:
            posterior = _fitted(inputs, folder, engine, inputs.seed, work, say)
        _label(folder, posterior, inputs, settings, work, say)


def _check_label(run: Path, settings: LabelSettings, model: Path, table: Path | None) -> None:
    """Everything about the paths and options of ``label`` that can be known before any work."""
    if settings.out is not None:
        check_file(settings.out, suffixes=(".parquet",), inputs=(model, table, settings.data))
    if settings.draws is not None and settings.draws < 1:
        raise InputError(f"--draws {settings.draws}: expected 1 or more")
    if settings.data is not None and not settings.data.is_file():
        raise InputError(f"{settings.data}: no such table; expected a CSV or Parquet file")


def _arguments(settings: LabelSettings) -> dict[str, Any]:
    return {
        "data": None if settings.data is None else str(settings.data),
        "out": None if settings.out is None else str(settings.out),
        "leave_out": settings.leave_out,
        "prevalence": settings.prevalence,
        "draws": settings.draws,
    }


def load_posterior(run: Path, fitted: Inputs, say: Teller) -> Posterior:
    """The run's posterior, whole and still fitting its model and table."""
    if not (run / "posterior.nc").is_file():
        raise InputError(f"{run / 'posterior.nc'}: no such file; run labelppl fit first")
    posterior = Posterior.load(verified(run, "posterior.nc"), fitted.model, fitted.cases)
    if posterior.problems:
        say(f"warning: the fit must not be trusted: {'; '.join(posterior.problems)}")
    return posterior


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
    if data is not None and _in_batches(posterior, open_table(data, written)):
        return _label_in_batches(posterior, data, written, path, settings, say)
    cases = fitted.cases
    if data is not None:
        cases = Inputs.of_run(run, data, trust=settings.trust, delimiters=written).cases
    prevalence: Any = settings.prevalence
    if prevalence == "auto":
        prevalence = _estimated(posterior, cases, run if own else None, say)
    most: dict[str, Any] = {} if settings.draws is None else {"draws": settings.draws}
    with said_warnings(say):
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
    if settings.prevalence == "auto":
        raise InputError(
            f"--prevalence auto: {data} is labelled in batches; estimate it on a file of at most {MOST_AT_ONCE} rows, "
            "then give --prevalence CLASS=P"
        )
    most: dict[str, Any] = {} if settings.draws is None else {"draws": settings.draws}
    with said_warnings(say), bar("label", say.quiet) as progress:
        rows = label_parquet(
            posterior,
            data,
            out,
            leave_out=settings.leave_out,
            prevalence=settings.prevalence,
            progress=progress,
            delimiters=written,
            **most,
        )
    draws = settings.draws or BATCH_DRAWS
    say(f"{rows} soft labels, made in batches with {draws} draws each, in {out}")


def _estimated(
    posterior: Posterior, cases: Cases, run: Path | None, say: Teller
) -> PrevalenceEstimate:
    new = cases.take(~np.isin(cases.ids, posterior.cases.ids))
    if len(new) < FEWEST_TO_ESTIMATE:
        raise InputError(
            f"--prevalence auto: got {len(new)} cases that were not fitted, expected at least {FEWEST_TO_ESTIMATE}; "
            "give --data with new cases, or --prevalence CLASS=P"
        )
    estimate = estimate_prevalence(posterior, new, seed=posterior.seed)
    for k, name in enumerate(estimate.classes):
        say(
            f"prevalence of {name} among {len(new)} new cases: {estimate.mean[k]:.3f} "
            f"[{estimate.lo[k]:.3f}, {estimate.hi[k]:.3f}]"
        )
    if run is not None:
        record(run, estimated_prevalence=estimate.to_frame().set_index("class").to_dict("index"))
    return estimate
