"""The engine that ``--engine`` names: one of labelppl's, or ``FILE.py:NAME``."""

from __future__ import annotations

from typing import Any, cast

from ..errors import InputError
from ..inference.base import Engine
from ..inference.engines import check_name
from ..python_files import load_object, names_object
from ..records import describe


def describe_engine(text: str) -> Any:
    """What tells the engine from others: its name, or the record of the user's own function with its file's digest."""
    engine = read_engine(text)
    return engine if isinstance(engine, str) else describe(engine)


def read_engine(text: str) -> str | Engine:
    """The name of an engine that exists, or the user's own function; InputError for anything else."""
    if not names_object(text):
        return check_name(text)
    own = load_object(text)
    if not callable(own):
        raise InputError(
            f"--engine {text}: got {type(own).__name__}, expected a function (density, seed=, progress=) -> Draws"
        )
    return cast(Engine, own)
