"""What a run is made from: a label model, a cases table, a seed; and finding them again from `run.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..features import Label, Votes
from ..features.readers import is_long
from ..model import LabelModel, find_table, load_model, read_cases, zoo
from ..python_files import files_of, whole_digest
from ..runs import RunRecord, read_run_json, record, refuse_stranger, sha256, versions
from ..split import Cut
from ..table import (
    Cases,
    Delimiters,
    cases_from_frame,
    cut_cases,
    files_beside,
    open_table,
    training_cases,
)
from .table_labels import TableLabels


@dataclass(frozen=True)
class Inputs:
    """What a run is made from: the label model, its cases, and how both were named.

    labels: where the labels are, in a run without a label model of the user's. cut: of cases whose table names no split.
    """

    model: LabelModel
    model_name: str
    cases: Cases
    group: str
    seed: int
    labels: TableLabels | None = None
    cut: Cut = field(default_factory=Cut)

    def with_cut(self, test_share: float | None, validation: float | None) -> Inputs:
        """The same inputs, cut otherwise where a share is asked for."""
        if test_share is None and validation is None:
            return self
        cut = self.asked_cut(test_share, validation, Cut())
        return replace(self, cases=cut_cases(self.cases, cut, self.seed), cut=cut)

    def asked_cut(self, test_share: float | None, validation: float | None, otherwise: Cut) -> Cut:
        """``otherwise`` with the shares that are asked for. Raises InputError where the table has the split itself."""
        shares = {"test_share": test_share, "validation": validation}
        asked = {name: share for name, share in shares.items() if share is not None}
        option = "--test-share" if "test_share" in asked else "--validation"
        if (
            asked
            and self.cases.split_given
            and (test_share is not None or (self.cases.split == "val").any())
        ):
            raise InputError(
                f"{option}: the table names its own cases for it, in the column 'split'; leave the option or the column out"
            )
        return replace(otherwise, **asked)

    @staticmethod
    def of_table(
        data: Path, labels: TableLabels, group: str, seed: int, delimiters: Delimiters
    ) -> Inputs:
        """Read a table whose labels need no label model."""
        cases = labels.cases(data, group, seed, delimiters)
        return Inputs(labels.model(tuple(cases.classes)), data.stem, cases, group, seed, labels)

    @staticmethod
    def open(
        model: LabelModel,
        model_name: str,
        data: Path | None,
        group: str,
        seed: int,
        delimiters: Delimiters,
    ) -> Inputs:
        """Read the cases table: ``data``, or the table of the model's own stem."""
        table = data or find_table(model_name)
        cases = read_cases(
            table,
            model,
            group=group,
            seed=seed,
            separator=delimiters.separator,
            decimal=delimiters.decimal,
        )
        return Inputs(model, model_name, cases, group, seed)

    @staticmethod
    def of_run(
        run: Path,
        data: Path | None = None,
        *,
        trust: bool = False,
        delimiters: Delimiters | None = None,
    ) -> Inputs:
        """What the run in ``run`` was made from, with another table if ``data`` is given.

        delimiters: how ``data`` is written, by default as the run's own table.

        The model file is executed, so the run must be this user's own unless ``trust``. Raises InputError if there is no
        run, if it is a stranger's, or if its model file or table has changed.
        """
        made = read_run_json(run)
        stated = made.content["model"].get("labels")
        if stated is not None:
            return _of_table(run, made, TableLabels.of_record(stated), data, delimiters)
        if not trust and made.model not in zoo().values():
            refuse_stranger(run, made.content, made.model)
        _same_file(run, made.model, made.model_sha256, digest=sha256)
        model = load_model(made.model).with_options(**made.model_options)
        if files_of(made.model):
            _same_file(
                run, made.model, str(made.content["model"].get("whole")), digest=whole_digest
            )
        if data is None:
            _same_file(run, made.data, made.data_sha256, digest=sha256)
            _same_beside(run, made, model)
        written = delimiters or delimiters_of(made)
        cases = read_cases(
            data or made.data,
            model,
            classes=made.classes,
            group=made.group,
            seed=made.seed,
            raters=made.raters,
            separator=written.separator,
            decimal=written.decimal,
        )
        cut = Cut(**made.split)
        cases = cut_cases(cases, cut, made.seed)
        return Inputs(model, str(made.model), cases, made.group, made.seed, cut=cut)

    @property
    def training(self) -> Cases:
        """The cases a fit may see. Raises InputError where there is nothing to fit."""
        return training_cases(self.cases, self.model.label_name, self.model.features)

    @property
    def key(self) -> tuple[object, ...]:
        """What two runs from the same source share."""
        assert self.cases.path is not None
        return (
            self.model_record(),
            self.cases.path.resolve(),
            self.group,
        )

    def model_record(self) -> dict[str, Any]:
        """What ``run.json`` says of the label model; without one, of the file that the labels come from."""
        if self.labels is not None:
            assert self.cases.path is not None
            file = (self.labels.file or self.cases.path).resolve()
            stated = self.labels.record()
            return {"path": str(file), "sha256": sha256(file), "options": {}, "labels": stated}
        assert self.model.source is not None
        source = self.model.source.resolve()
        beside = {"whole": whole_digest(source)} if files_of(source) else {}
        return {
            "path": str(source),
            "sha256": sha256(source),
            "options": dict(self.model.options),
            **beside,
        }

    def record(self, folder: Path, command: str, arguments: Mapping[str, Any]) -> None:
        """Say in ``run.json`` what the run is made from."""
        record(folder, **self.entries(command, arguments))

    def entries(self, command: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The entries of ``run.json`` that say what the run is made from."""
        assert self.cases.path is not None
        return {
            "command": command,
            "arguments": {**arguments, "group": self.group, "seed": self.seed},
            "seed": self.seed,
            "model": self.model_record(),
            "data": {
                "path": str(self.cases.path.resolve()),
                "sha256": sha256(self.cases.path),
                "beside": _beside(self.cases.path, self.model),
                **self.cases.delimiters.record(),
            },
            "classes": list(self.cases.classes),
            "raters": {name: list(c.names) for name, c in self.cases.columns.items() if c.names},
            "label_name": self.model.label_name,
            "split": self.cut.record(),
            "versions": versions(),
        }


def _of_table(
    run: Path,
    made: RunRecord,
    labels: TableLabels,
    data: Path | None,
    delimiters: Delimiters | None,
) -> Inputs:
    """A run without a label model: nothing is executed."""
    _same_file(run, made.model, made.model_sha256, digest=sha256)
    if data is None:
        _same_file(run, made.data, made.data_sha256, digest=sha256)
    table, written = data or made.data, delimiters or delimiters_of(made)
    fixed = {"classes": made.classes, "raters": made.raters}
    cases = labels.cases(table, made.group, made.seed, written, **fixed)
    model = labels.model(tuple(cases.classes))
    cut = Cut(**made.split)
    cases = cut_cases(cases, cut, made.seed)
    return Inputs(model, table.stem, cases, made.group, made.seed, labels, cut)


def cases_without_model(
    run: Path, data: Path | None = None, delimiters: Delimiters | None = None
) -> Cases:
    """The cases of the run, or of ``data``, without their measurements: labels, images, patients, split, truth.

    What must be known of the label model stands in ``run.json``, so that no model file is executed. Raises InputError if
    there is no run or its table has changed.
    """
    made = read_run_json(run)
    if data is None:
        _same_file(run, made.data, made.data_sha256, digest=sha256)
    path = data or made.data
    delimiters = delimiters or delimiters_of(made)
    file = open_table(path, delimiters)
    frame = file.frame()
    cases = cases_from_frame(
        frame,
        made.label_name,
        Label(*made.classes),
        {name: Votes() for name in made.raters} if is_long(list(frame.columns)) else {},
        path=path,
        classes=made.classes,
        group=made.group,
        seed=made.seed,
        raters=made.raters,
        delimiters=delimiters,
        guess_ids=file.guesses_types,
    )
    return cut_cases(cases, Cut(**made.split), made.seed)


def delimiters_of(made: RunRecord) -> Delimiters:
    """How the run's own table is written."""
    data = made.content["data"]
    return Delimiters(data.get("separator"), data.get("decimal", "."))


def matches(made: RunRecord, inputs: Inputs) -> str:
    """The first thing in which a run differs from ``inputs``, in words; empty where it was made from the same."""
    now = inputs.entries(made.command, {})
    for name, words in (
        ("model", "model file or option"),
        ("data", "table"),
        ("seed", "seed"),
        ("split", "--test-share or --validation"),
    ):
        if made.content[name] != now[name]:
            return f"another {words}"
    return "another --group" if made.group != inputs.group else ""


def _beside(table: Path, model: LabelModel) -> dict[str, str]:
    """The digests of the tables beside ``table`` that hold what raters said, by the names of their files."""
    return {file.name: sha256(file) for file in files_beside(table, model.features).values()}


def _same_beside(run: Path, made: RunRecord, model: LabelModel) -> None:
    """InputError where a table of what raters said is gone, new, or no longer what the run was made from."""
    for name in {**made.beside, **_beside(made.data, model)}:
        _same_file(run, made.data.with_name(name), made.beside.get(name), digest=sha256)


def _same_file(run: Path, path: Path, stated: str | None, *, digest: Any) -> None:
    """Raise InputError where ``path`` is gone or is no longer the file that the run was made from."""
    if not path.is_file() or digest(path) != stated:
        state = "has changed" if path.is_file() else "is gone"
        raise InputError(f"{path}: {state} since the run in {run} was made; run labelppl fit again")
