"""A saved student, read again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from ..calibration.in_force import InForce, read_in_force
from ..errors import InputError
from .network import build_network
from .options import StudentLike
from .prediction import Prediction
from .spec import Spec
from .student import LAPLACE, Student
from .weight_posterior import from_tensors


def load_student(
    folder: Path | str,
    name: str = "student",
    device: str | torch.device = "cpu",
    *,
    network: StudentLike | None = None,
    raw: bool = False,
) -> Student:
    """Read a saved student.

    Args:
        folder: The run folder.
        name: `student`, or `theta_p` for the weights after step 1.
        device: Where it is to predict.
        network: The module or factory that a student of the user's own was made from: its file holds weights alone.
        raw: Without what `labelppl recalibrate` put in force.

    Returns:
        The student, in evaluation mode.

    Raises:
        InputError: Files are missing or do not fit each other, or the network must be given.
    """
    source = Path(folder)
    spec = Spec.from_json(source / "student.json")
    path = source / f"{name}.safetensors"
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected the weights of a finished run")
    if spec.is_own and network is None:
        raise InputError(
            f"{source / 'student.json'}: the student is a network of your own, {spec.architecture}; give it again: "
            "--student FILE.py:NAME, or load(folder, network=...)"
        )
    try:
        made = build_network(network if spec.is_own and network else spec.architecture, spec.shape)
    except InputError as error:
        raise InputError(
            f"{source / 'student.json'}: its architecture cannot be built ({error}); distil again"
        ) from error
    try:
        state = load_file(path)
        kept = {k.removeprefix(LAPLACE): state.pop(k) for k in list(state) if k.startswith(LAPLACE)}
        made.load_state_dict(state)
        posterior = from_tensors(kept) if kept else None
    except (SafetensorError, RuntimeError, OSError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
        raise InputError(f"{path}: does not fit student.json beside it ({first})") from error
    for key, tensor in (*state.items(), *kept.items()):
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InputError(
                f"{path}: damaged, tensor '{key}' holds numbers that are not finite; distil again"
            )
    in_force = InForce() if raw or name != "student" else read_in_force(source)
    spec = spec if name == "student" else replace(spec, interval=None)
    return Student(made.to(device).eval(), spec, posterior, in_force)


def predict_files(paths: Sequence[Path | str], folder: Path | str, batch: int = 256) -> Prediction:
    """Classify image files with the student of a run folder."""
    return load_student(folder).predict([Path(p) for p in paths], batch)
