"""The process in which `mutants` runs tests; it never imports the project before it forks.

`map FILE SEEN… -- PYTEST ARGUMENTS` runs the unchanged tests and writes which test executes which
line, how long each takes, and which packages they load. `serve FILE` loads those packages once, then
answers each line of JSON {tests, limit} with [outcome, the test that failed].
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

OURS = ("labelppl", "tests", "models", "cli", "benchmarks", "examples")


class Recorder:
    """A pytest plugin: the lines and seconds of every test."""

    def __init__(self, seen: list[str]) -> None:
        beside = str(Path(__file__).parent)  # where a file is called coverage.py too
        sys.path[:] = [place for place in sys.path if place != beside]
        import coverage

        inside = [part for room in seen for part in (room, f"{room}/*", f"{room}/**/*")]
        self.cov = coverage.Coverage(data_file=None, include=inside, config_file=False)
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Name the lines after the test."""
        self.cov.switch_context(item.nodeid)
        start = time.perf_counter()
        yield
        self.seconds[item.nodeid] = time.perf_counter() - start
        self.cov.switch_context("")

    def record(self, root: Path) -> dict[str, Any]:
        """Seconds by test, tests by file and line, and the packages loaded."""
        data = self.cov.get_data()
        reached = {
            str(Path(file).relative_to(root)): {
                str(line): contexts for line, contexts in data.contexts_by_lineno(file).items()
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


def write_map(file: Path, seen: list[str], arguments: list[str]) -> int:
    """Run the unchanged tests; return pytest's exit status."""
    recorder = Recorder(seen)
    recorder.cov.start()
    status = pytest.main(["-q", "-x", "-p", "no:cacheprovider", *arguments], plugins=[recorder])
    recorder.cov.stop()
    file.write_text(json.dumps(recorder.record(Path.cwd())))
    return int(status)


class FirstFailure:
    """A pytest plugin: the name of the first test that failed."""

    name = ""

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
    for line in sys.stdin:
        job = json.loads(line)
        answers.write(json.dumps(_attempt(job["tests"], job["limit"])) + "\n")


def _attempt(tests: list[str], limit: float) -> tuple[str, str]:
    """Fork, run the tests, wait for at most `limit` seconds."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.setpgid(0, 0)
        first = FirstFailure()
        status = 1
        try:
            status = int(
                pytest.main(
                    ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:faulthandler", *tests],
                    plugins=[first],
                )
            )
        finally:
            os.write(writer, json.dumps([status, first.name]).encode())
            os._exit(0)
    os.close(writer)
    deadline = time.monotonic() + limit
    while True:
        ended, _ = os.waitpid(child, os.WNOHANG)
        if ended:
            text = os.read(reader, 100_000).decode()
            os.close(reader)
            status, name = json.loads(text) if text else (1, "the interpreter died")
            return ("killed" if status else "survived"), name
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.close(reader)
            return "hung", ""
        time.sleep(0.01)


if __name__ == "__main__":
    if sys.argv[1] == "map":
        split = sys.argv.index("--")
        sys.exit(write_map(Path(sys.argv[2]), sys.argv[3:split], sys.argv[split + 1 :]))
    serve(Path(sys.argv[2]))
