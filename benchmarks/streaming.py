"""Peak memory and speed of labelling a Parquet table that is larger than memory ought to hold.

    python benchmarks/streaming.py [--quick] [--rows 5000000]

A hip model is fitted to 429 cases; a Parquet file of ``--rows`` new hips, a tenth of the measurements missing, is then
labelled by `label_parquet` in a process of its own, whose peak resident memory (of the whole process, libraries and fit
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

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

ROWS_AT_ONCE = 100_000


def hips(n: int, missing: float, seed: int) -> pd.DataFrame:
    """n hips of two classes in about the proportions and spreads of the zoo's phantoms."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    alpha = np.clip(rng.normal(np.where(y == 0, 61.0, 53.0), 5.5), 21, 89)
    mean = np.where(y == 0, 0.56, 0.46)
    coverage = rng.beta(40 * mean, 40 * (1 - mean))
    alpha[rng.random(n) < missing] = np.nan
    coverage[rng.random(n) < missing] = np.nan
    label = np.array(["normal", "dysplastic"], dtype=object)[y]
    return pd.DataFrame({"diagnosis": label, "alpha": alpha, "coverage": coverage})


def write(path: Path, rows: int) -> None:
    """The table without labels, piece by piece."""
    writer = None
    for start in range(0, rows, ROWS_AT_ONCE):
        some = hips(min(ROWS_AT_ONCE, rows - start), 0.1, seed=start + 1)
        table = pa.Table.from_pandas(some.drop(columns="diagnosis"), preserve_index=False)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def work(source: Path) -> None:
    """What runs in the process that is measured."""
    from labelppl import fit, label_parquet, load_model
    from labelppl.table import cases_from_frame

    model = load_model("hip")
    cases = cases_from_frame(hips(429, 0.1, 0), model.label_name, model.label, model.features)
    posterior = fit(model, cases, method="laplace", seed=0)
    began = time.perf_counter()
    rows = label_parquet(posterior, source, source.with_name("labels.parquet"))
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"| {rows:,} | {seconds:.1f} | {1e6 * seconds / rows:.1f} | {peak:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rows: does it run?")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args.worker)
        return
    print("| rows | s | us per row | peak MiB |\n|---|---|---|---|", flush=True)
    full = 50_000 if args.quick else args.rows
    for rows in (full // 50, full):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "cases.parquet"
            write(source, rows)
            subprocess.run([sys.executable, __file__, "--worker", str(source)], check=True)


if __name__ == "__main__":
    main()
