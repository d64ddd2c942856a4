"""``fit`` and ``label``: a posterior, and soft labels from one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np

from ..errors import FailedWork, InputError
from ..posterior import Posterior, fit
from ..runs import record
from ..softlabels import SoftLabels, soft_labels
from ..softlabels.deployment import estimate_prevalence
from ..table import Cases
from .source import Source
from .telling import Say, bar, fit_line, fit_record, in_force, in_words, said_warnings

FEWEST_TO_ESTIMATE = 10


def fit_job(
    source: Source, folder: Path, *, method: str, seed: int, quiet: bool, say: Say
) -> Posterior:
    """Fit, write ``posterior.nc``, say how it went. Raises FailedWork, after writing, if the fit fails its checks."""
    with bar("fit", quiet) as progress:
        posterior = fit(source.model, source.training, method=method, seed=seed, progress=progress)  # type: ignore[arg-type]
    source.record(folder, "fit", {"method": method})
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
    targets: str,
    prevalence: Mapping[str, float] | Literal["auto"] | None,
    say: Say,
) -> SoftLabels:
    """Soft labels of the run's cases, or of those in ``data``, written as Parquet.

    prevalence ``auto``: estimated from the measurements of the cases that were not fitted.
    """
    source = Source.of_run(run, data)
    posterior = Posterior.load(
        _existing(run / "posterior.nc"), source.model, Source.of_run(run).cases
    )
    if posterior.problems:
        say(f"warning: the fit must not be trusted: {'; '.join(posterior.problems)}")
    if prevalence == "auto":
        prevalence = _estimated(posterior, source.cases, run, say)
    with said_warnings(say):
        labels = soft_labels(posterior, source.cases, targets=targets, prevalence=prevalence)  # type: ignore[arg-type]
    path = out or run / "labels.parquet"
    labels.save(path)
    if out is None:
        record(run, label={"targets": targets, "prevalence": in_force(labels)})
    say(f"{len(labels)} soft labels at {in_words(labels)} in {path}")
    return labels


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
