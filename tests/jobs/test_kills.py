"""The whole command, killed at random moments and resumed, ends with the bytes of an unbroken run.

LABELPPL_KILLS says how often it is killed (twice by default). A helper process imports the command
once and forks it, so that the moments fall into the work: the fit, the soft labels, both steps, the
folds of lambda, the evaluation and the report.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

KILLS = int(os.environ.get("LABELPPL_KILLS", "2"))
SAME = (
    "labels.parquet",
    "student.safetensors",
    "theta_p.safetensors",
    "student.json",
    "predictions.parquet",
    "metrics.json",
)
FORKER = """
import os, sys, torch
torch.set_num_threads(1)
import labelppl.jobs.distill, labelppl.jobs.inputs, pyro, arviz, kornia, sklearn.model_selection
from labelppl.cli import main
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if not child:
        sys.stdout = sys.stderr = open(os.devnull, "w")
        try:
            main(line.split(), standalone_mode=False)
        except BaseException as error:
            os._exit(error.code if isinstance(error, SystemExit) else 70)
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Command:
    """`labelppl` in a forked process of its own."""

    def __init__(self, folder: Path) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-c", FORKER],
            cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert self._line() == "ready"

    def _line(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline().strip()

    def run(self, *arguments: object, kill_after: float | None = None) -> int:
        """Its exit status; -9 where it was killed `kill_after` seconds from its start."""
        assert self._server.stdin is not None
        self._server.stdin.write(" ".join(map(str, arguments)) + "\n")
        self._server.stdin.flush()
        child = int(self._line())
        if kill_after is not None:
            time.sleep(kill_after)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        return int(self._line())

    def close(self) -> None:
        """End the helper."""
        self._server.communicate(timeout=60)


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Command]:
    """The command in a folder with 45 simulated hips of 32 x 32 pixels."""
    made = Command(tmp_path)
    assert made.run("simulate", "hip", "--out", ".", "--cases", 45, "--size", 32) == 0
    yield made
    made.close()


def _stage(run: Path) -> str:
    """What a killed run was about to do, by the newest thing it had finished."""
    for name, doing in (
        ("metrics.json", "report"),
        ("student.json", "evaluation"),
        ("checkpoint-step2.safetensors", "step 2"),
        ("checkpoint-lambda.json", "step 2"),
        ("checkpoint-folds.json", "later fold"),
        ("checkpoint-step1.safetensors", "step 1 or first fold"),
        ("labels.parquet", "reading images or step 1"),
        ("posterior.nc", "labels"),
    ):
        if (run / name).is_file():
            return doing
    return "fit"


def test_killed_at_random_moments_the_command_ends_with_the_same_bytes(
    command: Command, tmp_path: Path
) -> None:
    whole, run = tmp_path / "whole", tmp_path / "killed"
    work = ("distill", "--model", "hip.py", "--epochs", 1, "--folds", 2, "--seed", 4, "--quiet")
    began = time.perf_counter()
    assert command.run(*work, "--out", whole) == 0
    length = time.perf_counter() - began
    rng = np.random.default_rng(0)
    stages: Counter[str] = Counter()
    while stages.total() < KILLS:
        resume = ("--resume",) if (run / "run.json").is_file() else ()
        status = command.run(*work, "--out", run, *resume, kill_after=float(rng.uniform(0, length)))
        assert status in (0, -signal.SIGKILL)
        if status:
            stages[_stage(run)] += 1
        else:  # it was done before: compare, and start another
            _compare(whole, run)
            run = tmp_path / f"killed{stages.total()}"
    resume = ("--resume",) if (run / "run.json").is_file() else ()
    assert command.run(*work, "--out", run, *resume) == 0
    _compare(whole, run)
    print(f"{length:.1f} s unbroken; killed during: {dict(stages)}")


def _compare(whole: Path, run: Path) -> None:
    for name in SAME:
        assert (whole / name).read_bytes() == (run / name).read_bytes(), name
    names = [{p.name for p in folder.iterdir()} for folder in (whole, run)]
    assert names[0] == names[1]
