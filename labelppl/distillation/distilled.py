"""`Distilled`: what `distill` returns, and its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..arrays import Floats
from ..errors import InputError
from ..students.load import load_student
from ..students.options import StudentLike
from ..students.student import ImagesLike, Student
from ..training.curve import Epoch, read_curve, save_curve
from .lam import LamChoice


@dataclass(frozen=True, eq=False)
class Distilled:
    """A student with its history.

    Attributes:
        student: After step 2.
        theta_p: After step 1; the same where there was no step 2.
        history: The learning curve of both steps, one row per epoch.
        choice: How lambda was chosen, None where it was a number.
        notes: What the user should know, one sentence each.

    Examples:
        >>> from labelppl.phantoms import simulate
        >>> folder = simulate("glaucoma", "glaucoma", cases=24, size=32)
        >>> model = load_model(folder / "glaucoma.py")
        >>> cases = read_cases(folder / "glaucoma.csv", model)
        >>> labels = soft_labels(fit(model, cases, seed=0))
        >>> done = distill(labels, cases, schedule=Schedule(epochs=1), lam=1.0, device="cpu")
        >>> [(epoch.step, epoch.epoch) for epoch in done.history]
        [('step 1', 0), ('step 2', 0)]
        >>> done.save("run")
        >>> Distilled.load("run").student.classes
        ('normal', 'suspect')
    """

    student: Student
    theta_p: Student
    history: tuple[Epoch, ...]
    choice: LamChoice | None
    notes: tuple[str, ...]

    def predict_proba(self, images: ImagesLike, batch: int = 256) -> Floats:
        """p(Y|X), (cases, classes)."""
        return self.student.predict_proba(images, batch)

    def to_frame(self) -> pd.DataFrame:
        """The learning curve: one row per epoch, the columns of curve.csv."""
        return pd.DataFrame(self.history, columns=list(Epoch._fields))

    def save(self, folder: Path | str) -> None:
        """Write student.safetensors, theta_p.safetensors, student.json, curve.csv and curve.png."""
        target = Path(folder)
        self.theta_p.save(target, "theta_p")
        self.student.save(target)
        save_curve(self.history, target)

    @classmethod
    def load(cls, folder: Path | str, *, network: StudentLike | None = None) -> Distilled:
        """Read what `save` wrote.

        Args:
            folder: The run folder.
            network: The module or factory, where the student is a network of the user's own.

        Raises:
            InputError: A file is missing or damaged.
        """
        source = Path(folder)
        student = load_student(source, network=network)
        training = student.spec.training
        try:
            choice = LamChoice.of_record(training["lam"]) if "grid" in training["lam"] else None
            notes = tuple(training["notes"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{source / 'student.json'}: damaged entry 'training' ({error})"
            ) from error
        theta_p = load_student(source, "theta_p", network=network)
        return cls(student, theta_p, read_curve(source), choice, notes)
