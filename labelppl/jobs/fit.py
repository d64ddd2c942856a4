"""``fit`` and ``label``: a posterior, and soft labels from one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import FailedWork, InputError
from ..posterior import Posterior, fit
from ..runs import record
from ..softlabels import SoftLabels, soft_labels
from .source import Source
from .telling import Say, bar, fit_line, fit_record, in_force, in_words, said_warnings


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
    prevalence: Mapping[str, float] | None,
    say: Say,
) -> SoftLabels:
    """Soft labels of the run's cases, or of those in ``data``, written as Parquet."""
    source = Source.of_run(run, data)
    posterior = Posterior.load(
        _existing(run / "posterior.nc"), source.model, Source.of_run(run).cases
    )
    if posterior.problems:
        say(f"warning: the fit must not be trusted: {'; '.join(posterior.problems)}")
    with said_warnings(say):
        labels = soft_labels(posterior, source.cases, targets=targets, prevalence=prevalence)  # type: ignore[arg-type]
    path = out or run / "labels.parquet"
    labels.save(path)
    if out is None:
        record(run, label={"targets": targets, "prevalence": in_force(labels)})
    say(f"{len(labels)} soft labels at {in_words(labels)} in {path}")
    return labels


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path}: no such file; run labelppl fit first")
    return path
