"""What labelppl says when it stops: bad input (exit status 2) and failed work (exit status 1)."""

from __future__ import annotations


class InputError(ValueError):
    """The user's model file, table, image or argument is not usable.

    The message is one line: where (column, row), what was got, what was expected, how to mend it.
    The command line prints it and exits with status 2.
    """


class FailedWork(RuntimeError):  # noqa: N818 - a stated outcome of the work, not a defect
    """The work was done but its result must not be used, e.g. a fit that did not converge.

    The command line prints it and exits with status 1.
    """
