"""How large a study is run: the options that all three studies share, and the students that they name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import torch

from labelppl.students.options import StudentLike, StudentOptions
from labelppl.training.schedule import Schedule, default_schedule

from .small_student import small


@dataclass(frozen=True)
class Form:
    """How large a study is run.

    student: a name of labelppl, or `small`. size: side of the images in pixels. effort: times the usual number of epochs.
    seeds: how many. test: test cases at most. share: of the paper's training cases. name: `quick`, `paper`, or `own`, the paper's
    form with something changed.
    """

    student: str
    size: int
    effort: float
    seeds: int
    test: int
    share: float = 1.0
    device: str = "auto"
    name: str = "paper"

    def network(self, name: str | None = None) -> StudentLike:
        """The student's name, or the function that builds it."""
        name = name or self.student
        return small if name == "small" else name

    def options(self, **others: Any) -> StudentOptions:
        """The student with the size of its images."""
        return StudentOptions(self.network(), image_size=(self.size, self.size), **others)

    def schedule(self, cases: int) -> Schedule:
        """The usual schedule for so many training cases, at this effort."""
        usual = default_schedule(cases)
        return replace(usual, epochs=max(1, round(usual.epochs * self.effort)))

    def of(self, cases: int) -> int:
        """So many of the paper's training cases are used."""
        return max(20, round(cases * self.share))


def sized(quick: Form, paper: Form) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Options --out, --quick and one for each field of `Form`; the command gets `out` and `form`."""

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        def main(out: Path, quick_form: bool, threads: int, **changed: Any) -> None:
            torch.set_num_threads(threads)
            base = replace(quick, name="quick") if quick_form else paper
            own = {name: value for name, value in changed.items() if name in Form.__annotations__}
            stated = {name: value for name, value in own.items() if value is not None}
            name = base.name if quick_form or not stated else "own"
            form = replace(base, **stated, name=name)
            others = {name: value for name, value in changed.items() if name not in own}
            command(out=out, form=form, **others)

        main.__doc__ = command.__doc__
        for option in (
            click.option("--device", help="cpu, cuda or auto."),
            click.option("--share", type=float, help="Of the paper's training cases."),
            click.option("--test", type=int, help="Simulated test cases."),
            click.option("--seeds", type=int, help="How many."),
            click.option("--effort", type=float, help="Times the usual epochs."),
            click.option("--size", type=int, help="Side of the images in pixels."),
            click.option("--student", help="cnn, small, timm:NAME."),
            click.option("--threads", default=1, show_default=True, help="Of torch."),
            click.option("--quick", "quick_form", is_flag=True, help="Minutes instead of hours."),
            click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder."),
        ):
            main = option(main)
        return main

    return with_options
