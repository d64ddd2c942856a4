"""`label_parquet`: p(Y|Z) for tables larger than memory, Parquet in and Parquet out, batch by batch.

A batch is read, labelled and written before the next is touched, so that memory depends on the batch and not on the table.
Every row gets the label that `soft_labels` gives it from the same draws; the output has the columns of ``labels.parquet``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import InputError
from ..features import ReaderFeature
from ..inference.base import Progress
from ..posterior import Posterior
from ..runs import write_atomically
from ..table import Cases, cases_from_frame
from .labels import LeaveOut, soft_labels

#: A row number as messages about a table write it, counted within the batch.
ROW = re.compile(r"\brow (\d+)(?= \(|:| has)")


def label_parquet(
    posterior: Posterior,
    source: str | Path,
    out: str | Path,
    *,
    batch_rows: int = 20_000,
    prevalence: Mapping[str, float] | None = None,
    leave_out: LeaveOut = "loo",
    draws: int = 200,
    progress: Progress | None = None,
) -> int:
    """Label every row of the Parquet file ``source`` into the Parquet file ``out``; returns the number of rows.

    draws: equal-weight draws used for a new case; 200 leave a Monte Carlo error of 7 % of ``sd`` in the probabilities.
    progress: called with (rows done, rows in all). Nothing is left at ``out`` unless all rows were labelled. Raises
    InputError, with the row of the file, for what cannot be read. Ids are checked to differ within a batch only.
    """
    source, out = Path(source), Path(out)
    if batch_rows < 1:
        raise InputError(f"label_parquet: got batch_rows={batch_rows}, expected 1 or more")
    file = _open(source)
    columns = _columns(posterior, source, file.schema_arrow.names)
    total, done = file.metadata.num_rows, 0

    def write(temporary: Path) -> None:
        nonlocal done
        writer: pq.ParquetWriter | None = None
        try:
            for frame in _frames(file, columns, batch_rows):
                cases = _cases(posterior, frame, done)
                labels = soft_labels(
                    posterior, cases, leave_out=leave_out, prevalence=prevalence, draws=draws
                )
                table = labels.to_table()
                writer = writer or pq.ParquetWriter(temporary, table.schema)
                writer.write_table(table)
                done += len(cases)
                if progress is not None:
                    progress(done, total)
        finally:
            if writer is not None:
                writer.close()

    if total == 0:
        raise InputError(f"{source}: no rows; expected at least one case")
    with file:
        write_atomically(out, write)
    return done


def parquet_rows(source: str | Path) -> int:
    """Rows of a Parquet file. Raises InputError if it cannot be read."""
    with _open(Path(source)) as file:
        return int(file.metadata.num_rows)


def _open(source: Path) -> pq.ParquetFile:
    if not source.is_file():
        raise InputError(f"{source}: no such table; expected a Parquet file")
    try:
        return pq.ParquetFile(source)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{source}: not a readable Parquet file ({str(error).splitlines()[0]}); "
            "a CSV file is labelled with soft_labels"
        ) from error


def _columns(posterior: Posterior, source: Path, names: list[str]) -> list[str]:
    """The columns to read: what the features need, and the id and label where there are any."""
    wanted: list[str] = []
    for name, feature in posterior.model.features.items():
        if isinstance(feature, ReaderFeature):
            raise InputError(
                f"feature '{name}': what readers said comes in several rows per case, which cannot be labelled batch by "
                "batch; use soft_labels"
            )
        wanted += feature.columns(name, posterior.cases.classes)
    for column in wanted:
        if column not in names:
            raise InputError(
                f"{source}: column '{column}' is not in the table; it has {', '.join(names)}; add it"
            )
    optional = [name for name in ("id", posterior.model.label_name) if name in names]
    return list(dict.fromkeys([*optional, *wanted]))


def _frames(file: pq.ParquetFile, columns: list[str], rows: int) -> Iterator[pd.DataFrame]:
    for batch in file.iter_batches(rows, columns=columns, use_threads=False):
        yield batch.to_pandas()


def _cases(posterior: Posterior, frame: pd.DataFrame, before: int) -> Cases:
    """The batch's cases, of which ``before`` rows of the file come first; without ids they are numbered through the file."""
    if "id" not in frame.columns:
        frame["id"] = [str(before + i) for i in range(len(frame))]
    # With a split given none is made, which would cost more than the labels.
    frame["split"] = "test"
    model = posterior.model
    try:
        return cases_from_frame(
            frame, model.label_name, model.label, model.features, classes=posterior.cases.classes
        )
    except InputError as error:
        text = ROW.sub(lambda found: f"row {int(found[1]) + before}", str(error))
        raise InputError(text) from error
