"""A student in an ONNX file: images -> p(Y|X), with onnxruntime alone.

Everything that the probabilities depend on stands in the graph. The file's notes (one JSON text, `labelppl`) say what
the numbers mean: the classes, what pixels it takes, the prevalences, prediction sets and which cases it answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array
from ..calibration.confidence import Confidence
from ..calibration.conformal import Conformal
from ..errors import InputError
from ..images.decode import decode, planes
from ..prevalence import read_prevalence
from ..students.interval import StudentEnds
from ..students.prediction import Prediction, Spread
from .names import EPISTEMIC, HIGH, LOW, MEAN, NOTES, NOTES_FORMAT, PIXELS, PREVALENCE, PROBS, STUDY

PIXELS_AT_ONCE = 64 * 512 * 512
"""Of a batch; one picture may have more."""
STORED = {"uint8": np.uint8, "uint16": np.int32, "float32": np.float32}
"""What an ONNX runtime takes for pixels of each depth; unsigned 16-bit numbers have few operators there."""


@dataclass(frozen=True)
class Notes:
    """What an ONNX file says of its student, beside the graph.

    classes: in the order of the probabilities. channels, height, width, depth: of the images it was trained on; the
    graph resizes others. study_prevalence, deployment_prevalence: (classes,) or None. calibration: the map's name, or
    None. sets, confidence: records of `conformal.json` and `calibration.json`, or None. student: SHA-256 of the weights.
    trained: what the model card says of the training. versions: of the software.
    """

    classes: tuple[str, ...]
    channels: int
    height: int
    width: int
    depth: str
    study_prevalence: tuple[float, ...] | None
    deployment_prevalence: tuple[float, ...] | None
    calibration: str | None
    sets: Mapping[str, Any] | None
    confidence: Mapping[str, Any] | None
    student: str
    versions: Mapping[str, str]

    def to_text(self) -> str:
        """Return the JSON text that the file keeps."""
        return json.dumps({"format": NOTES_FORMAT, **asdict(self)}, allow_nan=False)

    @classmethod
    def from_text(cls, text: str | None, path: Path) -> Notes:
        """Read what `to_text` wrote. Raises InputError for anything else."""
        wrong = InputError(f"{path}: no ONNX file of this labelppl; make one with labelppl export")
        try:
            content = json.loads(text or "")
            if not isinstance(content, dict) or content.pop("format", None) != NOTES_FORMAT:
                raise wrong
            notes = cls(**content)
            classes = tuple(notes.classes)
            prevalences = [
                None if p is None else tuple(float(v) for v in p)
                for p in (notes.study_prevalence, notes.deployment_prevalence)
            ]
            numbers = (notes.channels, notes.height, notes.width)
        except (TypeError, ValueError, RecursionError):
            raise wrong from None
        lengths = {len(classes)} | {len(p) for p in prevalences if p is not None}
        if (
            not all(isinstance(n, int) and n > 0 for n in numbers)
            or not all(isinstance(name, str) for name in classes)
            or len(set(classes)) != len(classes)
            or lengths != {len(classes)}
            or notes.depth not in STORED
        ):
            raise wrong
        return cls(
            **{
                **vars(notes),
                "classes": classes,
                "study_prevalence": prevalences[0],
                "deployment_prevalence": prevalences[1],
            }
        )


@dataclass(frozen=True, eq=False)
class OnnxStudent:
    """A student that needs no torch; `load_onnx` reads one.

    Attributes:
        notes: What its file says of it.
        session: The onnxruntime session.
        prevalence: Where it is used, (classes,); None is the file's own.

    Examples:
        >>> def classify(path: Path, images: list[Path]) -> Array:
        ...     student: OnnxStudent = load_onnx(path)
        ...     return student.predict(images).probs
        >>> classify(Path("no-such-student.onnx"), [Path("scan.png")])
        Traceback (most recent call last):
        ...
        labelppl.errors.InputError: no-such-student.onnx: ...
    """

    notes: Notes
    session: Any
    prevalence: tuple[float, ...] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return self.notes.classes

    def at(self, prevalence: Mapping[str, float]) -> OnnxStudent:
        """The same student where classes are as common as stated.

        Raises InputError where the study prevalence is unknown, or the new one is no prevalence.
        """
        if self.notes.study_prevalence is None:
            raise InputError("student: its study prevalence is not recorded, so it cannot be moved")
        return OnnxStudent(self.notes, self.session, read_prevalence(prevalence, self.classes))

    def predict(self, images: Sequence[Path]) -> Prediction:
        """Classify image files. Raises InputError, naming the path, as `labelppl.images` does."""
        return self.predict_both(images)[0]

    def predict_pixels(self, pixels: Array) -> Prediction:
        """Classify stored values (images, channels, height, width)."""
        ids = tuple(str(i) for i in range(len(pixels)))
        return self._prediction(ids, self._run(pixels.astype(STORED[self.notes.depth])))

    def predict_both(
        self,
        images: Sequence[Path],
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> tuple[Prediction, Array]:
        """As `predict`, and p (cases, classes) at the study prevalence, which sets and answers go by."""
        parts, done = [], 0
        for pixels in self._batches(images):
            parts.append(self._run(pixels))
            done += len(pixels)
            progress(done, len(images))
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return self._prediction(tuple(str(image) for image in images), whole), whole[STUDY]

    @property
    def sets(self) -> Conformal | None:
        """The prediction sets in force."""
        return None if self.notes.sets is None else Conformal.from_record(self.notes.sets)

    @property
    def confidence(self) -> Confidence | None:
        """Which cases it answers."""
        record = self.notes.confidence
        return None if record is None else Confidence.from_record(record)

    def _run(self, pixels: Array) -> dict[str, Array]:
        names = [output.name for output in self.session.get_outputs()]
        feed: dict[str, Array] = {PIXELS: pixels}
        if self.prevalence is not None:
            feed[PREVALENCE] = np.asarray(self.prevalence, dtype=np.float64)
        return dict(zip(names, self.session.run(names, feed), strict=True))

    def _prediction(self, ids: tuple[str, ...], outputs: Mapping[str, Array]) -> Prediction:
        spread = Spread(outputs[MEAN], outputs[EPISTEMIC]) if MEAN in outputs else None
        interval = StudentEnds(outputs[LOW], outputs[HIGH]) if LOW in outputs else None
        return Prediction(
            ids, self.classes, outputs[PROBS], outputs.get(EPISTEMIC), spread, interval
        )

    def _batches(self, images: Sequence[Path]) -> Iterator[Array]:
        """Pixels (batch, channels, height, width); neighbours of one size go together."""
        waiting: list[Array] = []
        for path in images:
            picture = self._pixels(path)
            full = sum(other.size for other in waiting) + picture.size > PIXELS_AT_ONCE
            if waiting and (full or picture.shape != waiting[0].shape):
                yield np.stack(waiting)
                waiting = []
            waiting.append(picture)
        if waiting:
            yield np.stack(waiting)

    def _pixels(self, path: Path) -> Array:
        notes = self.notes
        picture = decode(path)
        if picture.dtype.name != notes.depth:
            raise InputError(
                f"{path}: got {picture.dtype} pixels, expected {notes.depth} as the student was trained; convert the image"
            )
        return np.asarray(planes(path, picture, notes.channels), dtype=STORED[notes.depth])


def load_onnx(path: Path) -> OnnxStudent:
    """Read a student that `labelppl export` wrote.

    Args:
        path: The ONNX file.

    Returns:
        The student.

    Raises:
        InputError: No such file, no onnxruntime, or a file that is not ours. Weights outside the file are refused.

    Examples:
        >>> load_onnx(Path("no-such-student.onnx"))
        Traceback (most recent call last):
        ...
        labelppl.errors.InputError: no-such-student.onnx: ...
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; make it with labelppl export")
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(
            f"{path}: onnxruntime cannot be imported ({error}); pip install 'labelppl[export]'"
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    content = path.read_bytes()  # bytes have no folder, so that no file beside them is opened
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        text = session.get_modelmeta().custom_metadata_map.get(NOTES)
        inputs = {i.name: i for i in session.get_inputs()}
        outputs = {output.name for output in session.get_outputs()}
    except Exception as error:  # onnxruntime's exceptions share no base of their own
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path}: cannot be read as ONNX ({first})") from error
    notes = Notes.from_text(text, path)
    if set(inputs) != {PIXELS} or not {PROBS, STUDY} <= outputs:
        raise InputError(f"{path}: no ONNX file of this labelppl; make one with labelppl export")
    return OnnxStudent(notes, session)
