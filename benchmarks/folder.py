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
import time
from pathlib import Path

from hips import hips

#: The share of the files that must be there before a worker is killed; none in the quick form, whose files take no time.
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
    folder: Path, name: str, *options: object, kill_after: int | None = None
) -> tuple[float, dict[str, bytes]]:
    """Seconds of the command and the bytes of its files; kill_after: a worker is killed once so many files are there."""
    out = folder / name
    call = command(
        "label", "--run", folder / "run", "--data", folder / "in", "--out", out, "--quiet", *options
    )
    began = time.perf_counter()
    process = subprocess.Popen(call)
    if kill_after is not None:
        kill_one(process, out, kill_after)
    status = process.wait()
    seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f"{name}: exit status {status}")
    made = {path.name: path.read_bytes() for path in sorted(out.iterdir())}
    shutil.rmtree(out)
    return seconds, made


def kill_one(process: subprocess.Popen[bytes], out: Path, after: int) -> None:
    """Kill one worker once ``after`` files are there."""
    while process.poll() is None:
        workers = [pid for pid in descendants(process.pid) if is_worker(pid)]
        if workers and len(list(out.glob("part*"))) >= after:
            os.kill(workers[0], signal.SIGKILL)
            print(f"killed worker {workers[0]} after {after} files", flush=True)
            return
        time.sleep(0.02)
    raise SystemExit(f"the command ended before a worker could be killed after {after} files")


def descendants(pid: int) -> list[int]:
    """The process's children and theirs (Linux); none of a process that has ended meanwhile."""
    try:
        tasks = [task / "children" for task in Path(f"/proc/{pid}/task").iterdir()]
        children = [int(child) for task in tasks for child in task.read_text().split()]
    except OSError:
        return []
    return children + [below for child in children for below in descendants(child)]


def is_worker(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return words.startswith(b"ray::_with_one_thread") or b"popen_loky" in words


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
    some = 0 if args.quick else int(KILL_AFTER * files)
    ways: list[tuple[str, tuple[object, ...], int | None]] = [
        ("1 process", ("--jobs", 1), None),
        ("2 processes", ("--jobs", 2), None),
        ("2 processes, one killed", ("--jobs", 2), some),
    ]
    if args.ray:
        ways += [
            ("Ray, 1 worker", ("--ray", "local", "--jobs", 1), None),
            ("Ray, 2 workers", ("--ray", "local", "--jobs", 2), None),
            ("Ray, 2 workers, one killed", ("--ray", "local", "--jobs", 2), some),
        ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, files, rows)
        print(
            f"{files} files of {rows:,} rows\n\n| way | s | us per row | same bytes |\n|---|---|---|---|"
        )
        first: dict[str, bytes] = {}
        for way, options, kill_after in ways:
            seconds, made = timed(folder, "out", *options, kill_after=kill_after)
            first = first or made
            same = "yes" if made == first and len(made) == files else "NO"
            print(
                f"| {way} | {seconds:.1f} | {1e6 * seconds / (files * rows):.1f} | {same} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
