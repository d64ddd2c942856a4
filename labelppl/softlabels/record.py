"""`SoftLabels`: p(Y|Z) of n cases with its uncertainty, and its file ``labels.parquet``."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..arrays import Array
from ..errors import InputError
from ..facts import Facts, few_names
from ..runs import write_atomically
from ..table import TEXT_IDS, typed_ids, untyped_ids

#: Columns of the file: one for each class, then one for each case.
BY_CLASS = {"p": "probs", "sd": "sd", "lo": "lo", "hi": "hi"}
TEXT_COLUMNS = ("label", "source", "likeliest")
BY_CASE = ("entropy", "aleatoric", "epistemic", "concentration", "source", "khat")


#: Draws for a case whose label is not left out: they leave a Monte Carlo error of at most 1.6 % of ``sd`` in ``probs``.
MOST_DRAWS = 4096


@dataclass(frozen=True, repr=False)
class SoftLabels(Facts):
    """p(Y|Z) of n cases, with uncertainty.

    Attributes:
        ids: (cases,) ids.
        classes: Names of the classes.
        labels: (cases,) codes of the given labels, -1 where none.
        probs: (cases, classes) p(Y|Z).
        sd: (cases, classes) standard deviation of p(Y|Z, theta) over the posterior.
        lo: (cases, classes) lower end of the interval that holds 90 % of the label posterior.
        hi: (cases, classes) its upper end.
        entropy: (cases,) in nats; the sum of aleatoric and epistemic.
        aleatoric: (cases,) in nats: what more cases to fit would not take away.
        epistemic: (cases,) in nats: what comes of not knowing the parameters.
        concentration: (cases,) of a Dirichlet with the same spread.
        mean_log: (cases, classes) posterior mean of log p(Y|Z, theta), all that distilling the distribution needs.
        source: (cases,) 'loo', 'refit', 'crossfit', 'fitted' or 'new'.
        khat: (cases,) Pareto k of leave-one-out, NaN where there is none.
        prevalence: (classes,) in force, or None for the study's own.
        draws: (draws, cases, classes) of p(Y|Z, theta), of equal weight, if they were asked for.
        likeliest: (cases,) code of the class that is most probable when every vote counts in full, where the labels count
            them by their design effect; column ``likeliest`` of the file.
        id_type: numpy type of the ids in the table's own column, such as 'int64', or 'str'; they are written in it.
        most_draws: The most draws that a case whose label was not left out was given.

    Examples:
        >>> from labelppl.families import gaussian
        >>> from labelppl.table import cases_from_frame
        >>> frame = pd.DataFrame({"x": [0.1, 0.4, 0.2, 2.1, 1.8, 2.4], "y": ["a"] * 3 + ["b"] * 3})
        >>> model = gaussian(y=Label("a", "b"), x=Real(low=0, high=4))
        >>> cases = cases_from_frame(frame, "y", model.label, model.features)
        >>> labels = soft_labels(fit(model, cases, seed=0))
        >>> labels.to_frame()[["id", "label", "source"]].head(2).to_numpy().tolist()
        [['0', 'a', 'loo'], ['1', 'a', 'loo']]
        >>> labels.save("labels.parquet")
        >>> len(SoftLabels.load("labels.parquet"))
        6
    """

    ids: Array
    classes: tuple[str, ...]
    labels: Array
    probs: Array
    sd: Array
    lo: Array
    hi: Array
    entropy: Array
    aleatoric: Array
    epistemic: Array
    concentration: Array
    mean_log: Array
    source: Array
    khat: Array
    prevalence: Array | None = None
    draws: Array | None = None
    likeliest: Array | None = None
    id_type: str = TEXT_IDS
    most_draws: int = MOST_DRAWS

    def __len__(self) -> int:
        return len(self.ids)

    def facts(self) -> dict[str, str]:
        """How many cases, their mean soft label, how uncertain they are and how they were made."""
        mean = self.probs.mean(axis=0) if len(self) else np.zeros(len(self.classes))
        shares = tuple(f"{name} {p:.3f}" for name, p in zip(self.classes, mean, strict=True))
        sources, counts = np.unique(np.asarray(self.source, dtype=str), return_counts=True)
        return {
            "cases": str(len(self)),
            "mean": few_names(shares),
            "entropy": f"{float(self.entropy.mean()) if len(self) else 0.0:.3f} nats",
            "epistemic": f"{float(self.epistemic.mean()) if len(self) else 0.0:.3f} nats",
            "source": ", ".join(f"{n} {name}" for name, n in zip(sources, counts, strict=True)),
            "prevalence": "study's own" if self.prevalence is None else "moved",
        }

    def take(self, index: Array) -> SoftLabels:
        """The cases ``index`` (integers or a mask), in that order."""
        rows = {name: getattr(self, name)[index] for name in PER_CASE}
        draws = None if self.draws is None else self.draws[:, index]
        likeliest = None if self.likeliest is None else self.likeliest[index]
        return replace(self, **rows, draws=draws, likeliest=likeliest)

    def with_rows(self, at: Array, new: SoftLabels) -> SoftLabels:
        """The same labels with the cases ``at`` taken from ``new``."""
        order = np.arange(len(self))
        order[at] = len(self) + np.arange(len(new))
        return join([self, new]).take(order)

    def to_frame(self) -> pd.DataFrame:
        """One row per case, with the columns of ``labels.parquet``."""
        names = np.array([*self.classes, None], dtype=object)
        columns: dict[str, Any] = {
            "id": typed_ids(self.ids, self.id_type),
            "label": pd.Series(names[self.labels], dtype="object"),
        }
        for short, name in BY_CLASS.items():
            for k, label in enumerate(self.classes):
                columns[f"{short}_{label}"] = getattr(self, name)[:, k]
        columns |= {name: getattr(self, name) for name in BY_CASE}
        for k, label in enumerate(self.classes):
            columns[f"mean_log_{label}"] = self.mean_log[:, k]
        if self.likeliest is not None:
            columns["likeliest"] = pd.Series(names[self.likeliest], dtype="object")
        frame = pd.DataFrame(columns)
        if self.prevalence is not None:
            in_force = zip(self.classes, map(float, self.prevalence), strict=True)
            frame.attrs["prevalence"] = dict(in_force)
        if self.most_draws != MOST_DRAWS:
            frame.attrs["draws"] = self.most_draws
        return frame

    def to_table(self) -> pa.Table:
        """`to_frame` as an Arrow table, whose types are the same whatever the labels are."""
        frame = self.to_frame()
        table = pa.Table.from_pandas(frame, preserve_index=False)
        for at, name in enumerate(table.column_names):
            if name in TEXT_COLUMNS or (name == "id" and self.id_type == TEXT_IDS):
                table = table.set_column(at, name, table[name].cast(pa.large_string()))
        told = {b"PANDAS_ATTRS": json.dumps(frame.attrs).encode()} if frame.attrs else {}
        return table.replace_schema_metadata({**(table.schema.metadata or {}), **told})

    def save(self, path: str | Path) -> None:
        """Write ``labels.parquet``; the same labels give the same bytes."""
        table = self.to_table()
        write_atomically(Path(path), lambda temporary: pq.write_table(table, temporary))

    @staticmethod
    def load(path: str | Path) -> SoftLabels:
        """The labels saved at ``path``, without draws. Raises InputError if there are none."""
        if not Path(path).is_file():
            raise InputError(f"{path}: no soft labels; run labelppl label")
        frame = pd.read_parquet(path)
        classes = tuple(str(c)[2:] for c in frame.columns if str(c).startswith("p_"))
        lost = {"id", "label", *BY_CASE} - set(frame.columns)
        if lost or len(classes) < 2:
            raise InputError(
                f"{path}: not a file of soft labels (no column '{min(lost | {'p_<class>'})}'); run labelppl label"
            )
        by_class = {
            name: frame[[f"{short}_{k}" for k in classes]].to_numpy()
            for short, name in {**BY_CLASS, "mean_log": "mean_log"}.items()
        }
        prevalence = frame.attrs.get("prevalence")
        ids, id_type = untyped_ids(frame["id"])
        return SoftLabels(
            ids=ids,
            id_type=id_type,
            likeliest=pd.Index(classes).get_indexer(pd.Index(frame["likeliest"]))
            if "likeliest" in frame.columns
            else None,
            most_draws=frame.attrs.get("draws", MOST_DRAWS),
            classes=classes,
            labels=pd.Index(classes).get_indexer(pd.Index(frame["label"])),
            prevalence=None if prevalence is None else np.array([prevalence[k] for k in classes]),
            **by_class,
            **{
                name: frame[name].to_numpy(dtype=str if name == "source" else np.float64)
                for name in BY_CASE
            },
        )


PER_CASE = {f.name for f in fields(SoftLabels)} - {
    "classes",
    "prevalence",
    "draws",
    "likeliest",
    "id_type",
    "most_draws",
}


def join(parts: list[SoftLabels]) -> SoftLabels:
    """The cases of all ``parts``, in order; they must agree on classes, prevalence and the number of draws."""
    if len(parts) == 1:
        return parts[0]
    rows: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in PER_CASE
    }
    draws = [part.draws for part in parts if part.draws is not None]
    likeliest = None
    if any(part.likeliest is not None for part in parts):
        own = [p.probs.argmax(1) if p.likeliest is None else p.likeliest for p in parts]
        likeliest = np.concatenate(own)
    all_draws = np.concatenate(draws, 1) if draws else None
    return replace(parts[0], **rows, draws=all_draws, likeliest=likeliest)
