"""``fit`` and ``label``: a posterior, and soft labels from one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import FailedWork, InputError
from ..posterior import Posterior, fit
from ..runs import record
from ..softlabels import label_parquet, parquet_rows, soft_labels
from ..softlabels.deployment import estimate_prevalence
from ..table import Cases
from .inputs import Inputs
from .telling import Say, bar, fit_line, fit_record, in_force, in_words, said_warnings

FEWEST_TO_ESTIMATE = 10
#: Rows of a Parquet file that are labelled with all draws; longer ones in batches, with 200 draws, at a twentieth of the time.
MOST_AT_ONCE = 100_000


def fit_job(
    inputs: Inputs, folder: Path, *, engine: str, seed: int, quiet: bool, say: Say
) -> Posterior:
    """Fit, write ``posterior.nc``, say how it went. Raises FailedWork, after writing, if the fit fails its checks."""
    with bar("fit", quiet) as progress:
        posterior = fit(inputs.model, inputs.training, engine=engine, seed=seed, progress=progress)
    inputs.record(folder, "fit", {"engine": engine})
    posterior.save(folder / "posterior.nc")
    record(folder, fit=fit_record(posterior))
    say(fit_line(posterior))
    if posterior.problems:
        raise FailedWork(f"the fit must not be trusted: {'; '.join(posterior.problems)}")
    say(f"posterior in {folder / 'posterior.nc'}")
    return posterior


def label_job(
    run: Path,
    data: Path | None,
    out: Path | None,
    *,
    leave_out: str,
    prevalence: Mapping[str, float] | Literal["auto"] | None,
    say: Say,
) -> None:
    """Soft labels of the run's cases, or of those in ``data``, written as Parquet.

    prevalence ``auto``: estimated from the measurements of the cases that were not fitted. A long Parquet file is
    labelled in batches.
    """
    fitted = Inputs.of_run(run)
    posterior = Posterior.load(_existing(run / "posterior.nc"), fitted.model, fitted.cases)
    if data is not None and data.suffix == ".parquet" and parquet_rows(data) > MOST_AT_ONCE:
        return _label_in_batches(
            posterior, data, out or run / "labels.parquet", leave_out, prevalence, say
        )
    inputs = fitted if data is None else Inputs.of_run(run, data)
    if prevalence == "auto":
        prevalence = _estimated(posterior, inputs.cases, run, say)
    with said_warnings(say):
        labels = soft_labels(posterior, inputs.cases, leave_out=leave_out, prevalence=prevalence)  # type: ignore[arg-type]
    path = out or run / "labels.parquet"
    labels.save(path)
    if out is None:
        record(run, label={"leave_out": leave_out, "prevalence": in_force(labels)})
    say(f"{len(labels)} soft labels at {in_words(labels)} in {path}")


def _label_in_batches(
    posterior: Posterior,
    data: Path,
    out: Path,
    leave_out: str,
    prevalence: Mapping[str, float] | Literal["auto"] | None,
    say: Say,
) -> None:
    """As `label_job`, in the memory of one batch; ``run.json`` keeps what it says of the run's own labels."""
    if prevalence == "auto":
        raise InputError(
            f"--prevalence auto: {data} is labelled in batches; estimate it on a file of at most {MOST_AT_ONCE} rows, "
            "then give --prevalence CLASS=P"
        )
    with said_warnings(say), bar("label", quiet=False) as progress:
        rows = label_parquet(
            posterior,
            data,
            out,
            leave_out=leave_out,  # type: ignore[arg-type]
            prevalence=prevalence,
            progress=progress,
        )
    say(f"{rows} soft labels, made in batches, in {out}")


def _estimated(posterior: Posterior, cases: Cases, run: Path, say: Say) -> dict[str, float]:
    new = cases.take(~np.isin(cases.ids, posterior.cases.ids))
    if len(new) < FEWEST_TO_ESTIMATE:
        raise InputError(
            f"--prevalence auto: got {len(new)} cases that were not fitted, expected at least {FEWEST_TO_ESTIMATE}; "
            "give --data with new cases, or --prevalence CLASS=P"
        )
    found = estimate_prevalence(posterior, new, seed=posterior.seed)
    for k, name in enumerate(found.classes):
        say(
            f"prevalence of {name} among {len(new)} new cases: {found.mean[k]:.3f} [{found.lo[k]:.3f}, {found.hi[k]:.3f}]"
        )
    record(run, estimated_prevalence=found.to_frame().set_index("class").to_dict("index"))
    return found.as_mapping()


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path}: no such file; run labelppl fit first")
    return path
