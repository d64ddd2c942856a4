"""Finding a label model: by path (``hip.py``) or by zoo name (``hip``), and its table by the same stem."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ..errors import InputError
from ..python_files import run_file
from ..zoo import zoo
from .declare import LabelModel

TABLE_SUFFIXES = (".csv", ".parquet")


def load_model(name: str | Path) -> LabelModel:
    """Load the one label model of a file or of the zoo; its file is executed.

    Args:
        name: The path of a model file, such as ``hip.py``, or the name of a zoo model, such as ``hip``.

    Returns:
        The label model.

    Raises:
        InputError: There is no such file, it fails, or it holds no label model or several.

    Examples:
        >>> model = load_model("hip")
        >>> model.label_name, list(model.features)
        ('diagnosis', ['alpha', 'coverage'])
    """
    path = find_model(name)
    named = [(v, k) for k, v in vars(run_file(path)).items() if isinstance(v, LabelModel)]
    models = [v for v, _ in named]
    models = [_name_family(k, path, v) for i, (v, k) in enumerate(named) if v not in models[:i]]
    if len(models) != 1:
        names = ", ".join(model.name for model in models) or "none"
        raise InputError(
            f"{path}: expected one label model, found {names}; keep one @label_model per file"
        )
    return models[0]


def _name_family(name: str, path: Path, model: LabelModel) -> LabelModel:
    """A ready-made family, whose function is no function of the file, takes the name of its variable and the file."""
    return replace(model, called=name, source=path) if model.source is None else model


def find_model(name: str | Path) -> Path:
    """Find the path of a model file, or of the zoo model of that name.

    Args:
        name: A path that ends in ``.py``, or a name of `zoo`.

    Returns:
        The path of the file, which exists.

    Raises:
        InputError: There is no such file, or no zoo model of that name.

    Examples:
        >>> find_model("hip").name
        'hip.py'
    """
    path = Path(name)
    if path.suffix == ".py":
        if path.is_file():
            return path
        raise InputError(
            f"{path}: no such model file; give --model FILE.py or one of {_list_names(zoo())}"
        )
    model = zoo().get(str(name))
    if model is None:
        raise InputError(
            f"model '{name}': not in the zoo; give --model FILE.py or one of {_list_names(zoo())}"
        )
    return model


def find_table(model: str | Path) -> Path:
    """Find the table of the same stem beside the model file (for a zoo name: in the working folder).

    Args:
        model: The path of a model file, or a name of `zoo`.

    Returns:
        The path of the table, ``.csv`` before ``.parquet``.

    Raises:
        InputError: There is no such table.

    Examples:
        >>> pd.DataFrame({"x": [0.1]}).to_csv("hip.csv", index=False)
        >>> find_table("hip").name
        'hip.csv'
    """
    stem = Path(model).with_suffix("") if Path(model).suffix == ".py" else Path(model)
    for suffix in TABLE_SUFFIXES:
        if stem.with_suffix(suffix).is_file():
            return stem.with_suffix(suffix)
    raise InputError(f"{stem.with_suffix('.csv')}: no table beside the model; give --data FILE")


def _list_names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
