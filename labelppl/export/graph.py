"""A student as one function of stored pixels and a prevalence, written as an ONNX graph.

    pixels -> resize -> normalise -> network -> log-odds -> map -> prevalence -> p(Y|X), uncertainty

Everything that `Student.predict` does stands in the graph, so whoever runs it needs neither torch nor this package.
The network computes in float32, all that follows in float64.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import FailedWork, InputError
from ..students.logits import class_logits, log_odds
from ..students.pooling import split_score
from ..students.student import Student, normalise
from ..students.weight_posterior import last_linear, with_features
from .map_layers import map_layer
from .names import EPISTEMIC, HIGH, LOW, MEAN, PIXELS, PREVALENCE, PROBS, STUDY
from .resize import resize
from .uncertainty import Covariance, WeightSpread, Widths

OPSET = 18
"""The first in which every operation of the graph exists in float64."""


class StudentGraph(nn.Module):
    """`Student.predict` of stored values (batch, channels, any height, any width) in plain tensor operations.

    forward: pixels, prevalence (classes,) -> probs and study_probs (batch, classes), float64; then, where the student
    has an interval, low and high (batch, classes); then, where it has a posterior of its weights, laplace (batch, classes)
    and epistemic (batch,); for a Dirichlet head epistemic alone.

    Raises InputError for a map that no graph can hold.
    """

    def __init__(self, student: Student) -> None:
        super().__init__()
        self.network = student.network.cpu().eval()
        self.spec = student.spec
        self.layer = last_linear(self.network) if student.posterior is not None else None
        if student.posterior is not None:
            self.covariance = Covariance(student.posterior, student.spec.outputs)
            self.spread = WeightSpread(len(student.classes))
        mapping = student.in_force.mapping
        self.map = None if mapping is None else map_layer(mapping)
        study = student.spec.study_prevalence
        self.study_log = None if study is None else torch.tensor(study, dtype=torch.float64).log()

    @property
    def outputs(self) -> list[str]:
        """The names of what forward returns."""
        always = [PROBS, STUDY] + ([] if self.spec.interval is None else [LOW, HIGH])
        if self.layer is not None:
            return [*always, MEAN, EPISTEMIC]
        return always + ([EPISTEMIC] if self.spec.head == "dirichlet" else [])

    def forward(self, pixels: Tensor, prevalence: Tensor | None = None) -> tuple[Tensor, ...]:
        """See the class."""
        spec = self.spec
        size = (spec.height, spec.width)
        seen = resize(pixels, size, spec.depth, spec.keep_aspect).to(torch.float32)
        ready = normalise(seen, spec)
        covariance = None
        if self.layer is None:
            output, _ = split_score(self.network(ready), spec.pool)
        else:
            output, features = with_features(self.network, self.layer, ready)
            covariance = self.covariance(features)
        logits = class_logits(output).double()
        shift = torch.zeros(len(spec.classes), dtype=torch.float64)
        if prevalence is not None and self.study_log is not None:
            shift = prevalence.log() - self.study_log
        probs, study = self._carry(logits, shift), self._carry(logits, torch.zeros_like(shift))
        always = (probs, study, *self._ends(logits, shift))
        if covariance is not None:
            return *always, *self._spread(logits, covariance, shift)
        if spec.head == "dirichlet":
            return *always, _dirichlet_information(logits.exp())
        return always

    def _carry(self, logits: Tensor, shift: Tensor) -> Tensor:
        """p at a prevalence, of logits at the study prevalence."""
        if self.map is None:
            return (logits + shift).softmax(1)
        return self._moved(logits.softmax(1), shift)

    def _moved(self, probs: Tensor, shift: Tensor) -> Tensor:
        """p at a prevalence, of p at the study prevalence."""
        return self._shifted(probs if self.map is None else self.map(probs), shift)

    def _shifted(self, mapped: Tensor, shift: Tensor) -> Tensor:
        """A map may give exact zeros, whose logarithm is −inf; they stay zeros."""
        raised = mapped * (shift - shift.max()).exp()
        return raised / raised.sum(1, keepdim=True)

    def _spread(self, logits: Tensor, covariance: Tensor, shift: Tensor) -> Widths:
        """As `Student` does it."""
        if self.map is None:
            return self.spread(logits + shift, covariance)
        mean, epistemic = self.spread(logits, covariance)
        return self._moved(mean, shift), epistemic

    def _ends(self, logits: Tensor, shift: Tensor) -> tuple[Tensor, ...]:
        """As `Student` does it: the end of a class goes with the others in the proportions that they have."""
        interval, classes = self.spec.interval, range(len(self.spec.classes))
        if interval is None:
            return ()
        odds, probs = log_odds(logits), logits.softmax(1)
        ends = []
        for added in (interval.below, interval.above):
            end = torch.sigmoid(odds + torch.tensor(added, dtype=torch.float64))
            columns = []
            for k in classes:
                others = 1 - probs[:, k]
                rest = (1 - end[:, k]) / torch.where(others > 0, others, torch.ones_like(others))
                parts = [end[:, j] if j == k else probs[:, j] * rest for j in classes]
                path = torch.stack(parts, 1)
                columns.append(self._moved(path / path.sum(1, keepdim=True), shift)[:, k])
            ends.append(torch.stack(columns, 1))
        return tuple(ends)


def write_graph(
    graph: StudentGraph, path: Path, prevalence: tuple[float, ...] | None, notes: dict[str, str]
) -> None:
    """Write the graph as an ONNX file with its notes.

    Args:
        graph: The student.
        path: The file.
        prevalence: The default of the input `prevalence`, (classes,); None where the study prevalence is unknown.
        notes: Metadata, text by name.

    Raises:
        InputError: A network that cannot be written as ONNX, named by its layer or operation.
        FailedWork: The file would be larger than ONNX allows.
    """
    import onnx

    spec = graph.spec
    kind = {"uint8": torch.uint8, "uint16": torch.int32, "float32": torch.float32}[spec.depth]
    example: list[Any] = [
        torch.zeros(2, spec.channels, spec.height + 3, spec.width + 5, dtype=kind)
    ]
    dynamic: list[Any] = [
        {0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
    ]
    names = [PIXELS]
    if prevalence is not None:
        example.append(torch.tensor(prevalence, dtype=torch.float64))
        dynamic.append({})
        names.append(PREVALENCE)
    try:
        with (
            warnings.catch_warnings(),
            torch.no_grad(),
            _quiet("torch.onnx", "onnxscript", "torch.export"),
        ):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                graph, tuple(example), dynamo=True, dynamic_shapes=tuple(dynamic), input_names=names,
                output_names=graph.outputs, opset_version=OPSET, verbose=False, optimize=True,
            )  # fmt: skip
    except Exception as error:  # the exporter raises what it meets on its way
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"student {spec.architecture}: cannot be written as ONNX ({first}); replace the layer that it names"
        ) from error
    assert program is not None
    model = program.model_proto
    _name_axes(model)
    if prevalence is not None:
        default = onnx.numpy_helper.from_array(np.asarray(prevalence, dtype=np.float64), PREVALENCE)
        model.graph.initializer.append(default)
    for name, text in notes.items():
        model.metadata_props.add(key=name, value=text)
    if model.ByteSize() >= onnx.checker.MAXIMUM_PROTOBUF:
        raise FailedWork(
            f"{path}: the network has over 2 GB of weights, which one ONNX file cannot hold"
        )
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def _name_axes(model: Any) -> None:
    """Give the free axes of the pixels the names that a reader of the file expects."""
    axes = model.graph.input[0].type.tensor_type.shape.dim
    names = {axes[0].dim_param: "batch", axes[2].dim_param: "height", axes[3].dim_param: "width"}
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param in names:
                axis.dim_param = names[axis.dim_param]


def _dirichlet_information(alpha: Tensor) -> Tensor:
    """Mutual information between label and probabilities (cases,), as `Student` gives it."""
    total = alpha.sum(1, keepdim=True)
    p = alpha / total
    return (p * (_digamma(alpha + 1) - _digamma(total + 1) - p.log())).sum(1).clamp(min=0)


def _digamma(x: Tensor) -> Tensor:
    """ψ of x > 1: eight steps up, ψ(x) = ψ(x + 8) − Σ 1/(x + i), then its asymptotic series (error below 1e-13)."""
    up = x + 8
    below = sum((1 / (x + i) for i in range(1, 8)), 1 / x)
    inverse = 1 / up.square()
    series = inverse * (
        1 / 12 - inverse * (1 / 120 - inverse * (1 / 252 - inverse * (1 / 240 - inverse / 132)))
    )
    return up.log() - 0.5 / up - series - below


class _quiet:  # noqa: N801 - a block, like contextlib's
    """The named loggers say errors alone while the block runs."""

    def __init__(self, *names: str) -> None:
        self.loggers = [logging.getLogger(name) for name in names]

    def __enter__(self) -> None:
        self.levels = [logger.level for logger in self.loggers]
        for logger in self.loggers:
            logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        for logger, level in zip(self.loggers, self.levels, strict=True):
            logger.setLevel(level)
