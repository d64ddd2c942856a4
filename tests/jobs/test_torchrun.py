"""Two processes of torchrun train one student: that of one process, with one report, also after one of them was killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

from .conftest import Call

#: What the processes and one process may differ by.
TOLERANCE = 1e-5
#: Online label smoothing that writes down its table, and whose second process is killed in its second epoch, once.
OWN = """
import json, os, signal
from pathlib import Path
from labelppl.targets import OLS

class Told(OLS):
    name = "told"

    def end_epoch(self, epoch, epochs, validation):
        rank, folder = os.environ.get("RANK", "alone"), Path(__file__).parent
        if rank == "1" and epoch == 1 and not (folder / "killed").exists():
            (folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        renewed = super().end_epoch(epoch, epochs, validation)
        (folder / f"table-{rank}-{epoch}.json").write_text(json.dumps(self.table.tolist()))
        return renewed
"""


@pytest.mark.skipif(os.name == "nt", reason="torchrun's store needs a POSIX system")
def test_two_processes_train_the_student_of_one(call: Call, hips: Path) -> None:
    (hips / "own.py").write_text(OWN)
    common = (
        "distill", "--model", "hip.py", "--target", "own.py:Told", "--augment", "none", "--lam", 1, "--epochs", 3,
        "--optimiser", "sgd", "--lr", 0.05, "--precision", 32, "--device", "cpu", "--quiet", "--out",
    )  # fmt: skip
    alone = call(hips, *common, "one")
    assert alone.exit_code == 0, alone.output
    killed = _torchrun(hips, *common, "two")
    assert killed.returncode != 0
    assert (hips / "killed").exists()
    assert not (hips / "two" / "student.json").exists()
    resumed = _torchrun(hips, *common, "two", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.count("done: ") == 1
    assert [p.name for p in (hips / "two").glob("report*.html")] == ["report.html"]

    for epoch in range(3):
        tables = [
            np.array(json.loads((hips / f"table-{rank}-{epoch}.json").read_text()))
            for rank in ("alone", "0", "1")
        ]
        assert not np.allclose(tables[0], tables[0][0, 0])
        np.testing.assert_allclose(tables[1], tables[0], atol=TOLERANCE)
        np.testing.assert_allclose(tables[2], tables[0], atol=TOLERANCE)
    one, two = (pd.read_csv(hips / run / "curve.csv") for run in ("one", "two"))
    assert len(one) == len(two) == 6
    same = ["lr", "loss", "penalty"]
    np.testing.assert_allclose(two[same], one[same], atol=TOLERANCE)
    for name in ("theta_p", "student"):
        weights, others = (load_file(hips / run / f"{name}.safetensors") for run in ("one", "two"))
        for key in weights:
            if not key.startswith("laplace"):
                np.testing.assert_allclose(others[key], weights[key], atol=TOLERANCE, err_msg=key)
    steps = json.loads((hips / "two" / "run.json").read_text())["steps"]
    assert [step["command"] for step in steps] == ["distill", "distill"]


@pytest.mark.skipif(os.name == "nt", reason="torchrun's store needs a POSIX system")
def test_bad_input_is_told_once(hips: Path) -> None:
    failed = _torchrun(hips, "distill", "--model", "hip.py", "--lam", "much", "--out", "two")
    assert failed.returncode != 0
    assert failed.stderr.count("labelppl: ") == 1
    assert not (hips / "two").exists()


def _torchrun(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The command in two processes."""
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "labelppl",
        *map(str, arguments),
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
