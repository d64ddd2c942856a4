"""Microseconds per row and peak memory of reading a cases table without a split, CSV and Parquet, without and with patients.

    python benchmarks/reading.py [--quick] [--rows 1000000] [--python OTHER/.venv/bin/python]

Each table is read by `read_cases` in a process of its own: an id, two measurements (a tenth of them missing), a label; with
``--groups`` also two cases a patient. Peak memory is the whole process's, minus what it held before it read. ``--python``
names the interpreter of another installation, such as an older commit's, that reads the same files.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from hips import hips

WRITTEN_AT_ONCE = 100_000


def write(folder: Path, rows: int, groups: bool) -> list[Path]:
    """The same table as CSV and as Parquet."""
    parts = []
    for start in range(0, rows, WRITTEN_AT_ONCE):
        some = hips(min(WRITTEN_AT_ONCE, rows - start), 0.1, seed=start + 1)
        some.insert(0, "id", [f"hip{start + i:07d}" for i in range(len(some))])
        if groups:
            some["group"] = [f"p{(start + i) // 2}" for i in range(len(some))]
        parts.append(some)
    table = pd.concat(parts, ignore_index=True)
    paths = [folder / "cases.csv", folder / "cases.parquet"]
    table.to_csv(paths[0], index=False, float_format="%.4f")
    table.to_parquet(paths[1], index=False)
    return paths


def work(source: Path) -> None:
    """What runs in the process that is measured."""
    from labelppl import load_model, read_cases

    model = load_model("hip")
    small = source.with_name(f"few{source.suffix}")
    if source.suffix == ".csv":
        pd.read_csv(source, nrows=100).to_csv(small, index=False)
    else:
        pd.read_parquet(source)[:100].to_parquet(small)
    read_cases(small, model)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    rows = len(read_cases(source, model))
    seconds = time.perf_counter() - began
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"| {rows:,} | {seconds:.2f} | {1e6 * seconds / rows:.2f} | {grown:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few rows: does it run?")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--groups", action="store_true", help="two cases a patient")
    parser.add_argument("--python", action="append", help="another installation's interpreter")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args.worker)
        return
    print("| installation | file | rows | s | us per row | MiB more |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for source in write(Path(folder), 20_000 if args.quick else args.rows, args.groups):
            for number, python in enumerate((sys.executable, *(args.python or ()))):
                call = [python, "-W", "ignore", __file__, "--worker", str(source)]
                done = subprocess.run(call, check=True, capture_output=True, text=True)
                print(f"| {number} | {source.suffix[1:]} {done.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main()
