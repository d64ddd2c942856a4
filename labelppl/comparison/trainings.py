"""The trainings of a comparison: one after the other in this process, or side by side in workers.

Either way the same function prepares a repeat and the same function trains a method, so that the results are the same to the
byte where the number of threads is (a worker has one).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..arrays import Array, Floats
from ..case_images import has_several
from ..distillation.prior_options import PriorOptions
from ..softlabels import SoftLabels
from ..split import Cut
from ..students.options import StudentOptions
from ..table import Cases
from ..training.schedule import Schedule
from ..workers import Workers, run_tasks
from .methods import Known, Method, MethodLike, choose_methods
from .one_method import Labelled, train_method
from .parts import Parts
from .splits import seed_of, split_of
from .table import Unseen, unseen_of

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
#: Record of a training, and its test predictions (cases, classes), None where it failed.
Kept = tuple[dict[str, Any], Floats | None]


@dataclass(frozen=True, eq=False)
class Common:
    """What all trainings of a comparison share; the arguments of `compare` by their own names."""

    labels: SoftLabels | Labelled | None
    cases: Cases
    student: StudentOptions
    schedule: Schedule | None
    prior: PriorOptions
    votes: Array | None
    cut: Cut
    seed: int
    device: str


class Repeat(NamedTuple):
    """One repeat: cases with its split in force, and their soft labels."""

    common: Common
    number: int
    cases: Cases
    soft: SoftLabels | None


class Training(NamedTuple):
    """One method in one repeat. student_folder: where its student is kept, None keeps none."""

    method: Method
    repeat: Repeat
    progress: bool
    student_folder: Path | None


def prepare_repeat(task: tuple[Common, int]) -> Repeat:
    """Split the cases and label them, by a label model that has seen the training cases alone."""
    common, number = task
    held = split_of(common.cases, number, common.seed, common.cut)
    labels = common.labels
    return Repeat(common, number, held, labels(held) if callable(labels) else labels)


def train_one(training: Training) -> Kept:
    """Train a method and predict the test cases of its repeat."""
    method, (common, number, cases, soft), progress, student_folder = training
    return train_method(
        method, soft, cases, common.schedule, common.prior, seed_of(number, common.seed),
        common.labels if callable(common.labels) else None, student_folder,
        student=common.student, votes=common.votes, device=common.device, progress=progress,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Trainings:
    """All trainings of a comparison, and how they are run.

    parts: what is finished, read and kept there. workers: None runs one after the other. progress: bars in this process.
    say: told what is being done, or by workers what is done, one line each.
    """

    common: Common
    methods: Sequence[MethodLike] | None
    repeats: int
    parts: Parts
    workers: Workers | None
    progress: bool
    say: Callable[[str], None]

    def run(self) -> tuple[dict[tuple[str, int], Kept], list[Unseen]]:
        """Do what is not finished yet.

        Returns what is kept of every training by (method, repeat), repeat by repeat, and the test cases of each repeat.
        """
        done: dict[tuple[str, int], Kept | None] = {}
        tested: list[Unseen] = []
        for training, kept in self._each(train_one, self._to_do(done, tested)):
            method, (_, number, cases, _), *_ = training
            self.parts.keep(method.name, number, *kept, cases.test.ids, cases.classes)
            done[method.name, number] = kept
            if self.workers is not None:
                ended = sum(some is not None for some in done.values())
                self.say(_line(method.name, number, kept, ended, len(done)))
        return {place: kept for place, kept in done.items() if kept is not None}, tested

    def _to_do(
        self, done: dict[tuple[str, int], Kept | None], tested: list[Unseen]
    ) -> Iterator[Training]:
        """The trainings that are not finished; every one gets its place in `done`, every repeat in `tested`."""
        numbers = [(self.common, number) for number in range(self.repeats)]
        prepared = self._each(prepare_repeat, numbers)
        if self.workers is not None:
            prepared = iter(sorted(prepared, key=lambda pair: pair[1].number))
        for _, repeat in prepared:
            tested.append(unseen_of(repeat.cases, repeat.soft, self.common.votes))
            for method in _methods_of(repeat, self.methods):
                kept = self.parts.read(method.name, repeat.number, method.record())
                done[method.name, repeat.number] = kept
                if kept is None:
                    if self.workers is None:
                        self.say(f"repeat {repeat.number + 1} of {self.repeats}: {method.name}")
                    bars = self.progress and self.workers is None
                    place = self.parts.student_folder(method.name, repeat.number)
                    yield Training(method, repeat, bars, place)

    def _each(
        self, work: Callable[[_Task], _Result], tasks: Iterable[_Task]
    ) -> Iterator[tuple[_Task, _Result]]:
        """Each task with its result: in order and when it is asked for, or by workers as they end."""
        if self.workers is None:
            yield from ((task, work(task)) for task in tasks)
            return
        told: set[str] = set()
        packed = [(work, task) for task in tasks]
        for (_, task), (result, messages) in run_tasks(_heard, packed, self.workers, self.say):
            for message in messages:
                if message not in told:
                    told.add(message)
                    warnings.warn(message, UserWarning, stacklevel=2)
            yield task, result


def _methods_of(repeat: Repeat, methods: Sequence[MethodLike] | None) -> tuple[Method, ...]:
    """The methods that the cases of a repeat allow."""
    cases, soft = repeat.cases, repeat.soft
    known = Known(
        soft is not None,
        repeat.common.votes is not None,
        soft is not None and soft.draws is not None,
        bool((cases.split == "val").any()),
        bool((cases.train.labels >= 0).any()),
        len(cases.classes),
        any(column.ballots is None for column in cases.columns.values()),
        cases.images is not None and has_several(cases.images),
    )
    return choose_methods(methods, known)


def _line(name: str, number: int, kept: Kept, ended: int, total: int) -> str:
    """A line about a training that a worker has ended."""
    record, predicted = kept
    how = "failed" if predicted is None else f"{record['seconds']:.1f} s"
    return f"{ended} of {total} trainings: {name}, repeat {number + 1}, {how}"


def _heard(task: tuple[Callable[[_Task], _Result], _Task]) -> tuple[_Result, list[str]]:
    """What a worker does: the work, and the warnings that nobody would hear there."""
    work, inner = task
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default", UserWarning)
        result = work(inner)
    return result, [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
