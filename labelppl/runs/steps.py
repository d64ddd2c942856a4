"""One command's work in a run folder: the lock, the record of the step, the digest of every file it wrote."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .files import TEMPORARY, read_json, sha256, sweep
from .folder_lock import LOCK_FILE, lock
from .run_json import RUN_JSON, digests, record

_Files = dict[str, tuple[int, int, int]]


class Step:
    """A step at work in a run folder; `keep` writes down what it has made so far.

    ``run.json`` lists the step from the first `keep` on, so that a command which is refused before it has written
    anything leaves no trace.

    Args:
        folder: The run folder.
        command: What is at work.
        arguments: Its options by name.
        command_line: As it was typed, for `labelppl reproduce`.

    Examples:
        >>> one = Step(Path("."), "fit", {"seed": 0})
        >>> _ = Path("labels.txt").write_text("a")
        >>> one.keep()
        >>> one.holds("labels.txt")
        True
    """

    def __init__(
        self,
        folder: Path,
        command: str,
        arguments: Mapping[str, Any],
        command_line: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self._began = time.perf_counter()
        self._entry: dict[str, Any] = {
            "command": command,
            "arguments": dict(arguments),
            "command_line": list(command_line),
            "working_folder": str(Path.cwd()),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "status": "running",
            "files": {},
        }
        self._listed = False
        self._seen = _state(folder)

    def keep(self, **entries: Any) -> None:
        """Record ``entries`` and the digest of every file that is new or has changed since the last call."""
        now = _state(self.folder)
        changed = [name for name, state in now.items() if self._seen.get(name) != state]
        self._entry["files"] |= {name: sha256(self.folder / name) for name in sorted(changed)}
        self._seen = now
        self._record(entries)

    def holds(self, name: str) -> bool:
        """Whether the folder has the whole file ``name`` of this run, as a step recorded it."""
        path = self.folder / name
        stated = digests(read_json(self.folder / RUN_JSON)).get(name)
        return path.is_file() and stated is not None and sha256(path) == stated

    def end(self, status: str) -> None:
        """Say how the step ended, if it has written anything."""
        changed = _state(self.folder) != self._seen
        if self._listed or changed:
            self._entry["status"] = status
            self._entry["seconds_in_all"] = round(time.perf_counter() - self._began, 2)
            self.keep()

    def _record(self, entries: Mapping[str, Any]) -> None:
        steps = read_json(self.folder / RUN_JSON).get("steps")
        steps = list(steps) if isinstance(steps, list) else []
        steps = [*(steps[:-1] if self._listed else steps), self._entry]
        self._listed = True
        record(self.folder, steps=steps, **entries)


@contextmanager
def step(
    folder: Path,
    command: str,
    arguments: Mapping[str, Any],
    command_line: Sequence[str] = (),
) -> Iterator[Step]:
    """Keep ``folder`` to this command, sweep what a kill left there, and record what the command does.

    Args:
        folder: The run folder.
        command: What is at work.
        arguments: Its options by name.
        command_line: As it was typed, for `labelppl reproduce`.

    Yields:
        The step, whose `keep` records what it has made.

    Raises:
        InputError: Where another command has the folder.

    Examples:
        >>> with step(Path("run"), "fit", {"seed": 0}) as one:
        ...     _ = Path("run/labels.txt").write_text("a")
        ...     one.keep()
        >>> read_json(Path("run/run.json"))["steps"][0]["status"]
        'done'
    """
    with lock(folder, command):
        sweep(folder)
        work = Step(folder, command, arguments, command_line)
        try:
            yield work
        except KeyboardInterrupt:
            work.end("interrupted")
            raise
        except BaseException:
            work.end("failed")
            raise
        work.end("done")


def _state(folder: Path) -> _Files:
    """Inode, size and time of every file of the run but the record, the lock and temporary ones."""
    return {
        path.relative_to(folder).as_posix(): (s.st_ino, s.st_size, s.st_mtime_ns)
        for path in folder.rglob("*")
        if path.name not in (RUN_JSON, LOCK_FILE)
        and not TEMPORARY.fullmatch(path.name)
        and path.is_file()
        and not path.is_symlink()
        for s in [path.stat()]
    }
