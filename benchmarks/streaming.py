"""Peak memory and speed of labelling a table that is larger than memory ought to hold, CSV and Parquet.

    python benchmarks/streaming.py [--quick] [--rows 5000000]

A hip model is fitted to 429 cases; a file of ``--rows`` new hips, two measurements of which a tenth are missing, is then
labelled by `label_parquet` (200 draws) in a process of its own, whose peak resident memory (of the whole process, libraries and fit
included) is what the operating system says at its end.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hips import hip_cases, hips

ROWS_AT_ONCE = 100_000


def write(path: Path, rows: int) -> None:
    """The table without labels, piece by piece."""
    writer = None
    for start in range(0, rows, ROWS_AT_ONCE):
        some = hips(min(ROWS_AT_ONCE, rows - start), 0.1, seed=start + 1)
        some = some.drop(columns="diagnosis")
        if path.suffix == ".csv":
            some.to_csv(path, index=False, mode="a", header=start == 0)
            continue
        table = pa.Table.from_pandas(some, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def work(source: Path) -> None:
    """What runs in the process that is measured."""
    from labelppl import fit, label_parquet, load_model

    model = load_model("hip")
    cases = hip_cases(model, 429, 0.1)
    posterior = fit(model, cases, engine="laplace", seed=0)
    began, cpu = time.perf_counter(), time.process_time()
    rows = label_parquet(posterior, source, source.with_name("labels.parquet"))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"| {source.suffix[1:]} | {rows:,} | {seconds:.1f} | {cpu:.1f} | {1e6 * seconds / rows:.1f} | {peak:.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rows: does it run?")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args.worker)
        return
    print(
        "| file | rows | s | CPU s | us per row | peak MiB |\n|---|---|---|---|---|---|", flush=True
    )
    full = 50_000 if args.quick else args.rows
    for rows, kind in ((full // 50, "parquet"), (full, "parquet"), (full, "csv")):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / f"cases.{kind}"
            write(source, rows)
            subprocess.run([sys.executable, __file__, "--worker", str(source)], check=True)


if __name__ == "__main__":
    main()
