"""The whole job: labels and images -> a student.

Step 1 trains a new student on p(Y|Z) of the training cases (or on any other target), which gives
theta_p. Step 2 continues from theta_p on the hard labels as MAP under N(theta_p, (2 lambda)^-1 I)
(Vega et al., AISTATS 2021, equations 4 and 5). Both are `train`. Test cases are never touched;
validation cases choose epochs and lambda (few of them: see `few`).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rich.console import Console

from ..arrays import Array
from ..errors import InputError
from ..images.augment import augmentation, is_auto
from ..images.by_case import OpenedCases
from ..records import describe, refuse_other
from ..runs import read_json, write_json
from ..students.options import AugmentLike, StudentLike, StudentOptions
from ..students.spec import Spec
from ..students.student import Student
from ..targets import make_target
from ..targets.base import Target
from ..training.device import make_fabric
from ..training.loop import Trained
from ..training.schedule import Schedule, default_schedule
from ..training.stream import default_workers, memory_limit
from ..training.train import train
from .augment_choice import AUGMENT, AugmentChoice, choose_augment
from .choose import CHOICE, EPOCHS, FOLDS_DONE, Steps, epochs_of, strength_of
from .distilled import Distilled
from .ensemble import check_ensemble, checkpoint_of
from .few import with_few_validation
from .interval import NO_INTERVAL, interval_by_validation
from .lam import Refit
from .last_layer import last_layer_posterior
from .map_step import map_step, refuse_moving_optimum
from .prepare import Prepared, describe_images, read_training_data, refuse_mixing, spec_of
from .prior_options import PriorOptions
from .teacher import with_teacher

if TYPE_CHECKING:
    from ..softlabels import SoftLabels
    from ..table import Cases

STEP1, STEP2 = "checkpoint-step1.safetensors", "checkpoint-step2.safetensors"
IDENTITY = "checkpoint-identity.json"
CHECKPOINTS = (STEP1, FOLDS_DONE, CHOICE, STEP2, IDENTITY, EPOCHS, AUGMENT)
RefitByIds: TypeAlias = "Callable[[Array], SoftLabels]"
"""Ids (cases,) -> their soft labels, in that order, from those cases alone."""
NO_STEP_2 = Trained((), -1, 0, None, "")


def distill(
    labels: SoftLabels | None,
    cases: Cases,
    *,
    student: StudentLike | StudentOptions = "cnn",
    target: Target | Callable[..., Target] | str | None = None,
    augment: AugmentLike | None = None,
    schedule: Schedule | None = None,
    map_schedule: Schedule | None = None,
    lam: float | Literal["auto", "evidence"] | None = None,
    prior: PriorOptions | None = None,
    votes: Array | None = None,
    images: OpenedCases | None = None,
    refit: RefitByIds | None = None,
    seed: int = 0,
    device: str = "auto",
    out: Path | str | None = None,
    resume: bool = False,
    progress: bool = False,
) -> Distilled:
    """Train a student on the training rows of `cases`.

    Args:
        labels: Soft labels of the same ids; None where there is no p(Y|Z), for targets of hard labels or votes.
        cases: The table, with images and a split.
        student: A name, a `torch.nn.Module`, a factory, or `StudentOptions` with all of the student's options.
        target: What step 1 learns: a `Target`, its class, or a name of `labelppl.targets.TARGETS`; None is `prob`, or
            without soft labels `mean-vote` where there are votes, else `hard`.
        augment: A preset or a function; None as the student's options say.
        schedule: Of step 1; None is a default for the number of cases.
        map_schedule: Of step 2; None is that of step 1 without weight decay.
        lam: lambda of step 2; None as `prior` says.
        prior: The options of the weight prior; None: its defaults.
        votes: (cases, classes) counts, aligned with `cases`, for targets made of votes.
        images: Of all `cases`, opened and measured already (`labelppl.images.by_case.open_case_images`); None: opened here.
        refit: Ids of cases -> their soft labels, in that order, by a label model fitted to those cases alone, for the
            folds that choose; without it the soft labels at hand serve in every fold.
        seed: Of everything random.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        out: A folder that receives all files, and checkpoints while training.
        resume: Whether to go on with what the folder holds; a finished student is read.
        progress: Whether to show bars.

    Returns:
        The student with its history.

    Raises:
        InputError: Cases without images, labels without a training case, unreadable images, a folder of another run.
        FailedWork: Training diverges.

    Examples:
        >>> from labelppl.phantoms import simulate
        >>> folder = simulate("glaucoma", "glaucoma", cases=24, size=32)
        >>> model = load_model(folder / "glaucoma.py")
        >>> cases = read_cases(folder / "glaucoma.csv", model)
        >>> labels = soft_labels(fit(model, cases, seed=0))
        >>> done = distill(labels, cases, schedule=Schedule(epochs=1), lam=1.0, device="cpu")
        >>> done.predict_proba(cases.images[:3]).shape
        (3, 2)
    """
    options = student if isinstance(student, StudentOptions) else StudentOptions(student)
    options = options if augment is None else replace(options, augment=augment)
    prior = prior or PriorOptions()
    prior = prior if lam is None else replace(prior, lam=lam)
    goal = make_target(target or _default_target(labels, votes))
    check_goal(goal, options, prior, cases)
    few = with_few_validation(cases) if not goal.needs_validation else cases
    pooled, cases = few is not cases, few
    first = schedule or default_schedule(int((cases.split == "train").sum()))
    second = map_schedule or first.for_map()
    fabric = make_fabric(device, first.precision)
    folder = None if out is None else Path(out)
    leads = fabric.global_rank == 0
    console = Console(stderr=True, quiet=not (progress and leads))
    limit = memory_limit(fabric.device, options.stream)
    data = read_training_data(labels, cases, votes, options, limit, images)
    spec = spec_of(data, options, goal, seed)
    prepared = Prepared(
        data, options, spec, default_workers() if options.workers is None else options.workers
    )
    identity: dict[str, Any] = describe(
        {
            "student": options,
            "target": goal,
            "schedule": first,
            "map_schedule": second,
            "prior": prior,
            "seed": seed,
            "labels": data.evidence.digest(),
            "classes": data.classes,
            "groups": data.groups,
            "validation": None if data.val_hard is None else data.val_hard.numpy(),
            "images": data.images,
        }
    )
    if folder is not None:
        finished = _begin(folder, identity, resume, leads, options)
        if finished is not None:
            return finished
    train_options: dict[str, Any] = {
        "seed": seed,
        "augment": None,
        "rates": options.rates,
        "fabric": fabric,
        "resume": resume,
    }
    by_rows = None if refit is None else _by_rows(refit, cases.train.ids)
    steps = Steps(prepared, goal, first, second, prior, train_options, progress)
    network, evidence = prepared.network(), data.evidence
    resumed: dict[str, Any] = {"folder": folder, "resume": resume, "writes": leads}
    picked = fabric.broadcast(
        choose_augment(steps, evidence, by_rows, console.print, **resumed)
        if isinstance(options.augment, str) and is_auto(options.augment)
        else None
    )
    train_options["augment"] = augmentation(picked.name) if picked else options.augmentation
    if goal.needs_teacher:
        evidence = with_teacher(prepared, first, train_options, progress)
    epochs = fabric.broadcast(
        epochs_of(steps, evidence, by_rows, console.print, **resumed) if pooled else None
    )
    steps = steps if epochs is None else replace(steps, epochs=epochs.epochs)
    learned, ensemble = steps.beside_ensemble(
        prepared.source, evidence, prepared.held, steps.epochs, options=train_options, folder=folder
    )
    one = train(
        network, prepared.source, evidence, learned, first,
        stop_after=steps.epochs, held=prepared.held, checkpoint=None if folder is None else folder / STEP1,
        progress=progress, step="step 1", **train_options,
    )  # fmt: skip
    theta_p = copy.deepcopy(network)
    value, choice, notes, interval = fabric.broadcast(
        strength_of(steps, network, evidence, by_rows, console.print, **resumed)
    )
    centred = replace(steps.centre(network, prepared.source, evidence), lam=value)
    two, optimum = NO_STEP_2, None
    if not math.isinf(value):
        two, optimum = map_step(
            network, prepared.source, evidence, second, centred, prior,
            linear=options.student == "logistic", held=prepared.held,
            checkpoint=None if folder is None else folder / STEP2, progress=progress, **train_options,
        )  # fmt: skip
    interval = interval or interval_by_validation(network, prepared)
    laplace = last_layer_posterior(
        network, spec.head, prepared.source, evidence.hard, centred, spec.pool
    )
    training = {
        "target": goal.name,
        "augment": _augment_record(options, picked),
        **({} if picked is None else {"augment_choice": picked.record()}),
        **describe_images(data),
        "cases": one.cases,
        "labelled": int((evidence.hard >= 0).sum()),
        "step1": first.record(),
        "step2": second.record() if two is not NO_STEP_2 else None,
        "precision": one.precision,
        "best_epoch_step1": one.best_epoch,
        **({} if ensemble is None else {"ensemble": ensemble.record()}),
        "epochs_step1": None if epochs is None else epochs.record(),
        "prior": {**centred.record(), "proximal": two.proximal, "freeze_norm": prior.freeze_norm},
        "lam": choice.record() if choice else {"lam": value, "source": "given"},
        "optimum": None if optimum is None else optimum.record(),
        "laplace": laplace.note,
        "interval": NO_INTERVAL if interval is None else f"of {interval.source}",
        "notes": list(notes),
        "identity": identity,
    }
    spec = replace(spec, training=training, interval=interval)
    done = Distilled(
        Student(network.cpu().eval(), spec, laplace.posterior),
        Student(theta_p.cpu().eval(), replace(spec, interval=None)),
        one.history + two.history,
        choice,
        notes,
    )
    if folder is not None and leads:
        done.save(folder)
        _remove_checkpoints(folder, options.ensemble or 0)
    return done


def check_goal(goal: Target, options: StudentOptions, prior: PriorOptions, cases: Cases) -> None:
    """Raise InputError where target, student, prior and cases do not go together."""
    refuse_mixing(goal, cases)
    refuse_moving_optimum(prior, None if options.augment == "none" else options.augment)
    check_ensemble(options, goal)


def _remove_checkpoints(folder: Path, members: int) -> None:
    """What only a run that is not finished needs."""
    for name in CHECKPOINTS:
        (folder / name).unlink(missing_ok=True)
    for member in range(1, members + 1):
        checkpoint_of(folder, member).unlink(missing_ok=True)


def _augment_record(options: StudentOptions, picked: AugmentChoice | None) -> Any:
    """How student.json names the augmentation."""
    if picked is not None:
        return picked.name
    return options.augment if isinstance(options.augment, str) else describe(options.augment)


def _by_rows(refit: RefitByIds, ids: Array) -> Refit:
    """The same for positions among the training cases."""
    return lambda rows: refit(ids[rows])


def _default_target(labels: SoftLabels | None, votes: Array | None) -> str:
    """What step 1 learns where nobody says: soft labels, else the raters' votes, else the hard labels."""
    if labels is not None:
        return "prob"
    return "hard" if votes is None else "mean-vote"


def _begin(
    folder: Path, identity: Mapping[str, Any], resume: bool, writes: bool, options: StudentOptions
) -> Distilled | None:
    """Compare whole identities where a run is continued; return the student of one that is finished."""
    begun, done = folder / IDENTITY, folder / "student.json"
    if resume and begun.is_file():
        refuse_other(folder, read_json(begun), identity)
    elif resume and done.is_file():
        before = Spec.from_json(done).training.get("identity")
        if before is None:
            raise InputError(
                f"{done}: does not say what it was made from; start anew in another folder"
            )
        refuse_other(folder, before, identity)
        network = None if isinstance(options.student, str) else options.student
        return Distilled.load(folder, network=network)
    if writes:
        write_json(begun, identity)
    return None
