"""Which augmentation: that with the smallest held-out NLL after step 1.

The candidates are none at all, and the presets with and without the symmetries that the features declare. A hundred or more labelled
validation cases judge them, each candidate by one training; fewer join the training cases, and folds of all of them judge.
A target that needs a teacher is stood in for by the hard labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..images.augment import augmentation, candidates
from ..runs import read_json, write_json
from ..targets import make_target
from ..targets.target_data import TargetData
from .choose import Steps
from .few import choose_epochs, has_folds
from .lam import Refit

AUGMENT = "checkpoint-augment.json"


@dataclass(frozen=True)
class AugmentChoice:
    """name: the chosen augmentation. nll: of each candidate, held out, in nats."""

    name: str
    nll: dict[str, float]

    def record(self) -> dict[str, Any]:
        """What student.json says about it."""
        return asdict(self)


def choose_augment(
    steps: Steps,
    evidence: TargetData,
    refit: Refit | None,
    say: Callable[[str], None],
    *,
    folder: Path | None,
    resume: bool,
    writes: bool,
) -> AugmentChoice:
    """The augmentation for the student of ``steps``, whose options say ``auto``.

    folder: keeps the choice for a resumed run. Raises InputError where no held-out case can judge.
    """
    path = None if folder is None else folder / AUGMENT
    saved = read_json(path) if path is not None and resume else {}
    if saved:
        return AugmentChoice(str(saved["name"]), dict(saved["nll"]))
    augment = steps.prepared.options.augment
    assert isinstance(augment, str)
    if steps.goal.needs_teacher:
        steps = replace(steps, goal=make_target("hard"))
    nll: dict[str, float] = {}
    for name in candidates(augment):
        say(f"augment: {name}")
        tried = replace(steps, options={**steps.options, "augment": augmentation(name)})
        nll[name] = _held_out(tried, evidence, refit, say)
    choice = AugmentChoice(min(nll, key=lambda name: nll[name]), nll)
    if path is not None and writes:
        write_json(path, choice.record())
    return choice


def _held_out(
    steps: Steps, evidence: TargetData, refit: Refit | None, say: Callable[[str], None]
) -> float:
    """The smallest held-out NLL of step 1 over its epochs."""
    job, held = steps.job(evidence), steps.prepared.held
    if held is not None and bool((held.hard >= 0).any()):
        done = job.step1(job.network(), job.source, evidence, held)
        return min(epoch.val_nll for epoch in done.history)
    if not has_folds(evidence, steps.prepared.data.groups):
        raise InputError(
            "augment auto: needs validation cases, or two labelled groups of each class; name an augmentation, e.g. shift"
        )
    seed = steps.prepared.spec.seed
    chosen = choose_epochs(job, folds=steps.prior.folds, refit=refit, seed=seed, say=say)
    return min(chosen.nll)
