"""Which changes of a picture leave a measurement as it is; training may then show the changed picture under the same soft label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..errors import InputError
from .base import Feature

#: hflip: left and right exchanged. vflip: top and bottom. rot90: turned by quarters of a full turn.
SYMMETRIES = ("hflip", "vflip", "rot90")


def check_symmetries(kind: str, symmetries: Sequence[str]) -> None:
    """InputError where ``symmetries`` of a feature of that kind is not a tuple of known names."""
    if isinstance(symmetries, str) or not all(name in SYMMETRIES for name in symmetries):
        raise InputError(
            f"{kind}: got symmetries={symmetries!r}, expected some of {', '.join(SYMMETRIES)}, e.g. symmetries=('hflip',)"
        )


def common_symmetries(features: Iterable[Feature]) -> tuple[str, ...]:
    """The symmetries that every feature declares; none where there is no feature.

    Examples:
        >>> from labelppl.features import Angle, Ratio
        >>> area = Ratio(symmetries=("hflip", "rot90"))
        >>> common_symmetries([area, Angle("deg", kind="halfcircle", symmetries=("hflip",))])
        ('hflip',)
    """
    declared = [set(feature.symmetries) for feature in features]
    return tuple(name for name in SYMMETRIES if declared and all(name in some for some in declared))
