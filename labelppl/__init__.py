"""labelppl: label models in Pyro, distilled into image classifiers that need no measurements.

The names below are imported when first used, so that ``labelppl --help`` and ``predict`` stay light.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .errors import FailedWork, InputError
    from .features import (
        Angle,
        Category,
        Count,
        Label,
        Ordinal,
        Positive,
        Ratio,
        Real,
        Vector,
        VoteCounts,
    )
    from .model import LabelModel, label_model, load_model, read_cases

_HOME = {
    "Angle": "features",
    "Category": "features",
    "Count": "features",
    "FailedWork": "errors",
    "InputError": "errors",
    "Label": "features",
    "LabelModel": "model",
    "Ordinal": "features",
    "Positive": "features",
    "Ratio": "features",
    "Real": "features",
    "Vector": "features",
    "VoteCounts": "features",
    "label_model": "model",
    "load_model": "model",
    "read_cases": "model",
}
__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    raise AttributeError(f"module 'labelppl' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *_HOME]
