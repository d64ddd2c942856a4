"""What must be known beside the weights to use a student: the contents of student.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from ..errors import InputError
from ..records import describe
from .interval import LogitInterval
from .network import Shape
from .pooling import Pool, neurons
from .spec_entries import check_entries

FORMAT = 1
OWN = "object:"


@dataclass(frozen=True)
class Spec:
    """architecture: `cnn`, `logistic`, `timm:NAME`, or `object:NAME` for the user's own. classes: in the order of the probabilities.

    channels, height, width, keep_aspect, depth: of the images it reads (depth uint8, uint16 or
    float32). mean, std: per channel, of pixels on the [0, 1] scale. outputs: neurons of the last
    layer, but for the score of attention. pool: how several images of a case become one, see `pooling`. head: `softmax`, or `dirichlet` with concentrations exp(logit). seed: of its
    random weights. study_prevalence: p(Y) where it was trained; deployment_prevalence: p(Y) it is
    used at, None = the same. interval: that of its p(Y|X), or None. versions: of the software. training: how it was trained.
    """

    architecture: str
    classes: tuple[str, ...]
    channels: int
    height: int
    width: int
    outputs: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    depth: str = "uint8"
    keep_aspect: bool = False
    pool: Pool = "mean"
    head: Literal["softmax", "dirichlet"] = "softmax"
    seed: int = 0
    study_prevalence: tuple[float, ...] | None = None
    deployment_prevalence: tuple[float, ...] | None = None
    interval: LogitInterval | None = None
    versions: dict[str, str] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def is_own(self) -> bool:
        """Whether the network is the user's own, which its weights alone do not make."""
        return self.architecture.startswith(OWN)

    @property
    def shape(self) -> Shape:
        """What the network is built for."""
        return Shape(self.channels, self.height, self.width, neurons(self.outputs, self.pool))

    def to_json(self) -> str:
        """student.json. Non-finite numbers are written as the strings inf, -inf and nan."""
        return json.dumps({"format": FORMAT, **describe(asdict(self))}, indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, path: Path) -> Spec:
        """Read student.json. Raises InputError where it is missing or not one of ours."""
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected the folder of a finished run")
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: damaged, not JSON ({error}); distil again") from error
        if not isinstance(record, dict) or record.pop("format", None) != FORMAT:
            raise InputError(f"{path}: expected a student.json of format {FORMAT}; distil again")
        names = {f.name for f in fields(cls)}
        if set(record) != names:
            odd = sorted(set(record) ^ names)
            raise InputError(f"{path}: missing or unknown keys {', '.join(odd)}")
        check_entries(path, record)
        for name in ("classes", "mean", "std", "study_prevalence", "deployment_prevalence"):
            if record[name] is not None:
                record[name] = tuple(record[name])
        if record["interval"] is not None:
            record["interval"] = LogitInterval.of_record(record["interval"])
        return cls(**record)
