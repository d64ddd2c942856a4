"""Running a Python file that the user named, and taking an object out of it: ``FILE.py:NAME``.

Only the named file is executed, and what it imports. It may import modules that lie beside it; those belong to the
file, so they are part of its digest.
"""

from __future__ import annotations

import hashlib
import importlib.util
import linecache
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from .errors import InputError, OutOfTime, one_line
from .runs import sha256

#: Files that ran in this process: resolved path -> (digest of the file, its module, the modules beside it that it used).
_modules: dict[Path, tuple[str, ModuleType, tuple[Path, ...]]] = {}


def load_object(text: str) -> Any:
    """The object that ``FILE.py:NAME`` names; the file is executed, once.

    Args:
        text: Path of a Python file, a colon, and the name of something defined in it.

    Returns:
        The object itself: a function, a class, an instance.

    Raises:
        InputError: The text has another form, there is no such file, the file fails, or it has no such name.

    Examples:
        >>> from pathlib import Path
        >>> _ = Path("mine.py").write_text("def soften(images):\\n    return images / 2\\n")
        >>> load_object("mine.py:soften")(4)
        2.0
    """
    file, colon, name = text.rpartition(":")
    if not colon or not file.endswith(".py") or not name.isidentifier():
        raise InputError(f"'{text}': expected FILE.py:NAME, e.g. mine.py:soften")
    module = run_file(Path(file))
    if not hasattr(module, name):
        own = [n for n in vars(module) if not n.startswith("_")]
        near = get_close_matches(name, own, n=1)
        hint = (
            f"; did you mean {near[0]}?"
            if near
            else f"; it defines {', '.join(own[:12]) or 'nothing'}"
        )
        raise InputError(f"{file}: defines no '{name}'{hint}")
    return getattr(module, name)


def names_object(text: str) -> bool:
    """Whether ``text`` has the form FILE.py:NAME, rather than being a name of labelppl's own."""
    file, colon, _ = text.rpartition(":")
    return bool(colon) and file.endswith(".py")


def run_file(path: Path) -> ModuleType:
    """The module that the file makes; executed once as long as its content stays the same.

    Raises InputError where there is no such file and where it fails, with the line.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such Python file")
    key, digest = path.resolve(), sha256(path)
    if key in _modules and _modules[key][0] == digest:
        return _modules[key][1]
    spec = importlib.util.spec_from_file_location(f"labelppl_file_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path}: not a Python file; expected a file ending in .py")
    module = importlib.util.module_from_spec(spec)
    with _beside(key.parent) as used:
        try:
            spec.loader.exec_module(module)
        except (KeyboardInterrupt, OutOfTime):
            raise
        except BaseException as error:
            raise failure(path, error) from error
    _modules[key] = digest, module, tuple(used)
    return module


def files_of(path: Path) -> dict[str, str]:
    """Name -> digest of the modules beside ``path`` that it used when it ran."""
    _, _, used = _modules.get(path.resolve(), ("", None, ()))
    return {file.name: sha256(file) for file in used}


def whole_digest(path: Path) -> str:
    """SHA-256 of the file and of the modules beside it that it used; without any, the file's own."""
    own = sha256(path)
    beside = files_of(path)
    if not beside:
        return own
    return hashlib.sha256("\n".join([own, *sorted(beside.values())]).encode()).hexdigest()


def failure(path: Path, error: BaseException) -> InputError:
    """What a file's own mistake looks like to its author: file, line, error, mend."""
    if isinstance(error, InputError):  # of a declaration, which does not know its own name
        text = f"{error} (in: {_source(path, error)})"
        return InputError(f"{path}{line_in(path, error)}: {one_line(text)}")
    if isinstance(error, SystemExit):
        text = f"it ends the program (sys.exit({'' if error.code is None else error.code}))"
    else:
        text = f"{type(error).__name__}: {error}"
    return InputError(f"{path}{line_in(path, error)}: {one_line(text)}; mend the file")


def line_in(path: Path, error: BaseException) -> str:
    """The deepest line of the file on the error's way, as ', line 12'."""
    number = _line_number(path, error)
    return f", line {number}" if number else ""


def _source(path: Path, error: BaseException) -> str:
    """The text of that line, as the file is now."""
    linecache.checkcache(str(path))
    return linecache.getline(str(path), _line_number(path, error) or 0).strip()[:120]


def _line_number(path: Path, error: BaseException) -> int | None:
    if isinstance(error, SyntaxError) and error.lineno:
        return error.lineno
    line, step = None, error.__traceback__
    while step is not None:
        if Path(step.tb_frame.f_code.co_filename).resolve() == path.resolve():
            line = step.tb_lineno
        step = step.tb_next
    return line


@contextmanager
def _beside(folder: Path) -> Iterator[list[Path]]:
    """Let the block import modules of ``folder``; they are forgotten afterwards, so that another file's stay apart.

    The folder comes last: a neighbour called ``random.py`` takes no library's place. A file that changes the working
    folder does so for itself alone, since the paths of the command line are relative to the user's.
    """
    here = Path.cwd()
    before, used = set(sys.modules), list[Path]()
    writes_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.append(str(folder))
    try:
        yield used
    finally:
        os.chdir(here)
        sys.dont_write_bytecode = writes_bytecode
        if str(folder) in sys.path:  # unless the file took it away
            sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and Path(file).resolve().is_relative_to(folder):
                used.append(Path(file).resolve())
                del sys.modules[name]
        used.sort()
