"""Mutation testing: how many small changes of the code do the tests notice?

    python benchmarks/mutants.py labelppl/metrics labelppl/calibration --sample 150

cosmic-ray's operators make the mutants (another operator, another number, `not`, a loop that never
runs, …); a random sample of places is mutated, one change at a time, in a copy of the project, and the
tests of the room that execute the changed lines are run until one fails. A mutant is killed when a
test fails or hangs, and survives otherwise. Type annotations are left alone, since nothing executes
them, and tests of speed are left out, since a busy machine would fail them for any reason.

The tests of `labelppl/ROOM` are `tests/ROOM` unless `--tests` names others. Printed: the killed share
with its 95 % Wilson interval, and every survivor.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from subprocess import DEVNULL, PIPE, Popen, run

from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from mutants_places import Place, sample, statement_of
from scipy.stats import binomtest

ROOT = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns(
    ".*", "__pycache__", "*.egg-info", "build", "dist", "runs", "demo", "site"
)
TIMED = "not second and not minute"
"""The `-k` expression that leaves tests of speed out."""
GRACE = 20.0
"""Seconds that a test always has, beside ten times what it takes on the unchanged code."""
LONGEST = 10.0
"""Seconds of computing of the longest test that is run: with longer ones, survivors take hours and few more die."""


@dataclass(frozen=True)
class Mutant:
    """What became of one mutant: `outcome` is killed, hung, survived or unreached."""

    path: str
    line: int
    operator: str
    before: str
    after: str
    outcome: str
    by: str

    @property
    def killed(self) -> bool:
        """Whether a test noticed."""
        return self.outcome in ("killed", "hung")


class Copy:
    """A copy of the project in which mutants are tried, one at a time.

    One process imports the third-party packages once and is forked for every mutant.
    """

    def __init__(
        self, root: Path, tests: Sequence[str], seen: Sequence[str], grace: float, longest: float
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mutants-"))
        self.grace, self.longest = grace, longest
        self.tree, self.clock = self.folder / "tree", time.time()
        shutil.copytree(root, self.tree, ignore=LEFT_OUT)
        for inside in ("cli", "models"):
            if (self.tree / inside).is_dir():
                (self.tree / "labelppl" / inside).symlink_to(self.tree / inside)
        if (root.parent / "shared").is_dir():
            (self.folder / "shared").symlink_to((root.parent / "shared").resolve())
        server = [sys.executable, str(Path(__file__).with_name("mutants_server.py"))]
        environment = {
            **os.environ,
            "PYTHONPATH": str(self.tree),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "",  # a fork must not compile what did not change
        }
        map_file = self.folder / "map.json"
        done = run([*server, "map", str(map_file), *seen, "--", "-k", TIMED, *tests],
                   cwd=self.tree, env=environment, capture_output=True, text=True, check=False)  # fmt: skip
        if done.returncode:
            shutil.rmtree(self.folder)
            raise SystemExit(
                f"the unchanged tests fail:\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
            )
        record = json.loads(map_file.read_text())
        self.seconds: dict[str, float] = record["seconds"]
        self.reached: dict[str, dict[str, list[str]]] = record["reached"]
        self.server = Popen([*server, "serve", str(map_file)], cwd=self.tree, env=environment,
                            stdin=PIPE, stdout=PIPE, stderr=DEVNULL, text=True, bufsize=1)  # fmt: skip
        outcome, by = self._run(self._quickest(self.seconds))
        if outcome != "survived":
            self.close()
            raise SystemExit(
                f"the unchanged tests pass, but not where mutants are tried: {outcome} {by}"
            )

    def close(self) -> None:
        """Stop the server and remove the copy."""
        self.server.kill()
        self.server.wait()
        shutil.rmtree(self.folder)

    def reach(self, place: Place) -> list[str]:
        """Tests that execute the statement at `place`, the quickest first.

        What runs at import, such as a constant, concerns all tests: those that execute the file go first.
        """
        source = (self.tree / place.path).read_text(encoding="utf-8")
        by_line = self.reached.get(place.path, {})
        lines = map(str, statement_of(ast.parse(source), place.line))
        tests = {test for line in lines for test in by_line.get(line, ())}
        if "" not in tests:
            return self._quickest(tests)
        inside = {test for some in by_line.values() for test in some} - {""}
        return self._quickest(inside) + self._quickest(self.seconds.keys() - inside)

    def _quickest(self, tests: Iterable[str]) -> list[str]:
        quick = [test for test in tests if self.seconds[test] <= self.longest]
        return sorted(quick, key=lambda test: (self.seconds[test], test))

    def attempt(self, place: Place) -> Mutant:
        """Make the change, run the tests that reach it, undo the change."""
        file = self.tree / place.path
        source = file.read_text(encoding="utf-8")
        changed = mutate_code(source, get_operator(place.operator)(), place.occurrence)
        before, after = _difference(source, changed)
        tests = self.reach(place)
        if not tests:
            return Mutant(place.path, place.line, place.operator, before, after, "unreached", "")
        self._write(file, changed)
        try:
            outcome, by = self._run(tests)
        finally:
            self._write(file, source)
        return Mutant(place.path, place.line, place.operator, before, after, outcome, by)

    def _run(self, tests: list[str]) -> tuple[str, str]:
        """What became of these tests in a fork: the outcome, and the test that failed."""
        job = {
            "tests": tests,
            "seconds": {test: self.seconds[test] for test in tests},
            "grace": self.grace,
        }
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.server.stdin.write(json.dumps(job) + "\n")
        answer = self.server.stdout.readline()
        if not answer:
            raise SystemExit("the process that tries mutants has ended")
        outcome, by = json.loads(answer)
        return outcome, by

    def _write(self, file: Path, text: str) -> None:
        """Every version gets a time of its own, so that no compiled version is taken for another."""
        file.write_text(text, encoding="utf-8")
        self.clock += 2
        os.utime(file, (self.clock, self.clock))


def _difference(source: str, changed: str) -> tuple[str, str]:
    """The first line that differs, before and after."""
    pairs = zip(source.splitlines(), changed.splitlines(), strict=False)
    return next(((a.strip(), b.strip()) for a, b in pairs if a != b), ("", ""))


def try_all(
    root: Path,
    rooms: Sequence[str],
    tests: Sequence[str],
    size: int,
    seed: int = 0,
    jobs: int = 1,
    grace: float = GRACE,
    longest: float = LONGEST,
    record: Path | None = None,
) -> list[Mutant]:
    """Try a sample of mutants in `jobs` copies of the project; each is a line of `record` as soon as it is known."""
    chosen = sample(root, rooms, size, seed)
    free: SimpleQueue[Copy] = SimpleQueue()
    copies = [Copy(root, tests, rooms, grace, longest) for _ in range(jobs)]
    for copy in copies:
        free.put(copy)

    def attempt(place: Place) -> Mutant:
        copy = free.get()
        try:
            mutant = copy.attempt(place)
        finally:
            free.put(copy)
        print("." if mutant.killed else "S", end="", file=sys.stderr, flush=True)
        if record is not None:
            with record.open("a") as lines:
                lines.write(json.dumps(asdict(mutant)) + "\n")
        return mutant

    pool = ThreadPoolExecutor(jobs)
    try:
        return list(pool.map(attempt, chosen))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for copy in copies:
            copy.close()


def summary(rooms: Sequence[str], mutants: Sequence[Mutant]) -> str:
    """The killed share with its interval, and the survivors."""
    killed = sum(m.killed for m in mutants)
    hung = sum(m.outcome == "hung" for m in mutants)
    share = binomtest(killed, len(mutants))
    ends = share.proportion_ci(method="wilson")
    lines = [
        f"{' '.join(rooms)}: {killed} of {len(mutants)} mutants killed, "
        f"{100 * share.statistic:.1f} % [{100 * ends.low:.1f}, {100 * ends.high:.1f}], "
        f"{hung} of them because a test hung"
    ]
    for mutant in sorted(mutants, key=lambda m: (m.path, m.line)):
        if not mutant.killed:
            lines += [
                f"{mutant.path}:{mutant.line} {mutant.operator.split('/')[-1]} ({mutant.outcome})",
                f"    - {mutant.before}",
                f"    + {mutant.after}",
            ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("rooms", nargs="+", help="folders or files, such as labelppl/metrics")
    parser.add_argument("--tests", nargs="*", help="test files or folders [default: tests/ROOM]")
    parser.add_argument("--sample", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument(
        "--record", type=Path, help="also write every mutant here, a line of JSON each"
    )
    parser.add_argument("--grace", type=float, default=GRACE, help="seconds that a test always has")
    parser.add_argument(
        "--longest", type=float, default=LONGEST, help="seconds of the longest test that is run"
    )
    parser.add_argument("--root", type=Path, default=ROOT, help="another project")
    chosen = parser.parse_args()
    root: Path = chosen.root.resolve()
    rooms = [room.rstrip("/") for room in chosen.rooms]
    tests = chosen.tests or list(
        dict.fromkeys(str(_tests_of(root, Path(room)).relative_to(root)) for room in rooms)
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if chosen.record:
        chosen.record.write_text("")
    mutants = try_all(
        root,
        rooms,
        tests,
        chosen.sample,
        chosen.seed,
        jobs=chosen.jobs,
        grace=chosen.grace,
        longest=chosen.longest,
        record=chosen.record,
    )
    print("\n" + summary(rooms, mutants))


def _tests_of(root: Path, room: Path) -> Path:
    """tests/ROOM for labelppl/ROOM; of a file, its test file or else its room's tests."""
    part = Path(*room.parts[1:])
    if room.suffix == ".py":
        own = root / "tests" / part.parent / f"test_{part.name}"
        return own if own.is_file() else root / "tests" / part.parent
    return root / "tests" / part


if __name__ == "__main__":
    main()
