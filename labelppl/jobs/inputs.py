"""What a run is made from: a label model, a cases table, a seed; and finding them again from `run.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..model import LabelModel, find_table, load_model, read_cases
from ..runs import read_json, record, sha256, versions
from ..table import Cases


@dataclass(frozen=True)
class Inputs:
    """What a run is made from: the label model, its cases, and how both were named."""

    model: LabelModel
    model_name: str
    cases: Cases
    group: str
    seed: int

    @staticmethod
    def open(
        model: LabelModel, model_name: str, data: Path | None, group: str, seed: int
    ) -> Inputs:
        """Read the cases table: ``data``, or the table of the model's own stem."""
        table = data or find_table(model_name)
        return Inputs(
            model, model_name, read_cases(table, model, group=group, seed=seed), group, seed
        )

    @staticmethod
    def of_run(run: Path, data: Path | None = None) -> Inputs:
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
        raters = {name: tuple(names) for name, names in made["raters"].items()}
        cases = read_cases(
            table, model, classes=made["classes"], group=group, seed=seed, raters=raters
        )
        return Inputs(model, made["model"]["path"], cases, group, seed)

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
            raters={name: list(c.names) for name, c in self.cases.columns.items() if c.names},
            label_name=self.model.label_name,
            versions=versions(),
        )
