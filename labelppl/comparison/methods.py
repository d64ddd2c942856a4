"""The methods that `compare` can run, by the names of its tables, or as objects of the user's own.

Every method is a target learnt in one step, except two: `prob`, then the hard labels under the prior
around theta_p, which holds the weights (`reg`) or the predictions (`fseb`). Ablations are `prob` and `reg` given soft labels that are spoiled on purpose: shuffled
within each class, and for `reg` also uniform noise and flipped ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ..errors import InputError
from ..softlabels import SoftLabels
from ..table import Cases
from ..targets import TARGETS, make_target
from ..targets.base import Target
from ..targets.lspp import FEWEST_CLASSES
from .spoiled import SPOILED

METHODS = ("hard", "smooth", "paper-soft", "prob", "reg", "fseb", *list(TARGETS)[4:])
ABLATIONS = ("prob-shuffled", "reg-shuffled", "reg-uniform", "reg-flipped")
OF_VOTES = ("mean-vote", "majority")
OF_IMAGES = ("mixup", "cutmix")
TWO_STEPS: dict[str, Literal["weights", "predictions"]] = {
    "reg": "weights",
    "fseb": "predictions",
}
OF_VALIDATION = ("cpls", "domino")


@dataclass(frozen=True, eq=False)
class Method:
    """One method of a comparison.

    Args:
        name: As in the tables.
        target: What step 1 learns: a name, a `Target`, or a function that makes one.
        prior: Whether step 2, on the hard labels under the prior around theta_p, follows.
        space: What that prior holds, `weights` or `predictions`; None: as the options say.
        spoil: What is done to the soft labels first, by a name of `spoiled`; empty: nothing.

    Examples:
        >>> from labelppl.comparison import Method
        >>> Method("gentle", "smooth").record()["target"]["epsilon"]
        0.1
    """

    name: str
    target: Target | Callable[..., Target] | str
    prior: bool = False
    spoil: str = ""
    space: Literal["weights", "predictions"] | None = None

    def soft(self, labels: SoftLabels, cases: Cases, seed: int) -> SoftLabels:
        """The soft labels that this method learns from."""
        return SPOILED[self.spoil](labels, cases, seed) if self.spoil else labels

    def record(self) -> dict[str, Any]:
        """All that decides it."""
        return {
            "target": make_target(self.target).record(),
            "prior": self.prior,
            "spoil": self.spoil,
            "space": self.space,
        }


MethodLike: TypeAlias = "str | tuple[str, Target | Callable[..., Target]] | Method"


def make_method(method: MethodLike, soft: bool = True) -> Method:
    """The method that a name, (name, target) or a `Method` stands for.

    soft: whether there are soft labels; without them `reg` starts from the mean vote. Raises InputError for an unknown
    name.
    """
    if isinstance(method, Method):
        return method
    if isinstance(method, tuple):
        name, target = method
        return Method(name, target)
    base, _, spoil = method.partition("-") if method in ABLATIONS else (method, "", "")
    if base in TWO_STEPS:
        return Method(method, "prob" if soft else "mean-vote", True, spoil, TWO_STEPS[base])
    if base in OF_IMAGES and not soft:
        return Method(method, TARGETS[base](base="hard"))
    if base not in TARGETS:
        raise InputError(
            f"methods: got {method!r}, expected some of {', '.join((*METHODS, *ABLATIONS))}, or NAME=FILE.py:NAME"
        )
    return Method(method, base, False, spoil)


@dataclass(frozen=True)
class Known:
    """What there is to learn from. soft, votes, draws, validation, hard, measured: whether there are soft labels, raters'
    votes, posterior draws of the soft labels, validation cases, labelled training cases and measurements; classes: how many.
    several: whether a case has several images.
    """

    soft: bool
    votes: bool
    draws: bool
    validation: bool
    hard: bool = True
    classes: int = 2
    measured: bool = True
    several: bool = False


def choose_methods(methods: Sequence[MethodLike] | None, known: Known) -> tuple[Method, ...]:
    """The methods to run, `hard` first: those asked for, or all that the evidence allows.

    Raises InputError for an unknown or repeated name and for a method that lacks its evidence.
    """
    lacks = _lacking(known)
    if methods is None:
        names = tuple(name for name in METHODS if name not in lacks)
        return tuple(make_method(name, known.soft) for name in names)
    chosen = [make_method(method, known.soft) for method in methods]
    if not any(method.name == "hard" for method in chosen) and known.hard:
        chosen.insert(0, make_method("hard"))
    chosen.sort(key=lambda method: method.name != "hard")
    names = tuple(method.name for method in chosen)
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"methods: {name!r} is named twice, expected each once")
    for method in chosen:
        if method.name in lacks and isinstance(method.target, str):
            raise InputError(f"methods: {method.name!r} needs {lacks[method.name]}")
    return tuple(chosen)


def _lacking(known: Known) -> dict[str, str]:
    """By method, what it needs and the cases do not have."""
    lacks: dict[str, str] = {}
    if not known.draws:
        lacks["dirichlet"] = "draws of p(Y|Z); make the soft labels with keep_draws=200"
    if not known.validation:
        mend = "validation cases; add a val split, or set some aside (--validation 0.2)"
        lacks |= dict.fromkeys(OF_VALIDATION, mend)
    if known.classes < FEWEST_CLASSES:
        lacks["lspp"] = "three classes or more; with two it is paper-soft"
    if known.several:
        lacks |= dict.fromkeys(
            OF_IMAGES, "one image for each case, for it mixes the images of cases"
        )
    if not known.measured:
        lacks["rat"] = "measurements, but the cases have none"
    if not known.votes:
        lacks |= dict.fromkeys(OF_VOTES, "votes, but the cases have none")
    if not known.soft:
        of_soft = ["prob", "mixed", "dirichlet", "rat", *ABLATIONS]
        if not known.votes:
            of_soft += TWO_STEPS
        lacks |= dict.fromkeys(of_soft, "soft labels; give --model FILE.py or --soft FILE.parquet")
    return lacks
