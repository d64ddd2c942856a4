"""The jobs behind the commands: they read, call one room after the other, and fill the run folder.

Everything that can be wrong with the input is found before the folder is made; every file is written whole or not at
all, so an interrupted job continues from the last whole file with ``resume``.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .errors import FailedWork, InputError
from .inference.base import Progress
from .model import LabelModel, find_table, load_model, read_cases
from .posterior import Posterior, fit
from .prevalence import read_prevalence
from .runs import read_json, record, sha256, versions, write_json
from .softlabels import SoftLabels, soft_labels
from .table import Cases

if TYPE_CHECKING:
    from .distillation.lam import Refit
    from .evaluation.metrics import Metrics

Say = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """What a run is made from: the label model, its cases, and how both were named."""

    model: LabelModel
    model_name: str
    cases: Cases
    group: str
    seed: int

    @staticmethod
    def open(
        model: LabelModel, model_name: str, data: Path | None, group: str, seed: int
    ) -> Source:
        """Read the cases table: ``data``, or the table of the model's own stem."""
        table = data or find_table(model_name)
        return Source(
            model, model_name, read_cases(table, model, group=group, seed=seed), group, seed
        )

    @staticmethod
    def of_run(run: Path, data: Path | None = None) -> Source:
        """What the run in ``run`` was made from, with another table if ``data`` is given.

        Raises InputError if there is no run, or if its model file or table has changed.
        """
        made = read_json(run / "run.json")
        if "model" not in made:
            raise InputError(
                f"{run}: no run.json; expected the folder of a run; make one with labelppl fit or distill"
            )
        for what in ("model", "data"):
            path, digest = Path(made[what]["path"]), made[what]["sha256"]
            if (what == "model" or data is None) and (not path.is_file() or sha256(path) != digest):
                state = "has changed" if path.is_file() else "is gone"
                raise InputError(
                    f"{path}: {state} since the run in {run} was made; run labelppl fit again"
                )
        model = load_model(made["model"]["path"]).with_options(**made["model"]["options"])
        table = data or Path(made["data"]["path"])
        group, seed = made["arguments"]["group"], int(made["arguments"]["seed"])
        cases = read_cases(table, model, classes=made["classes"], group=group, seed=seed)
        return Source(model, made["model"]["path"], cases, group, seed)

    @property
    def training(self) -> Cases:
        """The cases a fit may see: the training split, or all of them where the table has none."""
        return self.cases.train if self.cases.split_given else self.cases

    @property
    def key(self) -> tuple[object, ...]:
        """What two runs from the same source share."""
        assert self.model.source is not None
        assert self.cases.path is not None
        return (
            self.model.source.resolve(),
            self.cases.path.resolve(),
            dict(self.model.options),
            self.group,
        )

    def record(self, folder: Path, command: str, arguments: Mapping[str, Any]) -> None:
        """Say in ``run.json`` what the run is made from."""
        assert self.model.source is not None
        assert self.cases.path is not None
        model_file = self.model.source.resolve()
        record(
            folder,
            command=command,
            arguments={**arguments, "group": self.group, "seed": self.seed},
            model={
                "path": str(model_file),
                "sha256": sha256(model_file),
                "options": dict(self.model.options),
            },
            data={"path": str(self.cases.path.resolve()), "sha256": sha256(self.cases.path)},
            classes=list(self.cases.classes),
            label=self.model.label_name,
            versions=versions(),
        )


@dataclass(frozen=True)
class DistillSettings:
    """The options of ``labelppl distill``; see there."""

    lam: float | Literal["auto"] = "auto"
    prevalence: Mapping[str, float] | None = None
    method: str = "auto"
    targets: str = "loo"
    student: str = "cnn"
    weights: Path | None = None
    image_size: int | None = None
    augment: str = "none"
    epochs: int | None = None
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    force: bool = False
    quiet: bool = False


def fit_job(
    source: Source, folder: Path, *, method: str, seed: int, quiet: bool, say: Say
) -> Posterior:
    """Fit, write ``posterior.nc``, say how it went. Raises FailedWork, after writing, if the fit fails its checks."""
    with _bar("fit", quiet) as progress:
        posterior = fit(source.model, source.training, method=method, seed=seed, progress=progress)  # type: ignore[arg-type]
    source.record(folder, "fit", {"method": method})
    posterior.save(folder / "posterior.nc")
    record(folder, fit=_fit_record(posterior))
    say(_fit_line(posterior))
    if posterior.problems:
        raise FailedWork(f"the fit must not be trusted: {'; '.join(posterior.problems)}")
    say(f"posterior in {folder / 'posterior.nc'}")
    return posterior


def label_job(
    run: Path,
    data: Path | None,
    out: Path | None,
    *,
    targets: str,
    prevalence: Mapping[str, float] | None,
    say: Say,
) -> SoftLabels:
    """Soft labels of the run's cases, or of those in ``data``, written as Parquet."""
    source = Source.of_run(run, data)
    posterior = Posterior.load(
        _existing(run / "posterior.nc"), source.model, Source.of_run(run).cases
    )
    if posterior.problems:
        say(f"warning: the fit must not be trusted: {'; '.join(posterior.problems)}")
    with _said_warnings(say):
        labels = soft_labels(posterior, source.cases, targets=targets, prevalence=prevalence)  # type: ignore[arg-type]
    path = out or run / "labels.parquet"
    labels.save(path)
    if out is None:
        record(run, label={"targets": targets, "prevalence": _in_force(labels)})
    say(f"{len(labels)} soft labels at {_in_words(labels)} in {path}")
    return labels


def distill_job(source: Source, folder: Path, settings: DistillSettings, *, say: Say) -> None:
    """The whole job: fit, label, train, evaluate, report; every file of the run folder."""
    from .images.read import read_images

    cases = source.cases
    if cases.images is None:
        raise InputError(
            f"{cases.path}: no column 'image'; expected the path of each case's image, relative to the table"
        )
    _refuse_used(folder, settings.resume)
    _check_settings(settings, cases)
    read_images(cases.images, size=settings.image_size, channels=None)
    if settings.resume:
        _refuse_other(folder, source)
    # Where labelppl made the split itself it holds all the same: test cases never reach the label model.
    source = replace(source, cases=replace(cases, split_given=True))
    with _said_warnings(say):
        labels = _labelled(source, folder, settings, say)
        _trained(source, labels, folder, settings, say)
    metrics = evaluate_job(folder, None, split="test", out=None, seed=settings.seed, say=say)
    from .report.write import write_report

    write_report(folder)
    record(folder, status="done")
    say(f"done: {folder.resolve()} ({len(metrics.values)} metrics, report.html)")


def evaluate_job(
    run: Path, data: Path | None, *, split: str, out: Path | None, seed: int, say: Say
) -> Metrics:
    """Metrics of the run's student at the study prevalence; ``metrics.json`` and ``predictions.parquet``."""
    from .evaluation.evaluate import evaluate
    from .students.student import Student, load

    source = Source.of_run(run, data)
    cases = source.cases if split == "all" else source.cases.take(source.cases.split == split)
    student = load(run)
    if student.spec.deployment_prevalence is not None:
        student = Student(student.network, replace(student.spec, deployment_prevalence=None))
        say("evaluated at the study prevalence, where these cases were collected")
    labels = SoftLabels.load(run / "labels.parquet") if data is None else None
    metrics = evaluate(student, cases, labels=labels, seed=seed)
    if out is None:
        metrics.save(run)
    else:
        write_json(out, metrics.to_dict())
    for name in ("accuracy", "auc", "nll", "ece", "kl", "kl_true", "accuracy_bayes"):
        if metrics.values.get(name) is not None:
            low, high = metrics.intervals.get(name, (None, None))
            interval = "" if low is None else f"  [{low:.3f}, {high:.3f}]"
            say(f"{name:>15} {metrics.values[name]:.3f}{interval}")
    return metrics


def _labelled(source: Source, folder: Path, settings: DistillSettings, say: Say) -> SoftLabels:
    """Posterior and soft labels of the run, made or, with ``resume``, read."""
    path = folder / "posterior.nc"
    if settings.resume and path.is_file():
        posterior = Posterior.load(path, source.model, source.cases)
    else:
        with _bar("fit", settings.quiet) as progress:
            posterior = fit(
                source.model,
                source.training,
                method=settings.method,  # type: ignore[arg-type]
                seed=settings.seed,
                progress=progress,
            )
        arguments = {
            k: v for k, v in asdict(settings).items() if k not in ("resume", "quiet", "seed")
        }
        source.record(folder, "distill", arguments)
        posterior.save(path)
        record(folder, fit=_fit_record(posterior))
    say(_fit_line(posterior))
    if posterior.problems:
        what = f"the fit must not be trusted: {'; '.join(posterior.problems)}"
        if not settings.force:
            raise FailedWork(f"{what}; mend the model, try --method nuts, or --force (recorded)")
        record(folder, forced=what)
        say(f"warning: {what}; forced")
    path = folder / "labels.parquet"
    if settings.resume and path.is_file():
        labels = SoftLabels.load(path)
    else:
        with _timed(folder, "label"):
            labels = soft_labels(posterior, source.cases, targets=settings.targets)  # type: ignore[arg-type]
        labels.save(path)
        record(folder, label={"targets": settings.targets, "prevalence": _in_force(labels)})
    say(f"{len(labels)} soft labels at {_in_words(labels)}")
    return labels


def _refit(source: Source, settings: DistillSettings) -> Refit:
    """Soft labels of some training rows by a label model fitted to those rows alone."""
    train = source.cases.train

    def refit(rows: Any) -> Any:
        posterior = fit(source.model, train.take(rows), method=settings.method, seed=settings.seed)  # type: ignore[arg-type]
        return soft_labels(posterior, targets=settings.targets).probs  # type: ignore[arg-type]

    return refit


def _trained(
    source: Source, labels: SoftLabels, folder: Path, settings: DistillSettings, say: Say
) -> None:
    from .distillation.distill import default_schedule, distill
    from .distillation.schedule import Schedule

    cases = source.cases
    schedule: Schedule | None = None
    if settings.epochs is not None:
        schedule = replace(default_schedule(len(cases.train)), epochs=settings.epochs)
    with _timed(folder, "distill"):
        done = distill(
            labels,
            cases,
            student=settings.student,
            weights=settings.weights,
            image_size=settings.image_size,
            augment=settings.augment,
            lam=settings.lam,
            refit=_refit(source, settings),
            schedule=schedule,
            seed=settings.seed,
            device=settings.device,
            out=folder,
            resume=settings.resume,
            progress=not settings.quiet,
        )
    for note in done.notes:
        say(f"note: {note}")
    if settings.prevalence is not None:
        done.student.at(read_prevalence(settings.prevalence, cases.classes)).save(folder)
        record(folder, deployment_prevalence=dict(settings.prevalence))


def _check_settings(settings: DistillSettings, cases: Cases) -> None:
    if settings.prevalence is not None:
        read_prevalence(settings.prevalence, cases.classes)
    for split in ("train", "test"):
        if not (cases.split == split).any():
            raise InputError(
                f"{cases.path}: no case in the {split} split; expected at least one; mend the split column"
            )


def _refuse_used(folder: Path, resume: bool) -> None:
    if not resume and folder.exists() and any(folder.iterdir()):
        raise InputError(
            f"{folder}: holds a run already; --resume continues it, --out DIR starts another"
        )
    if resume and not (folder / "run.json").is_file():
        raise InputError(f"{folder}: nothing to resume; leave --resume out")


def _refuse_other(folder: Path, source: Source) -> None:
    """A run continues only with the model file and the table it was started with."""
    before = Source.of_run(folder)
    if before.key != source.key:
        raise InputError(
            f"{folder}: was started with another model, table or option; --out DIR starts another run"
        )


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path}: no such file; run labelppl fit first")
    return path


def _fit_record(posterior: Posterior) -> dict[str, Any]:
    return {
        "method": posterior.sampled.method,
        "khat": posterior.sampled.khat,
        "diagnostics": dict(posterior.diagnostics),
        "problems": list(posterior.problems),
        "cases": len(posterior.cases),
        "labelled": int(posterior.cases.labelled.sum()),
    }


def _fit_line(posterior: Posterior) -> str:
    found = ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in posterior.diagnostics.items()
        if not isinstance(value, str)
    )
    return f"fitted {len(posterior.cases)} cases by {posterior.sampled.method}: {found}"


def _in_force(labels: SoftLabels) -> dict[str, float] | str:
    if labels.prevalence is None:
        return "study"
    return dict(zip(labels.classes, map(float, labels.prevalence), strict=True))


def _in_words(labels: SoftLabels) -> str:
    if labels.prevalence is None:
        return "the study prevalence"
    return "prevalence " + ", ".join(
        f"{k} {p:g}" for k, p in zip(labels.classes, labels.prevalence, strict=True)
    )


@contextmanager
def _timed(folder: Path, what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    record(folder, seconds={what: round(time.perf_counter() - began, 2)})


@contextmanager
def _said_warnings(say: Say) -> Iterator[None]:
    """Warnings of labelppl are told to the user as lines, without Python's file and line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default", UserWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, UserWarning):
            say(f"warning: {warning.message}")


@contextmanager
def _bar(what: str, quiet: bool) -> Iterator[Progress | None]:
    """A progress bar on standard error for an inference engine."""
    if quiet:
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
