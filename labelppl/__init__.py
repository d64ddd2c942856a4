"""labelppl: label models in Pyro, distilled into image classifiers that need no measurements.

The names below are imported when first used, so that ``labelppl --help`` and ``predict`` stay light.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .audit import doubts as doubts
    from .audit import explain as explain
    from .distillation.distill import distill as distill
    from .distillation.distilled import Distilled as Distilled
    from .distillation.prior_options import PriorOptions as PriorOptions
    from .errors import FailedWork as FailedWork
    from .errors import InputError as InputError
    from .features import Angle as Angle
    from .features import Category as Category
    from .features import Count as Count
    from .features import Label as Label
    from .features import Ordinal as Ordinal
    from .features import Positive as Positive
    from .features import Ranking as Ranking
    from .features import Ratio as Ratio
    from .features import Real as Real
    from .features import Stated as Stated
    from .features import Vector as Vector
    from .features import VoteCounts as VoteCounts
    from .features import Votes as Votes
    from .metrics import Metrics as Metrics
    from .metrics import evaluate as evaluate
    from .metrics import evaluate_probs as evaluate_probs
    from .model import LabelModel as LabelModel
    from .model import label_model as label_model
    from .model import load_model as load_model
    from .model import read_cases as read_cases
    from .posterior import Posterior as Posterior
    from .posterior import fit as fit
    from .posterior import to_arviz as to_arviz
    from .softlabels import SoftLabels as SoftLabels
    from .softlabels import label_parquet as label_parquet
    from .softlabels import soft_labels as soft_labels
    from .softlabels.explain import explain_labels as explain_labels
    from .students.options import StudentOptions as StudentOptions
    from .students.student import Student as Student
    from .training.schedule import Schedule as Schedule

_HOME = {
    "distillation.distill": ("distill",),
    "distillation.distilled": ("Distilled",),
    "distillation.prior_options": ("PriorOptions",),
    "audit": ("doubts", "explain"),
    "errors": ("FailedWork", "InputError"),
    "metrics": ("Metrics", "evaluate", "evaluate_probs"),
    "features": (
        "Angle",
        "Category",
        "Count",
        "Label",
        "Ordinal",
        "Positive",
        "Ranking",
        "Ratio",
        "Real",
        "Stated",
        "Vector",
        "VoteCounts",
        "Votes",
    ),
    "model": ("LabelModel", "label_model", "load_model", "read_cases"),
    "posterior": ("Posterior", "fit", "to_arviz"),
    "softlabels.explain": ("explain_labels",),
    "softlabels": ("SoftLabels", "label_parquet", "soft_labels"),
    "students.options": ("StudentOptions",),
    "students.student": ("Student",),
    "training.schedule": ("Schedule",),
}
_ROOM = {name: room for room, names in _HOME.items() for name in names}
__all__ = sorted(_ROOM)  # noqa: PLE0605 - one list of names, above


def __getattr__(name: str) -> object:
    if name in _ROOM:
        return getattr(import_module(f".{_ROOM[name]}", __name__), name)
    raise AttributeError(f"module 'labelppl' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*globals(), *_ROOM]
