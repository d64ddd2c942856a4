"""The whole job: soft labels and images -> a student.

Step 1 trains a new student on p(Y|Z) of the training cases (or on any other target), which gives
theta_p. Step 2 continues from theta_p on the hard labels as MAP under N(theta_p, (2 lambda)^-1 I)
(Vega et al., AISTATS 2021, equations 4 and 5). Both are `train`. Test cases are never touched;
validation cases choose epochs and lambda, and nothing is fitted to them.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from torch import Tensor, nn

from ..arrays import Array
from ..images.augment import augmentation
from ..images.files import Files
from ..images.read import Size
from ..students.network import build_network
from ..students.student import ImagesLike, Student
from ..targets.base import Target, TargetData
from ..targets.hard import Hard
from ..targets.prob import Prob
from ..training.curve import Epoch, save_curve
from ..training.device import make_fabric
from ..training.loop import Trained
from ..training.schedule import Schedule, default_schedule
from ..training.source import Source
from ..training.stream import default_workers, memory_limit
from ..training.train import train
from ..training.weight_prior import WeightPrior, diagonal_fisher
from .choose import CHOICE, FOLDS_DONE, choose, job_of
from .lam import (
    GRID,
    LAM_FOLDS,
    LamChoice,
    Refit,
)
from .lam_evidence import gradients
from .last_layer import last_layer_posterior
from .prepare import Prepared, describe, read_training_data
from .teacher import taught

if TYPE_CHECKING:
    from ..softlabels import SoftLabels
    from ..table import Cases

STEP1, STEP2 = "checkpoint-step1.safetensors", "checkpoint-step2.safetensors"
CHECKPOINTS = (STEP1, FOLDS_DONE, CHOICE, STEP2)


@dataclass(frozen=True, eq=False)
class Distilled:
    """student: after step 2. theta_p: after step 1 (the same where there was no step 2).

    history: the learning curve of both steps. choice: how lambda was chosen, None where it was
    given. notes: what the user should know, one sentence each.
    """

    student: Student
    theta_p: Student
    history: tuple[Epoch, ...]
    choice: LamChoice | None
    notes: tuple[str, ...]

    def predict_proba(self, images: ImagesLike, batch: int = 256) -> Array:
        """p(Y|X), (cases, classes) float64."""
        return self.student.predict_proba(images, batch)

    def save(self, folder: Path | str) -> None:
        """Write student.safetensors, theta_p.safetensors, student.json, curve.csv and curve.png."""
        target = Path(folder)
        self.theta_p.save(target, "theta_p")
        self.student.save(target)
        save_curve(self.history, target)


def distill(
    labels: SoftLabels,
    cases: Cases,
    *,
    student: str = "cnn",
    weights: Path | None = None,
    image_size: Size = None,
    channels: int | None = None,
    keep_aspect: bool = False,
    stream: bool | None = None,
    workers: int | None = None,
    augment: str = "shift",
    target: Target | None = None,
    votes: Array | None = None,
    lam: float | Literal["auto"] = "auto",
    grid: Sequence[float] = GRID,
    folds: int = LAM_FOLDS,
    refit: Refit | None = None,
    exclude: tuple[str, ...] = (),
    fisher: bool = False,
    freeze_norm: bool = True,
    schedule: Schedule | None = None,
    map_schedule: Schedule | None = None,
    seed: int = 0,
    device: str = "auto",
    out: Path | str | None = None,
    resume: bool = False,
    progress: bool = False,
) -> Distilled:
    """Train a student on the training rows of `cases`, with the soft labels of the same ids.

    student: `cnn` or `timm:NAME`; weights: a local safetensors file of a timm backbone.
    image_size: pixels, None = the files' own. stream: decode images when they are needed, in
    `workers` processes, where True; keep them in memory where False; None streams where their
    pixels exceed a quarter of the memory available. The weights are the same. augment: a preset of
    `labelppl.images.augment`. target: what step 1 learns, None = the soft labels. votes: (cases,
    classes) counts, aligned with `cases`, for targets made of votes. lam: lambda of step 2; 0 = no
    prior, inf = stay at theta_p (no step 2), `auto` = by held-out NLL, over `grid`: on the
    validation split where it holds labels, else by grouped cross-validation in `folds` folds.
    refit: training rows (positions within `cases.train`) -> soft labels (rows, classes) by a label
    model fitted to those rows alone; without it the given soft labels serve in every fold. exclude: patterns of parameter names that
    the prior leaves free. fisher: weight the prior by the diagonal Fisher information of theta_p on
    the hard labels. freeze_norm: keep the running statistics of theta_p in step 2. schedule,
    map_schedule: of step 1 and 2, by default the same. out: a folder that receives all files, and
    checkpoints while training; resume: continue from them.

    Raises InputError for cases without images, labels without a training case and unreadable
    images; FailedWork where training diverges.
    """
    first = schedule or default_schedule(int((cases.split == "train").sum()))
    second = map_schedule or first.for_map()
    goal = target or Prob()
    fabric = make_fabric(device, first.precision)
    folder = None if out is None else Path(out)
    console = Console(stderr=True, quiet=not (progress and fabric.global_rank == 0))
    limit = memory_limit(fabric.device) if stream is None else -1 if stream else math.inf
    data = read_training_data(labels, cases, votes, image_size, channels, keep_aspect, limit)
    spec = describe(data, student, goal, seed)
    prepared = Prepared(data, spec, default_workers() if workers is None else workers)
    options: dict[str, Any] = {
        "seed": seed,
        "augment": augmentation(augment),
        "fabric": fabric,
        "resume": resume,
    }
    network = build_network(student, spec.shape, seed=seed, weights=weights)
    evidence = data.evidence
    if goal.needs_teacher:
        evidence = taught(prepared, copy.deepcopy(network), first, options, progress)
    held = prepared.held
    one = train(
        network,
        prepared.source,
        evidence,
        goal,
        first,
        held=held,
        checkpoint=None if folder is None else folder / STEP1,
        progress=progress,
        step="step 1",
        **options,
    )
    theta_p = copy.deepcopy(network)

    def centre(network: nn.Module, source: Source, some: TargetData) -> WeightPrior:
        weights = _fisher(network, source, some.hard) if fisher else None
        return WeightPrior.around(network, math.inf, exclude=exclude, fisher=weights)

    notes: list[str] = []
    choice: LamChoice | None = None
    labelled = int((evidence.hard >= 0).sum())
    value: float = math.inf
    if labelled == 0:
        notes.append("no training case has a hard label: step 2 was skipped, student = theta_p")
    elif lam == "auto":
        job = job_of(
            prepared, evidence, goal, first, second, weights, centre, freeze_norm, options, progress
        )
        choice = choose(
            job, network, prepared, grid, folds, refit, seed, console.print,
            folder=folder, resume=resume, writes=fabric.global_rank == 0,
        )  # fmt: skip
        if choice.source == "cross-validation" and not choice.refitted:
            notes.append(
                "lambda was chosen with the given soft labels in every fold; the label model was "
                "not refitted"
            )
        value = choice.lam
    else:
        value = float(lam)
    prior = replace(centre(network, prepared.source, evidence), lam=value)
    two = _Nothing
    if labelled and not math.isinf(value):
        two = train(
            network,
            prepared.source,
            evidence,
            Hard(),
            second,
            prior=prior,
            freeze_norm=freeze_norm,
            held=held,
            checkpoint=None if folder is None else folder / STEP2,
            progress=progress,
            step="step 2",
            **options,
        )
    laplace = last_layer_posterior(network, spec.head, prepared.source, evidence.hard, prior)
    training = {
        "target": goal.name,
        "augment": augment,
        "images": "streamed" if isinstance(data.train, Files) else "in memory",
        "cases": one.cases,
        "labelled": labelled,
        "step1": asdict(first),
        "step2": asdict(second) if two is not _Nothing else None,
        "precision": one.precision,
        "best_epoch_step1": one.best_epoch,
        "prior": {**prior.record(), "proximal": two.proximal, "freeze_norm": freeze_norm},
        "lam": choice.record() if choice else {"lam": value, "source": "given"},
        "laplace": laplace.note,
        "notes": notes,
    }
    spec = replace(spec, training=training)
    done = Distilled(
        Student(network.cpu().eval(), spec, laplace.posterior),
        Student(theta_p.cpu().eval(), spec),
        one.history + two.history,
        choice,
        tuple(notes),
    )
    if folder is not None and fabric.global_rank == 0:
        done.save(folder)
        for name in CHECKPOINTS:
            (folder / name).unlink(missing_ok=True)
    return done


_Nothing = Trained((), -1, 0, None, "")


def _fisher(network: nn.Module, source: Source, hard: Tensor) -> dict[str, Tensor]:
    seen = (hard >= 0).nonzero().squeeze(1)
    device = next(network.parameters()).device
    return diagonal_fisher(gradients(network, source.take(seen), hard[seen], device), len(seen))
