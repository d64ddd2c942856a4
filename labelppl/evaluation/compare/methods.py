"""The methods that `compare` can run, by the names of its tables.

Every method is a target learnt in one step, except `reg`: `prob`, then the hard labels under the
weight prior. Two more are ablations: `prob-shuffled` and `reg-shuffled` are given the soft labels
of other training cases of the same class. What they lose is what a soft label says about its own
case; what they keep is smoothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from labelppl.distillation.targets import TARGETS
from labelppl.distillation.targets.base import Target
from labelppl.errors import InputError
from labelppl.softlabels import SoftLabels
from labelppl.table import Cases

METHODS = ("hard", "smooth", "paper-soft", "prob", "reg", *list(TARGETS)[4:])
ABLATIONS = ("prob-shuffled", "reg-shuffled")
OF_VOTES = ("mean-vote", "majority")
OF_VALIDATION = ("cpls", "domino")


@dataclass(frozen=True)
class Method:
    """name: as in the tables. target: what step 1 learns. prior: whether step 2 follows.

    shuffled: whether soft labels are exchanged within each class first.
    """

    name: str
    target: Target
    prior: bool = False
    shuffled: bool = False


def make_method(name: str) -> Method:
    """A fresh method, since targets hold state. Raises InputError for an unknown name."""
    base = name.removesuffix("-shuffled") if name in ABLATIONS else name
    if base == "reg":
        return Method(name, TARGETS["prob"](), True, base != name)
    if base not in TARGETS:
        raise InputError(
            f"methods: got {name!r}, expected some of {', '.join((*METHODS, *ABLATIONS))}"
        )
    return Method(name, TARGETS[base](), False, base != name)


def choose_methods(
    names: Sequence[str] | None, *, votes: bool, draws: bool, validation: bool
) -> tuple[str, ...]:
    """The methods to run, `hard` first: those named, or all that the evidence allows.

    votes, draws, validation: whether there are raters' votes, posterior draws of the soft labels,
    and validation cases. Raises InputError for an unknown or repeated name and for a method that
    lacks its evidence.
    """
    lacks = {name: "votes, but the cases have none" for name in OF_VOTES if not votes}
    lacks |= {name: "validation cases; add a val split" for name in OF_VALIDATION if not validation}
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


def shuffled_within_class(labels: SoftLabels, cases: Cases, seed: int) -> SoftLabels:
    """Soft labels exchanged among training cases of one hard label; all others keep their own.

    Unlabelled training cases exchange among themselves. Ids and given labels stay where they are.
    """
    rng = np.random.default_rng(seed)
    split = dict(zip(map(str, cases.ids), cases.split, strict=True))
    hard = dict(zip(map(str, cases.ids), cases.labels, strict=True))
    ids = [str(name) for name in labels.ids]
    kind = np.array([hard[i] if split.get(i) == "train" else -2 for i in ids])
    order = np.arange(len(ids))
    for k in np.unique(kind[kind > -2]):
        where = np.flatnonzero(kind == k)
        order[where] = rng.permutation(where)
    return replace(labels.take(order), ids=labels.ids, labels=labels.labels)
