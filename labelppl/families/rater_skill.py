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
    """Votes of known raters, each with a confusion matrix, as Dawid and Skene (1979) model them.

    Raters are independent given the class, save within the groups. What is inferred is the truth, not what one more
    rater would say (`mean_vote`).

    Args:
        groups: Rater codes of each group that shares errors, or ``"detect"`` to look for them in the table.
        diagonal: Dirichlet parameter of the right answer in a row of the confusion matrix.
        elsewhere: Dirichlet parameter of each wrong answer; below ``diagonal``, which tells the classes apart.
        **declared: One `Label` and one `Votes` feature.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: Unless diagonal > elsewhere > 0, one argument is a Label and there is a feature.

    Examples:
        >>> model = dawid_skene(truth=Label("no", "yes"), votes=Votes())
        >>> sorted(model.features)
        ['votes']
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
    """Votes of known raters who shrink to the crowd: for few votes per rater and for rare classes.

    See `labelppl.families.Hierarchical`.

    Args:
        groups: Rater codes of each group that shares errors, or ``"detect"`` to look for them in the table.
        **declared: One `Label` and one `Votes` feature.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: Unless one argument is a Label and there is a feature.

    Examples:
        >>> model = hierarchical_dawid_skene(truth=Label("no", "yes"), votes=Votes())
        >>> sorted(model.features)
        ['votes']
    """
    together = _groups(groups)
    return independent(**_votes(lambda f: Hierarchical(f, None, groups=together), declared))


def nested_dawid_skene(
    *,
    design_effect: bool = True,
    groups: Sequence[Sequence[int]] | Literal["detect"] = (),
    **declared: Label | Feature,
) -> Family:
    """Raters shrink to the crowd, each rater's classes to the rater; calibrated on real crowds, and for any size.

    Args:
        design_effect: Count the votes of one item by Kish's design effect, whose rho the fit chooses
            (`labelppl.crowds.power`); False counts every vote in full, as Dawid and Skene do.
        groups: Rater codes of each group whose members repeat each other, or ``"detect"`` to look for them in the table; the
            votes of m such raters count 1 / m each.
        **declared: One `Label` and one `Votes` feature.

    Returns:
        A label model; ``fit`` takes the engine ``gibbs`` for it. See `labelppl.families.NestedDawidSkene`.

    Raises:
        InputError: Unless one argument is a Label and the others are `Votes`.

    Examples:
        >>> nested_dawid_skene(truth=Label("no", "yes"), votes=Votes()).name
        'independent'
    """

    together = _groups(groups)

    def law(feature: Feature) -> NestedDawidSkene:
        return NestedDawidSkene(feature, None, design_effect=design_effect, groups=together)

    return independent(**_votes(law, declared))


def glad(**declared: Label | Feature) -> Family:
    """Votes of raters who differ in ability on cases that differ in difficulty, the difficulty integrated out.

    ``P(right) = sigmoid(a_j e^{b_i})``. See `labelppl.families.Glad`.

    Args:
        **declared: One `Label` and one `Votes` feature.

    Returns:
        The label model, as ``@label_model`` gives one.

    Raises:
        InputError: Unless one argument is a Label and there is a feature.

    Examples:
        >>> model = glad(truth=Label("no", "yes"), votes=Votes())
        >>> sorted(model.features)
        ['votes']
    """
    return independent(**_votes(Glad, declared))


def _votes(law: Any, declared: dict[str, Any]) -> dict[str, Any]:
    return {n: law(what) if isinstance(what, Feature) else what for n, what in declared.items()}


def _groups(groups: Sequence[Sequence[int]] | Literal["detect"]) -> RaterGroups | None:
    """None stands for groups that are yet to be looked for."""
    return None if groups == "detect" else tuple(tuple(int(j) for j in g) for g in groups)
