"""``evaluate``: a student and held-out cases -> metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from pandas import DataFrame

from ..arrays import Array
from ..case_images import CaseImages, has_several, image_counts, images_in_words, paths_of_all
from ..errors import InputError
from ..images.by_case import ImagesByCase, Pictures
from ..images.read import Images
from ..metrics.evaluate import evaluate
from ..metrics.listed import metric_named
from ..metrics.metric import Metric
from ..metrics.metrics import Metrics
from ..metrics.threshold import ThresholdRule
from ..prevalence import read_prevalence
from ..runs import check_file, read_run_json, step, verify, write_json
from ..softlabels import SoftLabels
from ..students.options import StudentLike
from ..students.student import ImagesLike, Student
from ..table import Cases, Delimiters, read_frame, typed_ids
from .inputs import cases_without_model
from .label_draws import label_draws
from .own_student import own_network
from .students import study_student
from .telling import Teller

PRINTED = (
    "accuracy", "auc", "nll", "ece", "smece", "sensitivity", "specificity", "kl", "kl_true",
    "accuracy_bayes",
)  # fmt: skip
"""The metrics that the command prints, beside those that were asked for; all are in metrics.json."""


BY_IMAGES = "images"
"""What ``--by`` takes beside columns: how many images a case has."""


@dataclass(frozen=True)
class EvaluateSettings:
    """The options of ``labelppl evaluate``; see there."""

    data: Path | None = None
    delimiters: Delimiters | None = None
    split: str = "test"
    out: Path | None = None
    metrics: tuple[str | Metric, ...] = ()
    by: tuple[str, ...] = ()
    operating_point: str | None = None
    positive: str | None = None
    prevalence: Mapping[str, float] | None = None
    top: int | None = None
    label_draws: int = 0
    student: str | None = None
    raw: bool = False
    trust: bool = False
    seed: int = 0

    def record(self) -> dict[str, object]:
        """The settings as ``run.json`` keeps them."""
        keys = [m.key if isinstance(m, Metric) else m for m in self.metrics]
        paths = {name: None if value is None else str(value) for name, value in
                 (("data", self.data), ("out", self.out))}  # fmt: skip
        delimiters = {} if self.delimiters is None else self.delimiters.record()
        return {
            **asdict(self),
            **paths,
            "delimiters": delimiters,
            "metrics": keys,
            "by": list(self.by),
        }


@dataclass(frozen=True, eq=False)
class Seen:
    """A student that is asked by path, and remembers the interval that it gave to each.

    images: those of all cases, where they are decoded already. ends: images of a case -> (2, classes), low and high.
    """

    student: Student
    images: Images | None
    ends: dict[CaseImages, Array] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """Of the student."""
        return self.student.classes

    def predict_proba(self, cases: Sequence[CaseImages]) -> Array:
        """p(Y|X), (cases, classes), as the student gives it for the files."""
        said = replace(self.student, posterior=None).predict(self._images(cases))
        if said.interval is not None:
            both = np.stack(said.interval, axis=1)
            self.ends.update(zip(cases, both, strict=True))
        return said.probs

    def _images(self, cases: Sequence[CaseImages]) -> ImagesLike:
        if self.images is None:
            return cases
        place = {Path(name).resolve(): row for row, name in enumerate(self.images.ids)}
        rows = np.array([place[path.resolve()] for path in paths_of_all(cases)], np.int64)
        images = self.images.take(rows)
        return ImagesByCase.of(images, image_counts(cases)) if has_several(cases) else images

    def columns(self, cases: Sequence[CaseImages]) -> dict[str, Array]:
        """lo_CLASS and hi_CLASS, (cases,) each; empty where the student has no interval."""
        if not self.ends:
            return {}
        both = np.stack([self.ends[case] for case in cases])
        names = [f"{end}_{name}" for name in self.classes for end in ("lo", "hi")]
        return dict(zip(names, both.transpose(2, 1, 0).reshape(len(names), -1), strict=True))


def evaluate_job(
    run: Path,
    settings: EvaluateSettings,
    *,
    say: Teller,
) -> Metrics:
    """Metrics of the run's student at the study prevalence, written into the run or to ``out``."""
    network = own_network(run, settings.student, trust=settings.trust)
    made = read_run_json(run)
    if settings.out is not None:
        inputs = (made.data, made.model, settings.data)
        check_file(settings.out, suffixes=(".json",), inputs=inputs, columns=("n", "n_labelled"))
    if settings.operating_point is not None:
        ThresholdRule.read(settings.operating_point)
    for metric in settings.metrics:
        if isinstance(metric, str):
            metric_named(metric)
        elif not isinstance(metric, Metric):
            raise InputError(
                f"--metric: got {type(metric).__name__}, expected a labelppl.metrics.Metric; see docs/extending.md"
            )
    with step(run, "evaluate", settings.record(), say.command_line):
        return measure(run, settings, say=say, network=network)


def measure(
    run: Path,
    settings: EvaluateSettings,
    *,
    say: Teller,
    network: StudentLike | None = None,
    images: Pictures | None = None,
) -> Metrics:
    """What `evaluate_job` does, in a folder that the caller keeps to itself.

    No model file is executed, unless draws of the soft labels are asked for. network: of a student of the user's own,
    whose file holds weights alone. images: those of the whole table, where they are decoded already.
    """
    everyone = cases_without_model(run, settings.data, settings.delimiters)
    rows = np.ones(len(everyone), dtype=bool)
    if settings.split != "all":
        rows = np.asarray(everyone.split == settings.split)
    cases = everyone.take(rows)
    for name in ("student.json", "student.safetensors"):
        verify(run, name)
    student, moved = study_student(run, raw=settings.raw, network=network)
    if moved:
        say("evaluated at the study prevalence, where these cases were collected")
    if student.in_force.mapping is not None:
        say(f"with the {student.in_force.mapping.name} map in force; --raw switches it off")
    pooled = _pooled(student, cases)
    if pooled is not None:
        say(pooled)
    decoded = images.images if isinstance(images, ImagesByCase) else images
    prevalence = None
    if settings.prevalence is not None:
        shares = read_prevalence(settings.prevalence, cases.classes)
        prevalence = dict(zip(cases.classes, map(float, shares), strict=True))
    seen = Seen(student, decoded if isinstance(decoded, Images) else None)
    metrics = evaluate(
        seen,
        cases,
        labels=_labels(run, settings, say),
        metrics=settings.metrics,
        by=_columns(settings, everyone, rows),
        operating_point=settings.operating_point,
        positive=settings.positive,
        validation=everyone.val if settings.data is None else cases_without_model(run).val,
        prevalence=prevalence,
        top=settings.top,
        seed=settings.seed,
    )
    if pooled is not None:
        metrics = replace(metrics, notes=(*metrics.notes, pooled))
    assert metrics.predictions is not None
    ids = typed_ids(cases.ids, cases.id_type)
    ends = seen.columns(cases.images or ())
    metrics = metrics.with_tables(metrics.predictions.assign(id=ids, **ends), metrics.curves)
    if settings.out is None:
        metrics.save(run)
    else:
        write_json(settings.out, metrics.to_dict())
    _tell(metrics, settings, say)
    return metrics


def _pooled(student: Student, cases: Cases) -> str | None:
    """How several images become one answer, None where each case has one."""
    if cases.images is None or not has_several(cases.images):
        return None
    how = {
        "mean": "the mean of its images",
        "attention": "the mean of its images, weighted by attention",
    }
    return f"{images_in_words(cases.images)}: the logits of a case are {how[student.spec.pool]}"


def _labels(run: Path, settings: EvaluateSettings, say: Teller) -> SoftLabels | None:
    """The run's soft labels, with draws where they are asked for; None where they do not apply."""
    soft = run / "labels.parquet"
    if settings.data is not None or not soft.is_file():
        return None
    labels = SoftLabels.load(verify(run, soft.name))
    if labels.prevalence is not None:
        say(
            "the soft labels are at another prevalence, so kl is left out; run labelppl label to restore them"
        )
        return None
    if settings.label_draws:
        return label_draws(run, settings.label_draws, trust=settings.trust, say=say)
    return labels


def _columns(settings: EvaluateSettings, everyone: Cases, rows: Array) -> dict[str, Array] | None:
    """The columns of the table that subgroups are formed by: name -> values (cases,)."""
    if not settings.by:
        return None
    assert everyone.path is not None
    frame = read_frame(everyone.path, everyone.delimiters)
    counted = {}
    if BY_IMAGES in settings.by and BY_IMAGES not in frame.columns and everyone.images is not None:
        counted[BY_IMAGES] = image_counts(everyone.images)[rows]
    by = [name for name in settings.by if name not in counted]
    for name in by:
        if name not in frame.columns:
            raise InputError(
                f"{everyone.path}: no column '{name}', expected one of {', '.join(map(str, frame.columns))}; "
                "give --by one of them"
            )
    if len(frame) != len(rows):
        frame = _one_row_each(frame, by)
    if len(frame) != len(rows):
        raise InputError(
            f"{everyone.path}: subgroups need a table with one row per case; --by cannot be used"
        )
    return counted | {name: frame[name].to_numpy()[rows] for name in by}


def _one_row_each(frame: DataFrame, columns: Sequence[str]) -> DataFrame:
    """A table with a row for each image as one with a row for each case, where the columns agree on it."""
    if "id" not in frame.columns or "image" not in frame.columns:
        return frame
    for name in columns:
        differ = frame.groupby("id", sort=False)[name].nunique(dropna=False)
        if (differ > 1).any():
            raise InputError(
                f"--by {name}: differs between the rows of one id ({str(differ.index[differ > 1][0])!r}); expected one "
                "value per case"
            )
    return frame.drop_duplicates("id")


def _tell(metrics: Metrics, settings: EvaluateSettings, say: Teller) -> None:
    asked = [m.key if isinstance(m, Metric) else m for m in settings.metrics]
    point = metrics.settings.get("operating_point")
    if isinstance(point, dict) and settings.operating_point is not None:
        say(
            f"{point['positive']} is called from a probability of {point['threshold']:.3f} ({point['rule']})"
        )
    for name in dict.fromkeys([*PRINTED, *asked]):
        value = metrics.values.get(name)
        if value is not None:
            low, high = metrics.intervals.get(name, (None, None))
            interval = "" if low is None else f"  [{low:.3f}, {high:.3f}]"
            say(f"{name:>15} {value:.3f}{interval}")
    if metrics.verdict is not None:
        say(metrics.verdict)
