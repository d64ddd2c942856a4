"""Running the expert's Pyro function forward: one stream of random numbers, float64, errors as a sentence about the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyro

from ..errors import InputError, OutOfTime
from ..python_files import line_in
from ..seeds import Stream
from .precision import float64_defaults

if TYPE_CHECKING:
    from .declare import LabelModel


@contextmanager
def forward(model: LabelModel, stream: Stream, *, validate: bool = False) -> Iterator[None]:
    """Inside the block the model's draws follow ``stream``; torch's own generators go on afterwards as they stood.

    validate: with Pyro's own checks of parameters and shapes. An error of the model becomes an InputError that names
    file and line.
    """
    with stream.torch_default(), pyro.validation_enabled(validate), float64_defaults():
        try:
            yield
        except InputError as error:  # to which Pyro may have added the shapes of the sites so far
            raise (error.__cause__ if isinstance(error.__cause__, InputError) else error) from None
        except (KeyboardInterrupt, OutOfTime):
            raise
        except BaseException as error:
            raise as_model_error(model, error) from error


def as_model_error(model: LabelModel, error: BaseException) -> InputError:
    """The error of a run of the expert's function, as one sentence about their file and line."""
    source = Path(model.fn.__code__.co_filename)
    text = " ".join(
        str(error).partition("Trace Shapes:")[0].split()
    )  # which Pyro adds for its authors
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    mend = "mend the model file"
    if isinstance(error, SystemExit):
        what, mend = (
            f"the model function ends Python (exit status {error.code})",
            "remove the call of exit",
        )
    return InputError(f"{source.name}{line_in(source, error)}: {what}; {mend}")
