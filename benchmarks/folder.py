"""A folder of tables labelled by one worker and by two, in processes and on Ray, and with one worker killed half-way.

    python benchmarks/folder.py [--quick] [--files 8] [--rows 100000] [--ray]

A hip model is fitted by the command line to 429 hips; the files hold new ones, two measurements of which a tenth are missing.
Every worker has one thread. Seconds are those of the whole command, imports included; the files of every way are compared
byte by byte with those of the first.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from hips import hips

#: How many files must be there before a worker is killed, of how many.
KILL_AFTER = 0.4


def command(*words: object) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", "labelppl", *map(str, words)]


def write(folder: Path, files: int, rows: int) -> None:
    """The tables, and the one that is fitted."""
    (folder / "in").mkdir()
    for i in range(files):
        some = hips(rows, 0.1, seed=i + 1).drop(columns="diagnosis")
        some.insert(0, "id", range(i * rows, (i + 1) * rows))
        some.to_parquet(folder / "in" / f"part{i:03d}.parquet", index=False)
    hips(429, 0.1, seed=0).assign(split="train").to_csv(folder / "hip.csv", index=False)
    subprocess.run(
        command("fit", "--model", "hip", "--data", folder / "hip.csv", "--run", folder / "run", "--quiet"), check=True
    )  # fmt: skip


def timed(
    folder: Path, name: str, *options: object, kill: int = 0
) -> tuple[float, dict[str, bytes]]:
    """Seconds of the command and the bytes of its files; kill: how many files to wait for before a worker is killed."""
    out = folder / name
    call = command(
        "label", "--run", folder / "run", "--data", folder / "in", "--out", out, "--quiet", *options
    )
    began = time.perf_counter()
    process = subprocess.Popen(call)
    if kill:
        threading.Thread(target=kill_one, args=(process.pid, out, kill), daemon=True).start()
    status = process.wait()
    seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f"{name}: exit status {status}")
    made = {path.name: path.read_bytes() for path in sorted(out.iterdir())}
    shutil.rmtree(out)
    return seconds, made


def kill_one(parent: int, out: Path, after: int) -> None:
    """Kill one worker once ``after`` files are there."""
    while len(list(out.glob("part*"))) < after:
        time.sleep(0.05)
    worker = next(pid for pid in descendants(parent) if is_worker(pid))
    os.kill(worker, signal.SIGKILL)
    print(f"killed worker {worker} after {after} files", flush=True)


def descendants(pid: int) -> list[int]:
    """The process's children and theirs (Linux)."""
    found = [
        int(c)
        for t in Path(f"/proc/{pid}/task").iterdir()
        for c in (t / "children").read_text().split()
    ]
    return found + [below for child in found for below in descendants(child)]


def is_worker(pid: int) -> bool:
    words = Path(f"/proc/{pid}/cmdline").read_bytes()
    return words.startswith(b"ray::_with_one_thread") or b"multiprocessing.spawn" in words


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="three small files: does it run?")
    parser.add_argument("--files", type=int, default=8)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--ray", action="store_true", help="on Ray, too")
    args = parser.parse_args()
    files, rows = (3, 200) if args.quick else (args.files, args.rows)
    half = max(1, int(KILL_AFTER * files))
    ways: list[tuple[str, tuple[object, ...], int]] = [
        ("1 process", ("--jobs", 1), 0),
        ("2 processes", ("--jobs", 2), 0),
        ("2 processes, one killed", ("--jobs", 2), half),
    ]
    if args.ray:
        ways += [
            ("Ray, 1 worker", ("--ray", "local", "--jobs", 1), 0),
            ("Ray, 2 workers", ("--ray", "local", "--jobs", 2), 0),
            ("Ray, 2 workers, one killed", ("--ray", "local", "--jobs", 2), half),
        ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, files, rows)
        print(
            f"{files} files of {rows:,} rows\n\n| way | s | us per row | same bytes |\n|---|---|---|---|"
        )
        first: dict[str, bytes] = {}
        for way, options, kill in ways:
            seconds, made = timed(folder, "out", *options, kill=kill)
            first = first or made
            same = "yes" if made == first and len(made) == files else "NO"
            print(
                f"| {way} | {seconds:.1f} | {1e6 * seconds / (files * rows):.1f} | {same} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
