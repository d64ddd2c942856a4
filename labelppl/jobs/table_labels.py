"""Labels that need no label model: a column of classes, raters' votes, soft labels made elsewhere.

Such a run is read as any other: its label model declares the label and the votes, and nothing else.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import torch

from ..errors import InputError
from ..features import Feature, Label, VoteCounts, Votes
from ..model import LabelModel
from ..runs import sha256
from ..softlabels import SoftLabels
from ..table import Cases, Delimiters, cases_from_frame, open_table, read_frame

if TYPE_CHECKING:
    from ..model.plate import CasePlate

VOTES = "votes"
ROW_SUM = 1e-4  #: how far from 1 the probabilities of a file may sum


@dataclass(frozen=True)
class TableLabels:
    """Where the labels are.

    Args:
        label: The column of hard labels; a table with votes or soft labels need not have it.
        votes: A long table with the columns id, rater and label, or the prefix of count columns ``PREFIX_<class>``.
        soft: A Parquet file with the columns id and ``p_<class>``, as `labelppl label` writes it.
    """

    label: str = "label"
    votes: str | None = None
    soft: Path | None = None

    def cases(
        self, table: Path, group: str, seed: int, delimiters: Delimiters, **fixed: Any
    ) -> Cases:
        """The cases of a table. fixed: classes and raters of an earlier reading. Raises InputError as `read_cases`."""
        file = open_table(table, delimiters)
        frame = file.frame()
        if self.votes is None and self.soft is None and self.label not in frame.columns:
            raise InputError(
                f"{table}: column '{self.label}': not in the table; it has {', '.join(map(str, frame.columns))}; give "
                "--label COLUMN"
            )
        classes = fixed.pop("classes", None) or (self.classes_of_soft() if self.soft else None)
        beside = None
        if self.votes is not None and self._long:
            beside = {VOTES: read_frame(Path(self.votes), delimiters)}
        return cases_from_frame(
            frame, self.label, Label(), self.features(), path=table, classes=classes, group=group,
            seed=seed, beside=beside,
            delimiters=delimiters, guess_ids=file.guesses_types, **fixed,
        )  # fmt: skip

    @property
    def _long(self) -> bool:
        """Whether the votes are a file of their own."""
        return self.votes is not None and Path(self.votes).suffix in (".csv", ".parquet")

    def features(self) -> dict[str, Feature]:
        """What the table is read as beside the label."""
        if self.votes is None:
            return {}
        return {VOTES: Votes()} if self._long else {self.votes: VoteCounts()}

    def model(self, classes: tuple[str, ...]) -> LabelModel:
        """The label model that says nothing but how common each class is."""

        def prevalence_alone(cases: CasePlate) -> None:
            prevalence = pyro.sample("prevalence", dist.Dirichlet(torch.ones(len(classes))))
            with cases:
                pyro.sample(self.label, dist.Categorical(prevalence))

        return LabelModel(prevalence_alone, self.label, Label(*classes), self.features())

    def classes_of_soft(self) -> tuple[str, ...]:
        """The classes of the soft labels' file, in its order."""
        assert self.soft is not None
        return read_soft(self.soft).classes

    def soft_labels(self) -> SoftLabels | None:
        """The soft labels of the file, None without one."""
        return None if self.soft is None else read_soft(self.soft)

    @property
    def file(self) -> Path | None:
        """The file that the labels come from, where it is not the table itself."""
        if self.soft is not None:
            return self.soft
        return Path(self.votes) if self.votes is not None and self._long else None

    def record(self) -> dict[str, Any]:
        """For run.json: names and digests of the files."""
        files = {
            "soft": self.soft,
            "votes": Path(self.votes) if self._long and self.votes else None,
        }
        digests = {f"{k}_sha256": sha256(v) for k, v in files.items() if v is not None}
        return {**{k: None if v is None else str(v) for k, v in asdict(self).items()}, **digests}

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> TableLabels:
        """The inverse of `record`."""
        soft = record["soft"]
        return cls(record["label"], record["votes"], None if soft is None else Path(soft))


def read_soft(path: Path) -> SoftLabels:
    """Soft labels of a file: what `labelppl label` wrote, or a table of id and ``p_<class>`` alone.

    Raises InputError for a missing file or column, a repeated id, or rows that are no probabilities.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; expected soft labels, a Parquet file with id and p_<class>"
        )
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is not a Parquet file ({error})") from error
    if "khat" in frame.columns:
        return SoftLabels.load(path)
    classes = tuple(str(c)[2:] for c in frame.columns if str(c).startswith("p_"))
    if "id" not in frame.columns or len(classes) < 2:
        raise InputError(
            f"{path}: got the columns {', '.join(map(str, frame.columns))}, expected id and p_<class>"
        )
    ids = frame["id"].astype(str).to_numpy()
    if len(set(ids)) < len(ids):
        again = frame["id"].astype(str)[frame["id"].astype(str).duplicated()].iloc[0]
        raise InputError(f"{path}: column 'id': {again!r} appears twice; expected each case once")
    probs = frame[[f"p_{k}" for k in classes]].to_numpy(np.float64)
    wrong = ~((probs >= 0).all(1) & (np.abs(probs.sum(1) - 1) <= ROW_SUM))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{path}: row {row + 1} (id {ids[row]!r}): got {probs[row].tolist()}, expected probabilities that sum to 1"
        )
    probs = probs / probs.sum(1, keepdims=True)
    nothing = np.zeros(len(ids))
    log = np.log(np.clip(probs, np.finfo(np.float64).tiny, None))
    entropy = -(probs * log).sum(1)
    return SoftLabels(
        ids=ids, classes=classes, labels=np.full(len(ids), -1), probs=probs, sd=np.zeros_like(probs), lo=probs,
        hi=probs, entropy=entropy, aleatoric=entropy, epistemic=nothing, concentration=np.full(len(ids), np.inf),
        mean_log=log, source=np.full(len(ids), "new"), khat=np.full(len(ids), np.nan),
    )  # fmt: skip
