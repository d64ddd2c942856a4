"""The process in which `mutants` runs tests; it never imports the project before it forks.

`map FILE SEEN… -- PYTEST ARGUMENTS` runs the unchanged tests and writes which test executes which
line, how long each takes, and which packages they load. `serve FILE` loads those packages once, then
answers each line of JSON {tests, seconds, grace} with [outcome, the test that failed].
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

OURS = ("labelppl", "tests", "models", "cli", "benchmarks", "examples")
QUICK = ["-q", "-x", "--assert=plain", *(f"-pno:{plugin}" for plugin in (
    "cacheprovider", "faulthandler", "unraisableexception", "threadexception"))]  # fmt: skip
"""pytest without what a fork would pay for again: rewritten asserts, collecting garbage twice."""
SHARED = "fixture: "
"""Before the name of a fixture that several tests share, where lines are named after it."""
CACHED = type(functools.cache(lambda: None))
PATIENCE = 10.0
"""A test may take this many times as long as it took on the unchanged code."""


class Recorder:
    """A pytest plugin: the lines and seconds of every test.

    What a test does not execute because an earlier one did is its own all the same: a fixture that several tests share
    belongs to each of them, and every test starts with empty caches.
    """

    def __init__(self, seen: list[str]) -> None:
        import coverage

        inside = [part for room in seen for part in (room, f"{room}/*", f"{room}/**/*")]
        self.cov = coverage.Coverage(data_file=None, include=inside, config_file=False)
        self.seconds: dict[str, float] = {}
        self.users: dict[str, list[str]] = {}
        self.contexts = [""]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Name the lines after the test."""
        for fixture in getattr(item, "fixturenames", ()):
            self.users.setdefault(SHARED + fixture, []).append(item.nodeid)
        _empty_caches()
        start = _spent()
        with self._context(item.nodeid):
            yield
        self.seconds[item.nodeid] = _spent() - start

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Any:
        """Name the lines after the fixture where several tests share it."""
        if fixturedef.scope == "function":
            yield
            return
        with self._context(SHARED + fixturedef.argname):
            yield

    @contextlib.contextmanager
    def _context(self, name: str) -> Iterator[None]:
        self.contexts.append(name)
        self.cov.switch_context(name)
        yield
        self.contexts.pop()
        self.cov.switch_context(self.contexts[-1])

    def record(self, root: Path) -> dict[str, Any]:
        """Seconds by test, tests by file and line, and the packages loaded."""
        data = self.cov.get_data()
        reached = {
            str(Path(file).relative_to(root)): {
                str(line): sorted({test for name in names for test in self.users.get(name, [name])})
                for line, names in data.contexts_by_lineno(file).items()
            }
            for file in data.measured_files()
        }
        loaded = [
            name
            for name, module in sys.modules.items()
            if name.split(".")[0] not in OURS
            and "site-packages" in (getattr(module, "__file__", None) or "")
        ]
        return {"seconds": self.seconds, "reached": reached, "loaded": loaded}


def _empty_caches() -> None:
    """Empty the caches of every function and method of the project."""
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in OURS:
            places = [module, *(kind for kind in vars(module).values() if isinstance(kind, type))]
            for cached in (value for place in places for value in vars(place).values()):
                if isinstance(cached, CACHED):
                    cached.cache_clear()


def _spent() -> float:
    """Seconds of computing by this process and those that it has waited for, whatever else the machine does."""
    return sum(os.times()[:4])


def write_map(file: Path, seen: list[str], arguments: list[str]) -> int:
    """Run the unchanged tests; return pytest's exit status."""
    recorder = Recorder(seen)
    recorder.cov.start()
    status = pytest.main(["-q", "-x", "-p", "no:cacheprovider", *arguments], plugins=[recorder])
    recorder.cov.stop()
    file.write_text(json.dumps(recorder.record(Path.cwd())))
    return int(status)


class FirstFailure:
    """A pytest plugin: the name of the first test that failed, and an alarm that ends one that hangs."""

    def __init__(self, seconds: dict[str, float], grace: float) -> None:
        self.seconds, self.grace = seconds, grace
        self.name = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """From here on the process has as long as this test may take."""
        signal.alarm(int(self.grace + PATIENCE * self.seconds.get(item.nodeid, 0.0)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the first."""
        if report.failed and not self.name:
            self.name = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A module that does not import any more is noticed too."""
        if report.failed and not self.name:
            self.name = f"{report.nodeid} (import)"


def serve(file: Path) -> None:
    """Answer jobs from standard input until it ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for name in json.loads(file.read_text())["loaded"]:
        try:
            importlib.import_module(name)
        except Exception:  # an optional part of a package; the tests load what they need themselves
            continue
    ours = [name for name in sys.modules if name.split(".")[0] in OURS]
    if ours:
        sys.exit(f"{ours[0]} is imported before the fork: its mutants would survive unseen")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    gc.freeze()
    for line in sys.stdin:
        answers.write(json.dumps(_attempt(**json.loads(line))) + "\n")


def _attempt(tests: list[str], seconds: dict[str, float], grace: float) -> tuple[str, str]:
    """Fork, run the tests, wait for the first failure, the alarm or the end."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.setpgid(0, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(int(2 * grace))
        first, status = FirstFailure(seconds, grace), 1
        try:
            status = int(pytest.main([*QUICK, *tests], plugins=[first]))
        finally:
            os.write(writer, json.dumps([status, first.name]).encode())
            os._exit(0)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(ProcessLookupError):  # what the tests have started
        os.killpg(child, signal.SIGKILL)
    text = os.read(reader, 100_000)
    os.close(reader)
    if os.WIFSIGNALED(status):
        hung = os.WTERMSIG(status) == signal.SIGALRM
        return ("hung", "") if hung else ("killed", "the interpreter died")
    failed, name = json.loads(text) if text else (1, "the interpreter died")
    return ("killed" if failed else "survived"), name


if __name__ == "__main__":
    beside = str(Path(__file__).parent)  # where a file is called coverage.py, as a package is
    sys.path[:] = [place for place in sys.path if place != beside]
    if sys.argv[1] == "map":
        split = sys.argv.index("--")
        sys.exit(write_map(Path(sys.argv[2]), sys.argv[3:split], sys.argv[split + 1 :]))
    serve(Path(sys.argv[2]))
