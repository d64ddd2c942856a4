"""``fit``: from a label model and a table to ``posterior.nc``; and finding a fit that is there."""

from __future__ import annotations

from pathlib import Path

from ..errors import FailedWork, InputError
from ..posterior import Posterior
from ..runs import Step, check_folder, read_json, read_run_json, step, verify
from .engines import describe_engine, read_engine
from .fit_and_tell import fit_and_tell
from .inputs import Inputs, matches
from .telling import (
    Teller,
    fit_line,
    fit_record,
    why_refused,
)

#: What is made from a posterior, by the command that makes it; a new fit makes the first of no use.
FROM_A_FIT = {
    "label": ("labels.parquet", "explain.parquet"),
    "distill": ("student.json", "student.safetensors"),
}


def fit_job(inputs: Inputs, folder: Path, *, engine: str, seed: int, say: Teller) -> Posterior:
    """Fit, write ``posterior.nc``, say how it went. Raises FailedWork, after writing, if the fit fails its checks."""
    check_folder(folder)
    read_engine(engine)
    arguments = {"engine": describe_engine(engine), "group": inputs.group, "seed": seed}
    with step(folder, "fit", arguments, say.command_line) as work:
        return fit_into(inputs, folder, engine, seed, work, say)


def fit_into(
    inputs: Inputs, folder: Path, engine: str, seed: int, work: Step, say: Teller
) -> Posterior:
    stale = _stale(inputs, folder, engine)
    told = fit_and_tell(inputs.model, inputs.training, engine=engine, seed=seed, say=say)
    posterior = told.posterior
    for name in stale:
        (folder / name).unlink()
        say(f"note: {folder / name} was made from another fit and is removed; run labelppl label")
    posterior.save(folder / "posterior.nc")
    work.keep(
        **inputs.entries("fit", {"engine": describe_engine(engine)}),
        fit=fit_record(posterior, told.findings),
    )
    say.stage(fit_line(posterior))
    if posterior.problems:
        raise FailedWork(why_refused(posterior))
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
    if made.arguments.get("engine") != describe_engine(engine) or matches(made, inputs):
        return False
    verify(folder, "posterior.nc")
    return True


def load_posterior(run: Path, fitted: Inputs, say: Teller) -> Posterior:
    """The run's posterior, whole and still fitting its model and table."""
    if not (run / "posterior.nc").is_file():
        raise InputError(f"{run / 'posterior.nc'}: no such file; run labelppl fit first")
    posterior = Posterior.load(verify(run, "posterior.nc"), fitted.model, fitted.cases)
    if posterior.problems:
        say(f"warning: the fit must not be trusted: {'; '.join(posterior.problems)}")
    return posterior
