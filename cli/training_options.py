"""The options of the student, the schedule and the weight prior, which `distill` and `compare` share.

Each option is a field of `StudentOptions`, `Schedule` or `PriorOptions`, by its own name. In ``--config FILE.toml`` they may
stand in tables such as ``[student]``, ``[schedule]`` and ``[prior]``, which only group them for the reader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labelppl.errors import InputError

from . import options

if TYPE_CHECKING:
    from labelppl.distillation.prior_options import PriorOptions
    from labelppl.students.options import StudentOptions

#: record -> field -> (type, what it is, default in words). Lists are text with commas between their parts.
FIELDS: dict[str, dict[str, tuple[Any, str, str]]] = {
    "student": {
        "student": (str, "cnn (the paper's network), logistic, timm:NAME, or your own FILE.py:NAME.", "cnn"),
        "weights": (options.FILE, "Local safetensors file of starting weights.", "random ones"),
        "mean": (str, "Per channel, what is subtracted from pixels between 0 and 1; with --std.", "the images' own"),
        "std": (str, "Per channel, what they are divided by.", "the images' own"),
        "frozen": (str, "Layers that do not learn, by patterns of parameter names.", "none"),
        "rates": (str, "Layers with a learning rate of their own, PATTERN=FACTOR,…", "none"),
        "image_size": (click.IntRange(min=1), "Resize images to this side.", "as they are"),
        "channels": (click.IntRange(1, 3), "1 or 3.", "1 where every image is grey"),
        "keep_aspect": (bool, "Pad images, do not stretch them.", "stretch"),
        "augment": (
            str,
            "Augmentation: shift, xray, ultrasound, fundus, natural (+hflip, +vflip, +rot90), none, auto (held-out cases choose), or your own FILE.py:NAME.",
            "shift",
        ),
        "pool": (str, "How several images of one case become one answer: mean of their logits, or attention, which is learned.", "mean"),
        "ensemble": (click.IntRange(min=2), "Students with other seeds that are trained first; the student learns their mean beside its target.", "none"),
        "stream": (bool, "Decode images when they are needed, or keep them in memory. Same weights.", "what fits"),
        "workers": (click.IntRange(min=0), "Processes that decode streamed images.", "the cores but one"),
    },
    "schedule": {
        "epochs": (click.IntRange(min=1), "Epochs of each step.", "by the number of cases"),
        "batch_size": (click.IntRange(min=1), "Cases per update.", "16, or 64 from 2,000 cases on"),
        "lr": (float, "Peak learning rate.", "0.001"),
        "optimiser": (str, "adam, adamw or sgd (with Nesterov momentum).", "adam"),
        "momentum": (float, "Of sgd.", "0.9"),
        "weight_decay": (float, "Of step 1 and of methods with one step; step 2 has its prior instead.", "0"),
        "decay": (str, "How the rate falls: cosine, restarts, step or constant.", "cosine"),
        "warmup": (float, "Share of the updates over which the rate rises.", "0.05"),
        "floor": (float, "Lowest rate of a cosine, as a share of the peak.", "0.01"),
        "cycle": (click.IntRange(min=1), "Epochs of the first cycle of restarts, or between two steps.", "10"),
        "cycle_factor": (click.IntRange(min=1), "How much longer each cycle of restarts is than the last.", "2"),
        "drop": (float, "Factor of each step.", "0.1"),
        "clip": (float, "Largest norm of the gradient.", "none"),
        "accumulate": (click.IntRange(min=1), "Parts in which a batch is computed, to save memory.", "1"),
        "ema": (float, "Decay of the moving average of the weights that is kept.", "none"),
        "precision": (str, "auto, 32 or bf16.", "auto"),
        "patience": (click.IntRange(min=1), "Epochs without a better validation NLL before stopping.", "none"),
        "compile": (bool, "Compile the network with torch.compile.", "no"),
    },
    "prior": {
        "lam": (str, "Half the precision of the weight prior: auto (held-out cases choose), evidence (no folds), or a number; inf stays at step 1.", "auto"),
        "space": (str, "What the prior holds: weights, or predictions on the training images (lam is then beta).", "weights"),
        "grid": (str, "Candidates of --lam auto, A,B,…", "inf,1e4,1e3,100,10,1,0.1,0"),
        "folds": (click.IntRange(min=2), "Folds of the cross-validation behind --lam auto.", "3"),
        "layers": (str, "Layers that the weight prior holds, by patterns of parameter names.", "all"),
        "free": (str, "Layers that it leaves free.", "none"),
        "fisher": (bool, "Weight the prior by the diagonal Fisher information.", "no"),
        "freeze_norm": (bool, "Keep normalisation's running statistics in step 2.", "yes"),
        "tolerance": (float, "Nats above its optimum at which step 2 may end.", "0.01 for logistic, else none"),
    },
}  # fmt: skip
#: Fields whose text is a list.
TEXTS, NUMBERS = ("frozen", "layers", "free"), ("mean", "std", "grid")


def training(command: Callable[..., Any]) -> Callable[..., Any]:
    """All options of this file."""
    every = [item for fields in FIELDS.values() for item in fields.items()]
    for name, (kind, words, default) in reversed(every):
        flag = name.replace("_", "-")
        spelt = f"--{flag}/--no-{flag}" if kind is bool else f"--{flag}"
        command = click.option(
            spelt, name, type=kind, default=None, help=f"{words}  [default: {default}]"
        )(command)
    return command


@dataclass(frozen=True)
class Training:
    """What the options say. schedule: fields that differ from the default for the number of cases."""

    student: StudentOptions
    schedule: Mapping[str, Any]
    prior: PriorOptions


def read_training(arguments: dict[str, Any]) -> Training:
    """Take the options of this file out of `arguments`. Raises InputError for values out of range."""
    from labelppl.distillation.prior_options import PriorOptions
    from labelppl.python_files import load_object, names_object
    from labelppl.students.options import StudentOptions
    from labelppl.training.schedule import Schedule

    values: dict[str, dict[str, Any]] = {}
    for record, fields in FIELDS.items():
        stated = {name: arguments.pop(name) for name in fields}
        values[record] = {name: _read(name, v) for name, v in stated.items() if v is not None}
    for name in ("student", "augment"):
        text = values["student"].get(name, "")
        if names_object(text):
            values["student"][name] = load_object(text)
            if name == "student":
                file, _, own = text.rpartition(":")
                values["student"]["place"] = f"{Path(file).resolve()}:{own}"
    Schedule(**values["schedule"])  # refused now, not after the fit
    return Training(
        StudentOptions(**values["student"]), values["schedule"], PriorOptions(**values["prior"])
    )


def _read(name: str, value: Any) -> Any:
    if name == "lam":
        return options.read_lam(str(value))
    if name in TEXTS:
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if name in NUMBERS:
        return tuple(_number(name, part) for part in value.split(","))
    if name == "rates":
        pairs = options.read_pairs(tuple(value.split(",")), "rates")
        return tuple((pattern, _number(name, factor)) for pattern, factor in pairs.items())
    return value


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(
            f"--{name} {text.strip()}: expected numbers with commas between them"
        ) from None
