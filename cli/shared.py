"""What every command takes: ``--config --quiet --verbose --log --max-time --debug``, and what these set up."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labelppl.errors import InputError, OutOfTime

from .one_line import OneLineGroup, explain

if TYPE_CHECKING:
    from labelppl.jobs.telling import Teller

KEY, TYPED = "labelppl.shared", "labelppl.typed"
#: Seconds that a command which does not let go of the processor gets after --max-time before the process is ended.
GRACE = 10.0


class Verbs(OneLineGroup):
    """The commands, each with the shared options."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        taken = {text for parameter in cmd.params for text in parameter.opts}
        cmd.params += [option for option in _shared_options() if not taken & set(option.opts)]
        super().add_command(cmd, name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[TYPED] = tuple(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        with ctx.scope(), _limited(ctx), _logged(ctx):
            return super().invoke(ctx)


def teller() -> Teller:
    """Where the running command's lines go."""
    from labelppl.jobs.telling import Teller

    context = click.get_current_context()
    chosen: dict[str, Any] = context.meta.get(KEY, {})
    return Teller(
        echo=click.echo,
        quiet=bool(chosen.get("quiet")) or bool(context.params.get("quiet")),
        verbose=bool(chosen.get("verbose")),
        log=chosen.get("log"),
        command_line=tuple(context.meta.get(TYPED, ())),
    )


def _shared_options() -> list[click.Option]:
    def store(name: str) -> Any:
        def keep(ctx: click.Context, _: click.Parameter, value: Any) -> Any:
            ctx.meta.setdefault(KEY, {})[name] = value
            return value

        return keep

    return [
        click.Option(
            ["--config"], type=click.Path(path_type=Path), is_eager=True, expose_value=False, callback=_configure,
            help="TOML file with options of this command; the command line wins.",
        ),
        click.Option(
            ["--quiet"], is_flag=True, expose_value=False, callback=store("quiet"),
            help="Results and warnings only, no progress.",
        ),
        click.Option(
            ["--verbose"], is_flag=True, expose_value=False, callback=store("verbose"), help="Details too.",
        ),
        click.Option(
            ["--log"], type=click.Path(path_type=Path), expose_value=False, callback=_open_log,
            help="File that gets every line with its time.",
        ),
        click.Option(
            ["--max-time"], metavar="TIME", expose_value=False, callback=_start_clock,
            help="Stop after this time, e.g. 90, 30m or 8h (seconds without a unit).",
        ),
        click.Option(
            ["--debug"], is_flag=True, expose_value=False, help="Show the traceback of an error."
        ),
    ]  # fmt: skip


def _open_log(ctx: click.Context, _: click.Parameter, value: Path | None) -> Path | None:
    if value is not None:
        from labelppl.runs import check_file

        check_file(value, what="--log")
        try:
            value.open("a", encoding="utf-8").close()
        except OSError as error:
            raise InputError(
                f"{value}: cannot be written ({error.strerror}); name another file with --log"
            ) from error
    ctx.meta.setdefault(KEY, {})["log"] = value
    return value


def _configure(ctx: click.Context, _: click.Parameter, value: Path | None) -> Path | None:
    """The file's entries become the defaults of the command's options."""
    if value is None:
        return None
    known = {p.name: p for p in ctx.command.params if isinstance(p, click.Option) and p.name}
    spelt = {
        text.lstrip("-").replace("-", "_"): name for name, p in known.items() for text in p.opts
    }
    defaults: dict[str, Any] = {}
    for key, entry in _entries(read_config(value)):
        name = spelt.get(key.replace("-", "_"))
        if name is None or key == "config":
            near = get_close_matches(key.replace("-", "_"), spelt, n=1)
            hint = f"; did you mean {near[0].replace('_', '-')}?" if near else ""
            raise InputError(f"{value}: '{key}' is no option of labelppl {ctx.command.name}{hint}")
        defaults[name] = _as_typed(value, key, entry, known[name])
    ctx.default_map = {**(ctx.default_map or {}), **defaults}
    return value


def read_config(path: Path) -> Mapping[str, Any]:
    """The content of a TOML file; InputError where there is none or it is no TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); give --config FILE.toml"
        ) from error
    except ValueError as error:
        raise InputError(f"{path}: not TOML ({error}); mend the file") from error


def _entries(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Entries of the file and of its tables; the tables only group them for the reader."""
    for key, value in content.items():
        if isinstance(value, Mapping) and key not in ("prevalence", "option"):
            yield from _entries(value)
        else:
            yield key, value


def _as_typed(path: Path, key: str, entry: Any, option: click.Option) -> Any:
    """A TOML value as the command line would have given it."""
    if option.multiple:
        if isinstance(entry, Mapping):
            return tuple(f"{name}={value}" for name, value in entry.items())
        return tuple(str(value) for value in (entry if isinstance(entry, list) else [entry]))
    if isinstance(entry, list):
        return ",".join(str(value) for value in entry)
    if isinstance(entry, Mapping):
        raise InputError(f"{path}: '{key}' takes one value, got a table")
    if option.is_flag != isinstance(entry, bool):
        expected = "true or false" if option.is_flag else "a value"
        raise InputError(f"{path}: '{key}': got {entry!r}, expected {expected}")
    return entry if option.is_flag else str(entry)


def _start_clock(ctx: click.Context, _: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        ctx.meta.setdefault(KEY, {})["clock"] = _Clock(value).start()
    return value


@contextmanager
def _limited(ctx: click.Context) -> Iterator[None]:
    """Stop the clock when the command is done, whatever became of it."""
    try:
        yield
    finally:
        clock = ctx.meta.get(KEY, {}).get("clock")
        if clock is not None:
            clock.stop()


@contextmanager
def _logged(ctx: click.Context) -> Iterator[None]:
    """The log gets the line with which a command fails, too."""
    try:
        yield
    except click.exceptions.Exit:
        raise
    except BaseException as error:
        log = ctx.meta.get(KEY, {}).get("log")
        if log is not None:
            from labelppl.jobs.telling import log_line

            log_line(log, f"labelppl: {explain(error)[0]}")
        raise


class _Clock:
    """Ends the command after a time: by an exception, and where that does not get through, by ending the process."""

    def __init__(self, text: str) -> None:
        self.text, self.seconds = text, seconds_of(text)
        self._last = threading.Timer(self.seconds + GRACE, self._end)
        self._before: Any = None

    def start(self) -> _Clock:
        self._last.daemon = True
        self._last.start()
        if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
            self._before = signal.signal(signal.SIGALRM, self._raise)
            signal.setitimer(signal.ITIMER_REAL, self.seconds)
        return self

    def stop(self) -> None:
        self._last.cancel()
        if self._before is not None:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._before)

    def _line(self) -> str:
        return f"stopped after --max-time {self.text}; files that were finished are kept"

    def _raise(self, *_: object) -> None:
        raise OutOfTime(self._line())

    def _end(self) -> None:
        sys.stderr.write(f"labelppl: {self._line()}\n")
        sys.stderr.flush()
        os._exit(1)


def seconds_of(text: str) -> float:
    """``90``, ``90s``, ``30m``, ``8h`` -> seconds; InputError for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    seconds = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]] if match else 0.0
    if not 0 < seconds < 1e8:
        raise InputError(f"--max-time {text}: expected a time such as 90, 30m or 8h")
    return seconds
