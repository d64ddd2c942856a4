"""M students with other seeds, distilled back into one: `--ensemble M`.

Each member is trained as step 1 is, on the same cases and the same target, from other random weights and in another order.
What step 1 of the one student then learns is the target beside the mean of the members' probabilities
(`labelppl.targets.ensembled`). Members never see step 2: hard labels that step 2 learns would count twice if theta_p had
learned them through the members.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..seeds import stream
from ..students.options import StudentOptions
from ..targets import make_target
from ..targets.base import Target
from ..targets.ensembled import MEMBERS_SHARE, Ensembled, refuse_head
from ..targets.target_data import TargetData
from ..training.held import Held, predict_logits
from ..training.schedule import Schedule
from ..training.source import Source
from ..training.train import train
from .prepare import Prepared


@dataclass(frozen=True)
class EnsembleRecord:
    """members: how many. share: of their mean in the target. best_epochs: (members,), those that were kept, from 0.

    spread: mean over cases of the members' standard deviation in the probability of the likeliest class.
    """

    members: int
    share: float
    best_epochs: tuple[int, ...]
    spread: float

    def record(self) -> dict[str, Any]:
        """What student.json says about it."""
        return asdict(self)


def checkpoint_of(folder: Path, member: int) -> Path:
    """Where the training of a member is kept until the run is done."""
    return folder / f"checkpoint-member-{member}.safetensors"


def check_ensemble(options: StudentOptions, goal: Target) -> None:
    """Raise InputError where members could not differ, or their mean is no target."""
    if options.ensemble is None:
        return
    if options.student == "logistic":
        raise InputError(
            "ensemble: a logistic student starts at zero and has one optimum, so that its members would be the same; leave "
            "--ensemble out or choose another --student"
        )
    if isinstance(options.student, nn.Module):
        raise InputError(
            "ensemble: the student is a network with weights of its own, so that all members would start from them; give a "
            "factory, which makes a new one for each seed"
        )
    refuse_head(goal)


def with_ensemble(
    goal: Target,
    prepared: Prepared,
    source: Source,
    evidence: TargetData,
    schedule: Schedule,
    options: dict[str, Any],
    *,
    held: Held | None,
    stop_after: int | None,
    folder: Path | None,
    progress: bool,
) -> tuple[Ensembled, EnsembleRecord]:
    """The goal beside the mean of the members.

    source, evidence: the training cases. options: of `train`, those of step 1. held: cases that choose a member's epoch.
    folder: keeps the members' checkpoints, None none.
    """
    members = prepared.options.ensemble
    assert members is not None
    usable = goal.usable(evidence)
    said: list[Tensor] = []
    best = []
    for number in range(1, members + 1):
        seed = stream(prepared.spec.seed, "ensemble", number).integer()
        network = prepared.network(seed)
        done = train(
            network, source, evidence, make_target(goal), schedule, held=held, stop_after=stop_after,
            checkpoint=None if folder is None else checkpoint_of(folder, number),
            progress=progress, step=f"member {number}", **{**options, "seed": seed},
        )  # fmt: skip
        device = next(network.parameters()).device
        logits = predict_logits(network, source, device)
        said.append(goal.probabilities(logits).double().cpu()[usable.cpu()])
        best.append(done.best_epoch)
    probs = options["fabric"].broadcast(torch.stack(said))
    mean = probs.mean(0)
    likeliest = mean.argmax(1)[None, :, None].expand(members, -1, 1)
    spread = float(probs.gather(2, likeliest).std(0).mean())
    return Ensembled(goal, mean), EnsembleRecord(members, MEMBERS_SHARE, tuple(best), spread)
