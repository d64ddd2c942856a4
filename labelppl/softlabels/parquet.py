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
from .deployment import PrevalenceEstimate
from .labels import LeaveOut, soft_labels

#: Draws for a new case in batches: more draws than this cost more than they tell where rows are many.
BATCH_DRAWS = 200


def label_parquet(
    posterior: Posterior,
    source: str | Path,
    out: str | Path,
    *,
    batch_rows: int = 20_000,
    prevalence: Mapping[str, float] | PrevalenceEstimate | None = None,
    leave_out: LeaveOut = "loo",
    draws: int = BATCH_DRAWS,
    delimiters: Delimiters | None = None,
    metadata: Mapping[bytes, bytes] | None = None,
    progress: Progress | None = None,
) -> int:
    """Label every row of the table ``source`` into the Parquet file ``out``, batch by batch.

    Nothing is left at ``out`` unless all rows were labelled.

    Args:
        posterior: What `fit` returned.
        source: The table, CSV or Parquet.
        out: The Parquet file to write, with the columns of ``labels.parquet``.
        batch_rows: Rows that are read and labelled at a time.
        prevalence: Class -> probability where the labels will be used, or what `estimate_prevalence` returned; None: as in
            the study.
        leave_out: As in `soft_labels`.
        draws: Equal-weight draws used for a new case; 200 leave a Monte Carlo error of 7 % of ``sd`` in the
            probabilities.
        delimiters: How a text table is written.
        metadata: Entries to add to the file's own metadata.
        progress: Called with (rows done, rows in all).

    Returns:
        The number of rows.

    Raises:
        InputError: What cannot be read, with the row of the file.

    Examples:
        >>> from labelppl.families import gaussian
        >>> from labelppl.table import cases_from_frame
        >>> frame = pd.DataFrame({"x": [0.1, 0.4, 0.2, 2.1, 1.8, 2.4], "y": ["a"] * 3 + ["b"] * 3})
        >>> model = gaussian(y=Label("a", "b"), x=Real(low=0, high=4))
        >>> cases = cases_from_frame(frame, "y", model.label, model.features)
        >>> posterior = fit(model, cases, seed=0)
        >>> pd.DataFrame({"id": ["n1", "n2"], "x": [0.2, 2.2]}).to_csv("new.csv", index=False)
        >>> label_parquet(posterior, "new.csv", "labels.parquet")
        2
        >>> SoftLabels.load("labels.parquet").probs.argmax(1).tolist()
        [0, 1]
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
                table = table.replace_schema_metadata({**table.schema.metadata, **(metadata or {})})
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
