"""Whether a folder can take a run of ``distill``: it is new, holds the matching fit, or is to be resumed."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from ..runs import read_run_json
from ..runs.files import TEMPORARY
from ..runs.folder_lock import LOCK_FILE
from .check import OF_A_CHECK
from .distill_settings import DistillSettings
from .fit import fit_in
from .inputs import Inputs, matches

#: What a folder may hold beside a fit, for ``distill`` to go on from it.
OF_A_FIT = ("labels.parquet", "explain.parquet", "report.html", "audit.csv", *OF_A_CHECK)


def refuse_used(inputs: Inputs, folder: Path, settings: DistillSettings) -> None:
    """A folder is new, holds the matching fit or nothing but a check, or is to be resumed."""
    resume, begun = settings.resume, {"run.json", "posterior.nc", *OF_A_FIT}
    files = (
        {path.name for path in folder.iterdir() if not _hidden(path)} if folder.is_dir() else set()
    )
    if files <= {"run.json", *OF_A_CHECK} and not resume:
        return
    if files and not resume:
        if inputs.labels is None and files <= begun and fit_in(folder, inputs, settings.engine):
            return
        raise InputError(
            f"{folder}: holds a run already; --resume continues it, --run DIR starts another"
        )
    if resume and not (folder / "run.json").is_file():
        raise InputError(f"{folder}: nothing to resume; leave --resume out")


def _hidden(path: Path) -> bool:
    """The lock, and what a killed command was still writing."""
    return path.name == LOCK_FILE or TEMPORARY.fullmatch(path.name) is not None


def refuse_other_inputs(folder: Path, inputs: Inputs) -> None:
    """A run continues only with the model file and the table it was started with."""
    difference = matches(read_run_json(folder), inputs)
    if difference:
        raise InputError(f"{folder}: was started with {difference}; --run DIR starts another run")
