"""`dawid_skene`: votes of known raters, each with a confusion matrix; hierarchical or with shared errors on demand.

    one line:  ``dawid_skene(truth=Label("a", "b"), votes=Votes(...))``

The estimand is what is true, not what one more rater would say (`mean_vote`). Independent raters are an
assumption: `groups` names raters who share errors, and ``groups="detect"`` looks for them when the model is
bound to its table (see `crowds.dependence`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from ..errors import InputError
from ..features import Feature, Label
from .hierarchical import Hierarchical
from .independent import Family, independent
from .nested import NestedDawidSkene
from .rater_models import DawidSkene, Glad
from .shared_errors import RaterGroups, SharedErrors


def dawid_skene(
    *,
    groups: Sequence[Sequence[int]] | Literal["detect"] = (),
    diagonal: float = 3.0,
    elsewhere: float = 1.5,
    **declared: Label | Feature,
) -> Family:
    """Dawid-Skene's raters. groups: rater codes that share errors, or "detect".

    diagonal, elsewhere: Dirichlet parameters of a confusion row for the right and for each wrong answer.
    """
    if not diagonal > elsewhere > 0:
        raise InputError(
            f"dawid_skene: got diagonal {diagonal:g} and elsewhere {elsewhere:g}; expected diagonal > elsewhere > 0, "
            "which is what tells the classes apart"
        )

    def law(feature: Feature) -> Any:
        if groups:
            return SharedErrors(
                feature, None, groups=_groups(groups), diagonal=diagonal, elsewhere=elsewhere
            )
        return DawidSkene(feature, None, diagonal=diagonal, elsewhere=elsewhere)

    return independent(**_votes(law, declared))


def hierarchical_dawid_skene(
    *, groups: Sequence[Sequence[int]] | Literal["detect"] = (), **declared: Label | Feature
) -> Family:
    """Raters shrink to the crowd: for few votes per rater and for rare classes. See `hierarchical.Hierarchical`.

    groups: rater codes that share errors, or "detect".
    """
    found = _groups(groups)
    return independent(**_votes(lambda f: Hierarchical(f, None, groups=found), declared))


def nested_dawid_skene(*, design_effect: bool = True, **declared: Label | Feature) -> Family:
    """Raters shrink to the crowd, each rater's classes to the rater; calibrated on real crowds, and for any size.

    Args:
        design_effect: Count the votes of one item by Kish's design effect, whose rho the fit chooses
            (`labelppl.crowds.power`); False counts every vote in full, as Dawid and Skene do.
        **declared: One `Label` and one `Votes` feature.

    Returns:
        A label model; ``fit`` takes the engine ``gibbs`` for it. See `labelppl.families.NestedDawidSkene`.

    Examples:
        >>> nested_dawid_skene(truth=Label("no", "yes"), votes=Votes()).name
        'independent'
    """

    def law(feature: Feature) -> NestedDawidSkene:
        return NestedDawidSkene(feature, None, design_effect=design_effect)

    return independent(**_votes(law, declared))


def glad(**declared: Label | Feature) -> Family:
    """Rater ability and case difficulty, the difficulty integrated out. See `rater_models.Glad`."""
    return independent(**_votes(Glad, declared))


def _votes(law: Any, declared: dict[str, Any]) -> dict[str, Any]:
    return {n: law(what) if isinstance(what, Feature) else what for n, what in declared.items()}


def _groups(groups: Sequence[Sequence[int]] | Literal["detect"]) -> RaterGroups | None:
    """None stands for groups that are yet to be looked for."""
    return None if groups == "detect" else tuple(tuple(int(j) for j in g) for g in groups)
