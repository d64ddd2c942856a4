"""``run.json``: what a run is made from, each step with its arguments, and the digest of every file it wrote."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..errors import InputError
from .files import read_json, sha256, write_json
from .signature import sign

RUN_JSON = "run.json"
RECORDED = (
    "labelppl",
    "torch",
    "pyro-ppl",
    "numpy",
    "pandas",
    "arviz",
    "scikit-learn",
    "kornia",
    "lightning-fabric",
)


@dataclass(frozen=True)
class RunRecord:
    """What ``run.json`` says of the run's source, each entry checked.

    Args:
        command: What made the run.
        arguments: Its options by name.
        model: Path of the model file, as written.
        model_sha256: Its digest.
        model_options: Options of a model of the zoo.
        data: Path of the table, as written.
        data_sha256: Its digest.
        beside: Digests of the tables beside it that hold what raters said, by the names of their files.
        classes: Of the label, in the order of all probabilities.
        raters: Feature -> raters, in the order of its parameters.
        label_name: The label's column.
        group: The column of patients, or "".
        seed: Of everything random.
        split: The shares of test and validation cases, where the table does not say.
        content: Everything, for the signature and the steps.

    Examples:
        >>> RunRecord.__dataclass_fields__["seed"].type
        'int'
    """

    command: str
    arguments: Mapping[str, Any]
    model: Path
    model_sha256: str
    model_options: Mapping[str, Any]
    data: Path
    data_sha256: str
    beside: Mapping[str, str]
    classes: tuple[str, ...]
    raters: Mapping[str, tuple[str, ...]]
    label_name: str
    group: str
    seed: int
    split: Mapping[str, float]
    content: Mapping[str, Any]


def record(folder: Path, **entries: Any) -> None:
    """Add ``entries`` to the folder's ``run.json`` and sign it.

    Args:
        folder: The run folder.
        **entries: What to record; a mapping is merged into the mapping that is there.

    Examples:
        >>> record(Path("."), seconds={"fit": 1.5})
        >>> record(Path("."), seconds={"label": 0.5})
        >>> read_json(Path("run.json"))["seconds"]
        {'fit': 1.5, 'label': 0.5}
    """
    run = read_json(folder / RUN_JSON)
    for name, value in entries.items():
        known = run.get(name)
        run[name] = (
            {**known, **value} if isinstance(known, dict) and isinstance(value, Mapping) else value
        )
    write_json(folder / RUN_JSON, sign(run))


def read_run_json(folder: Path) -> RunRecord:
    """Read the record of the run in ``folder``.

    Args:
        folder: The run folder.

    Returns:
        The record, checked.

    Raises:
        InputError: Where there is none, and for the first entry that is not what a run writes.

    Examples:
        >>> read_run_json(Path("no-such-run"))
        Traceback (most recent call last):
        ...
        labelppl.errors.InputError: no-such-run: no run.json; ...
    """
    path = folder / RUN_JSON
    content = read_json(path)
    if not content and not path.is_file():
        raise InputError(
            f"{folder}: no run.json; expected the folder of a run; make one with labelppl fit or distill"
        )
    entry = _Entries(path, content)
    return RunRecord(
        command=entry("command", _text),
        arguments=entry("arguments", _mapping),
        model=Path(entry("model.path", _text)),
        model_sha256=entry("model.sha256", _digest),
        model_options=entry("model.options", _mapping),
        data=Path(entry("data.path", _text)),
        data_sha256=entry("data.sha256", _digest),
        beside=entry("data.beside", _files),
        classes=tuple(entry("classes", _names)),
        raters={k: tuple(v) for k, v in entry("raters", _raters).items()},
        label_name=entry("label_name", _text),
        group=entry("arguments.group", _text),
        seed=entry("seed", _seed),
        split=entry("split", _shares),
        content=content,
    )


def digests(content: Mapping[str, Any]) -> dict[str, str]:
    """Name -> digest of every file as the last step that wrote it left it."""
    steps = content.get("steps") or []
    files: dict[str, str] = {}
    for one in steps if isinstance(steps, list) else []:
        if isinstance(one, dict) and isinstance(one.get("files"), dict):
            files |= {str(name): str(value) for name, value in one["files"].items()}
    return files


def verify(folder: Path, name: str) -> Path:
    """The path of a file of the run, whose digest is the one that ``run.json`` has for it, if it has one.

    Args:
        folder: The run folder.
        name: The file's name.

    Returns:
        ``folder / name``; whether the file exists is not asked.

    Raises:
        InputError: For a link that leads out of the folder, and for a file that is not what a step wrote.

    Examples:
        >>> verify(Path("run"), "labels.parquet").name
        'labels.parquet'
    """
    path = folder / name
    if path.exists() and not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{path}: leads out of the run folder; put the file itself there")
    stated = digests(read_json(folder / RUN_JSON)).get(name)
    if stated is not None and path.is_file() and sha256(path) != stated:
        raise InputError(
            f"{path}: damaged, or not the file that the run wrote (run.json has another SHA-256); make it again with "
            "the command that wrote it"
        )
    return path


def versions() -> dict[str, str]:
    """The versions that decide the result.

    Returns:
        Package -> version.

    Examples:
        >>> "labelppl" in versions()
        True
    """
    numbers = {"python": platform.python_version(), "platform": sys.platform}
    for name in RECORDED:
        try:
            numbers[name] = version(name)
        except PackageNotFoundError:
            continue
    return numbers


class _Entries:
    """Entries of a JSON object by dotted name, each with its check."""

    def __init__(self, path: Path, content: Mapping[str, Any]) -> None:
        self.path, self.content = path, content

    def __call__(self, name: str, check: Callable[[Any], str]) -> Any:
        value: Any = self.content
        for part in name.split("."):
            if not isinstance(value, Mapping) or part not in value:
                raise InputError(
                    f"{self.path}: damaged, entry '{name}' is missing; run labelppl fit or distill again"
                )
            value = value[part]
        expected = check(value)
        if expected:
            raise InputError(
                f"{self.path}: damaged, entry '{name}': got {str(value)[:80]!r}, expected {expected}; run labelppl "
                "fit or distill again"
            )
        return value


def _text(value: Any) -> str:
    return "" if isinstance(value, str) and value else "text"


def _digest(value: Any) -> str:
    right = isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")
    return "" if right else "64 hexadecimal digits"


def _files(value: Any) -> str:
    right = isinstance(value, dict) and all(
        Path(name).name == name and not _digest(digest) for name, digest in value.items()
    )
    return "" if right else "digests by the names of files"


def _mapping(value: Any) -> str:
    return "" if isinstance(value, dict) else "an object of names and values"


def _names(value: Any) -> str:
    right = isinstance(value, list) and all(isinstance(name, str) for name in value)
    return (
        ""
        if right and len(set(value)) == len(value) > 1
        else "a list of two or more different class names"
    )


def _raters(value: Any) -> str:
    right = isinstance(value, dict) and all(
        isinstance(v, list) and all(isinstance(name, str) for name in v) for v in value.values()
    )
    return "" if right else "lists of rater names by feature"


def _shares(value: Any) -> str:
    right = (
        isinstance(value, dict)
        and set(value) == {"test_share", "validation"}
        and all(isinstance(share, float | int) and 0 <= share < 1 for share in value.values())
    )
    return "" if right else "the shares test_share and validation"


def _seed(value: Any) -> str:
    right = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return "" if right else "a whole number of 0 or more"
