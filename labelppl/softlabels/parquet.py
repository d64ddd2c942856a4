"""`label_parquet`: p(Y|Z) for tables larger than memory, CSV or Parquet in and Parquet out, batch by batch.

A batch is read, labelled and written before the next is touched, so that memory depends on the batch and not on the table
(but for its ids). Every row gets the label that `soft_labels` gives it from the same draws; the output has the columns of
``labels.parquet``, and says with how many draws it was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq

from ..errors import InputError
from ..inference.base import Progress
from ..posterior import Posterior
from ..runs import write_atomically
from ..table import CaseBatches, Delimiters
from .labels import LeaveOut, soft_labels

#: Draws for a new case in batches: more draws than this cost more than they tell where rows are many.
BATCH_DRAWS = 200


def label_parquet(
    posterior: Posterior,
    source: str | Path,
    out: str | Path,
    *,
    batch_rows: int = 20_000,
    prevalence: Mapping[str, float] | None = None,
    leave_out: LeaveOut = "loo",
    draws: int = BATCH_DRAWS,
    delimiters: Delimiters | None = None,
    progress: Progress | None = None,
) -> int:
    """Label every row of the table ``source`` into the Parquet file ``out``; returns the number of rows.

    draws: equal-weight draws used for a new case; 200 leave a Monte Carlo error of 7 % of ``sd`` in the probabilities.
    delimiters: how a text table is written. progress: called with (rows done, rows in all). Nothing is left at ``out``
    unless all rows were labelled. Raises InputError, with the row of the file, for what cannot be read.
    """
    if batch_rows < 1:
        raise InputError(f"label_parquet: got batch_rows={batch_rows}, expected 1 or more")
    model = posterior.model
    batches = CaseBatches(
        Path(source),
        model.label_name,
        model.label,
        model.features,
        rows=batch_rows,
        classes=posterior.cases.classes,
        delimiters=delimiters or Delimiters(),
    )
    total, done = len(batches), 0

    def write(temporary: Path) -> None:
        nonlocal done
        writer: pq.ParquetWriter | None = None
        try:
            for cases in batches:
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

    write_atomically(Path(out), write)
    return done
