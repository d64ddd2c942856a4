"""What labelppl says when it stops: bad input (exit status 2) and failed work (exit status 1)."""

from __future__ import annotations

import unicodedata

#: Unicode categories of characters that a terminal obeys or hides: control, format, surrogate.
INVISIBLE = ("Cc", "Cf", "Cs")


class InputError(ValueError):
    """The user's model file, table, image or argument is not usable.

    The message is one line: where (column, row), what was got, what was expected, how to mend it.
    The command line prints it and exits with status 2.

    Args:
        message: The line; characters that a terminal would obey are shown, not sent.

    Examples:
        >>> try:
        ...     Label("one")
        ... except InputError as error:
        ...     print(str(error)[:46])
        Label: got ('one',), expected at least 2 names
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


class FailedWork(RuntimeError):  # noqa: N818 - a stated outcome of the work, not a defect
    """The work was done but its result must not be used, e.g. a fit that did not converge.

    The command line prints it and exits with status 1.

    Args:
        message: The line, beginning with the cause.

    Examples:
        >>> str(FailedWork("step 1: the loss is nan in epoch 3; lower the learning rate"))
        'step 1: the loss is nan in epoch 3; lower the learning rate'
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


class LeaderFailed(BaseException):
    """The first of several processes has failed and says why; the others end without a word. No `Exception`, as below."""


class OutOfTime(BaseException):
    """The time that ``--max-time`` allows is over; no `Exception`, so that a model file cannot catch it by accident."""


def one_line(text: str) -> str:
    """``text`` as one line that a terminal shows as it is: what a user's cell holds cannot break or colour it.

    Line breaks become spaces; other control characters and those that change the direction of writing are shown as
    Python writes them.

    Examples:
        >>> one_line("row 3: got 'a\\nb'")
        "row 3: got 'a b'"
    """
    return visible(" ".join(part.strip() for part in text.splitlines() if part.strip()))


def visible(text: str) -> str:
    """``text`` with every character that a terminal obeys or hides shown as Python writes it."""
    return "".join(c if unicodedata.category(c) not in INVISIBLE else ascii(c)[1:-1] for c in text)
