"""A progress bar with images per second and the time left, on standard error."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from .curve import Epoch


class _Speed(ProgressColumn):
    """Images per second over the last moments."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} images/s")


class Bar:
    """label: what is being done. total: images to come, of which `done` were done before."""

    def __init__(self, label: str, total: int, done: int = 0) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            _Speed(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task(label, total=total, completed=done, note="")

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def advance(self, images: int) -> None:
        """So many images more."""
        self._progress.advance(self._task, images)

    def say(self, epoch: Epoch) -> None:
        """Show the last epoch's losses."""
        note = f"loss {epoch.loss:.3f}"
        if epoch.val_nll == epoch.val_nll:
            note += f", validation {epoch.val_nll:.3f}"
        self._progress.update(self._task, note=note)
