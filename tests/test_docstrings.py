"""Every public name has a docstring that says what goes in, what comes out, and shows it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import pytest

import labelppl


def public_objects() -> Iterator[tuple[str, type]]:
    """The classes and functions in `labelppl.__all__` and in the `__all__` of each room, by place."""
    rooms = [labelppl]
    rooms += [
        importlib.import_module(f"labelppl.{room.name}")
        for room in pkgutil.iter_modules(labelppl.__path__)
    ]
    for room in rooms:
        for name in getattr(room, "__all__", ()):
            thing = getattr(room, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                yield f"{room.__name__}.{name}", thing


def lacks(thing: object) -> list[str]:
    """What the docstring of a class or function should have and has not."""
    text = inspect.getdoc(thing) or ""
    try:
        signature = inspect.signature(thing)  # type: ignore[arg-type]
    except ValueError:
        signature = inspect.Signature()
    arguments = set(signature.parameters) - {"self", "args", "kwargs"}
    missing = []
    if arguments and not ("Args:" in text or "Attributes:" in text):
        missing.append("Args:")
    answers = inspect.isfunction(thing) and signature.return_annotation not in (None, "None")
    if answers and not ("Returns:" in text or "Yields:" in text):
        missing.append("Returns:")
    if ">>>" not in text:
        missing.append("Examples:")
    return missing


@pytest.mark.parametrize(("place", "thing"), [*public_objects()])
def test_a_public_name_says_what_goes_in_and_out_and_shows_it(place: str, thing: type) -> None:
    missing = lacks(thing)
    assert not missing, f"{place}: the docstring has no {', '.join(missing)}"


def test_what_a_docstring_lacks_is_seen() -> None:
    def bare(cases: int) -> int:
        """Nothing more."""
        return cases

    def silent() -> None:
        """Nothing more.

        Examples:
            >>> silent()
        """

    assert lacks(bare) == ["Args:", "Returns:", "Examples:"]
    assert lacks(silent) == []
