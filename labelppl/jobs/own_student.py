"""The network behind a student of the user's own: its run folder holds weights alone, and FILE.py:NAME the code."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from ..python_files import load_object, names_object
from ..runs import read_run_json, refuse_stranger, sha256, verify
from ..students.options import StudentLike
from ..students.spec import OWN, Spec


def own_network(run: Path, stated: str | None, *, trust: bool = False) -> StudentLike | None:
    """The module or factory of the run's student; None where labelppl knows the network by name.

    Args:
        run: The run folder.
        stated: FILE.py:NAME as given now; None takes the file that the run names, if this user made the run and the file
            is the same as then.
        trust: Whether a run that another user made may have its file executed.

    Raises:
        InputError: The file is gone or has changed, or the folder is a stranger's.
    """
    spec = Spec.from_json(verify(run, "student.json"))
    if not spec.is_own:
        if stated is not None:
            raise InputError(
                f"--student {stated}: the run's student is {spec.architecture}; leave --student out"
            )
        return None
    if stated is not None:
        own: StudentLike = load_object(stated)
        return own
    place = spec.architecture.removeprefix(OWN)
    if not names_object(place):
        return None
    file = Path(place.rpartition(":")[0])
    if not trust:
        refuse_stranger(run, read_run_json(run).content, file)
    before = spec.training.get("identity", {}).get("student", {}).get("file")
    if not file.is_file() or sha256(file) != before:
        state = "has changed" if file.is_file() else "is gone"
        raise InputError(
            f"{file}: {state} since the run in {run} was made; give the student's network: --student FILE.py:NAME"
        )
    network: StudentLike = load_object(place)
    return network
