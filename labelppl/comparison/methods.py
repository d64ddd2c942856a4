"""The methods that `compare` can run, by the names of its tables.

Every method is a target learnt in one step, except `reg`: `prob`, then the hard labels under the
weight prior. Ablations are `prob` and `reg` given soft labels that are spoiled on purpose: shuffled
within each class, and for `reg` also uniform noise and flipped ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import InputError
from ..softlabels import SoftLabels
from ..table import Cases
from ..targets import TARGETS
from ..targets.base import Target
from .spoiled import SPOILED

METHODS = ("hard", "smooth", "paper-soft", "prob", "reg", *list(TARGETS)[4:])
ABLATIONS = ("prob-shuffled", "reg-shuffled", "reg-uniform", "reg-flipped")
OF_VOTES = ("mean-vote", "majority")
OF_VALIDATION = ("cpls", "domino")


@dataclass(frozen=True)
class Method:
    """name: as in the tables. target: what step 1 learns. prior: whether step 2 follows.

    spoil: what is done to the soft labels first, by a name of `spoiled`; empty: nothing.
    """

    name: str
    target: Target
    prior: bool = False
    spoil: str = ""

    def given(self, labels: SoftLabels, cases: Cases, seed: int) -> SoftLabels:
        """The soft labels that this method learns from."""
        return SPOILED[self.spoil](labels, cases, seed) if self.spoil else labels


def make_method(name: str) -> Method:
    """A fresh method, since targets hold state. Raises InputError for an unknown name."""
    base, _, spoil = name.partition("-") if name in ABLATIONS else (name, "", "")
    if base == "reg":
        return Method(name, TARGETS["prob"](), True, spoil)
    if base not in TARGETS:
        raise InputError(
            f"methods: got {name!r}, expected some of {', '.join((*METHODS, *ABLATIONS))}"
        )
    return Method(name, TARGETS[base](), False, spoil)


def choose_methods(
    names: Sequence[str] | None, *, votes: bool, draws: bool, validation: bool
) -> tuple[str, ...]:
    """The methods to run, `hard` first: those named, or all that the evidence allows.

    votes, draws, validation: whether there are raters' votes, posterior draws of the soft labels,
    and validation cases. Raises InputError for an unknown or repeated name and for a method that
    lacks its evidence.
    """
    lacks = {name: "votes, but the cases have none" for name in OF_VOTES if not votes}
    lacks |= {
        name: "validation cases; add a val split, or set some aside (--validation 0.2)"
        for name in OF_VALIDATION
        if not validation
    }
    if not draws:
        lacks["dirichlet"] = "draws of p(Y|Z); make the soft labels with keep_draws=200"
    if names is None:
        return tuple(name for name in METHODS if name not in lacks)
    chosen = ("hard", *(name for name in names if name != "hard"))
    for name in chosen:
        make_method(name)
        if chosen.count(name) > 1:
            raise InputError(f"methods: {name!r} is named twice, expected each once")
        if name in lacks:
            raise InputError(f"methods: {name!r} needs {lacks[name]}")
    return chosen
