"""Commands that end in one line, whatever went wrong.

Exit status 2: bad usage or bad input. 1: the work failed (an unconverged fit, a full disk, no memory, ``--max-time``).
130: interrupted. ``--debug`` shows the traceback instead.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from labelppl.errors import FailedWork, InputError, LeaderFailed, OutOfTime, one_line

#: The disk, a quota or a limit on the size of files is used up.
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
INTERRUPTED = 130
#: What click 8.2 and newer raise where a command without arguments shows its help.
HELP_INSTEAD: type[click.ClickException] | tuple[()] = getattr(
    click.exceptions, "NoArgsIsHelpError", ()
)


class OneLine(click.Command):
    """A command whose errors are one line, with an option ``debug`` that shows the traceback."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            outcome = super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.exceptions.Exit as done:
            sys.exit(done.exit_code)
        except LeaderFailed:
            sys.exit(1)
        except BaseException as error:
            if _debug(args) and not isinstance(error, click.ClickException):
                raise
            if isinstance(error, HELP_INSTEAD):
                error.show()
                sys.exit(error.exit_code)
            line, status = explain(error)
            click.echo(f"labelppl: {line}", err=True)
            sys.exit(status)
        # Without standalone mode click hands --help and --version back as their exit status.
        sys.exit(outcome if isinstance(outcome, int) else 0)


class OneLineGroup(OneLine, click.Group):
    """The same for all commands of a group."""


def explain(error: BaseException) -> tuple[str, int]:
    """The line and the exit status for an error of any kind."""
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "labelppl"
        return one_line(f"{error.format_message().rstrip('.')}; see {command} --help"), 2
    if isinstance(error, click.ClickException):
        return one_line(error.format_message()), error.exit_code
    if isinstance(error, InputError):
        return str(error), 2
    if isinstance(error, FailedWork | OutOfTime):
        return str(error), 1
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return "interrupted; files that were finished are kept", INTERRUPTED
    if isinstance(
        error, SystemExit
    ):  # click itself leaves by Exit, so this is a user's file or a library
        return f"something called sys.exit({error.code}){_where(error)}; remove the call", 2
    if isinstance(error, MemoryError) or _no_memory(error):
        return one_line(
            f"not enough memory ({_first(error)}); use fewer cases, smaller images or another machine"
        ), 1
    if isinstance(error, OSError):
        return _system(error)
    return _defect(error), 1


def _system(error: OSError) -> tuple[str, int]:
    where = f"{error.filename}: " if error.filename is not None else ""
    what = error.strerror or _first(error)
    if error.errno in FULL:
        return one_line(f"{where}cannot be written ({what}); make room, or name another place"), 1
    return one_line(f"{where}{what}; name a path that exists and that you may use"), 1


def _no_memory(error: BaseException) -> bool:
    """PyTorch has its own words for a lack of memory, on the CPU and on a GPU."""
    text = str(error)
    return type(error).__name__ == "OutOfMemoryError" or (
        isinstance(error, RuntimeError)
        and ("can't allocate memory" in text or "DefaultCPUAllocator" in text)
    )


def _defect(error: BaseException) -> str:
    """An error that nobody foresaw: what it is and where, so that it can be reported."""
    return one_line(
        f"a defect of labelppl or of a library it uses: {type(error).__name__}: {_first(error)}{_where(error)}; --debug shows the "
        "traceback, please report it"
    )


def _where(error: BaseException) -> str:
    """File and line where it happened, as ' at density.py, line 12'."""
    step = error.__traceback__
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return (
        f" at {Path(step.tb_frame.f_code.co_filename).name}, line {step.tb_lineno}" if step else ""
    )


def _first(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _debug(args: Sequence[str] | None) -> bool:
    return "--debug" in (sys.argv[1:] if args is None else args)
