"""What commands find in a run folder, use, refuse, and make again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from labelppl.jobs import reproduce

from .conftest import Call

FIT = ("fit", "--model", "hip.py", "--quiet", "--run", "r")
DISTILL = ("distill", "--model", "hip.py", "--image-size", 32, "--epochs", 1, "--lam", 1, "--quiet", "--run", "r")  # fmt: skip
LABELPPL = (sys.executable, "-m", "labelppl")


def steps(run: Path) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = json.loads((run / "run.json").read_text())["steps"]
    return content


def test_distill_goes_on_from_the_matching_fit_and_refuses_another(call: Call, hips: Path) -> None:
    assert call(hips, *FIT, "--seed", 3).exit_code == 0
    refused = call(hips, *DISTILL)
    assert refused.exit_code == 2
    assert "holds a run already" in refused.output
    before = (hips / "r" / "posterior.nc").stat()
    done = call(hips, *DISTILL, "--seed", 3)
    assert done.exit_code == 0, done.output
    assert (hips / "r" / "posterior.nc").stat().st_ino == before.st_ino
    assert [s["command"] for s in steps(hips / "r")] == ["fit", "distill"]
    refused = call(hips, *FIT, "--seed", 4)
    assert refused.exit_code == 2
    assert "holds a student" in refused.output
    for option, value, name in (
        ("--lam", 100, "prior.lam"),
        ("--augment", "none", "augment"),
        ("--seed", 4, "seed"),
    ):
        other = call(hips, *DISTILL, "--seed", 3, "--resume", option, value)
        assert other.exit_code == 2, other.output
        assert name in other.output
        assert str(value) in other.output or name == "seed"
    picture = next((hips / "images").iterdir())
    picture.write_bytes(next(p for p in (hips / "images").iterdir() if p != picture).read_bytes())
    swapped = call(hips, *DISTILL, "--seed", 3, "--resume")
    assert swapped.exit_code == 2
    assert "images" in swapped.output


def test_a_new_fit_takes_the_labels_of_the_old_one_away(call: Call, hips: Path) -> None:
    first = call(hips, "label", "--model", "hip.py", "--quiet", "--run", "r")
    assert first.exit_code == 0, first.output
    posterior = (hips / "r" / "posterior.nc").stat()
    again = call(hips, "label", "--model", "hip.py", "--quiet", "--run", "r")
    assert (hips / "r" / "posterior.nc").stat().st_ino == posterior.st_ino
    assert "posterior in" not in again.output
    assert call(hips, *FIT).exit_code == 0  # the same fit: the labels still hold
    assert (hips / "r" / "labels.parquet").is_file()
    other = call(hips, *FIT, "--seed", 8)
    assert "labels.parquet was made from another fit and is removed" in other.output
    assert not (hips / "r" / "labels.parquet").exists()


def test_label_without_run_or_model_says_what_to_give(call: Call, hips: Path) -> None:
    result = call(hips, "label")
    assert result.exit_code == 2
    assert "--run DIR" in result.output
    assert "--model FILE.py" in result.output


def test_of_two_fits_in_one_folder_one_goes_through(hips: Path) -> None:
    """Both start at once; whichever comes second is refused, or takes its turn after the first."""
    both = [
        subprocess.Popen(
            [*LABELPPL, *FIT, "--seed", str(seed)],
            cwd=hips, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for seed in (1, 7)
    ]  # fmt: skip
    ends = [(p.communicate(timeout=120)[1], p.returncode) for p in both]
    assert 0 in [status for _, status in ends], ends
    for line, status in ends:
        assert status in (0, 2)
        if status:
            assert "r: in use by labelppl fit (process " in line
    made = json.loads((hips / "r" / "run.json").read_text())
    last = steps(hips / "r")[-1]
    assert made["seed"] == last["arguments"]["seed"]
    assert not [p.name for p in (hips / "r").iterdir() if p.name.startswith(".")]


def test_a_run_is_reproduced_and_what_differs_is_said(call: Call, hips: Path) -> None:
    assert call(hips, *DISTILL).exit_code == 0
    assert call(hips, "label", "--run", "r", "--prevalence", "dysplastic=0.1").exit_code == 0
    same = call(hips, "reproduce", "--run", "r", "--quiet")
    assert same.exit_code == 0, same.output
    assert "r: reproduced" in same.output
    for name in ("labels.parquet", "student.safetensors", "metrics.json"):
        assert f"{name:<28} same bytes" in same.output
    assert f"{'posterior.nc':<28} same values" in same.output
    from labelppl.runs import step

    with step(hips / "r", "evaluate", {}, ("evaluate", "--run", "r", "--seed", "5")):
        (hips / "r" / "metrics.json").write_text('{"accuracy": 1}')
    other = call(hips, "reproduce", "--run", "r", "--out", "again", "--quiet")
    assert other.exit_code == 1
    assert "files differ when it is repeated" in other.output
    assert "metrics.json" in other.output.splitlines()[-1]
    assert (hips / "again" / "student.safetensors").is_file()


def test_a_run_with_its_checks_is_reproduced_and_nothing_is_tracked_again(
    call: Call, hips: Path
) -> None:
    """Checks before, and simulations after the fit; the store's address is left out, wherever it stands."""
    check = ("check", "--model", "hip.py", "--run", "r")
    assert call(hips, *check).exit_code == 0
    assert call(hips, *FIT).exit_code == 0
    simulated = call(hips, *check, "--sbc", "--simulations", 20)
    assert simulated.exit_code == 0, simulated.output
    content = json.loads((hips / "r" / "run.json").read_text())
    assert [one["command"] for one in content["steps"]] == ["check", "fit", "check"]
    same = call(hips, "reproduce", "--run", "r")
    assert same.exit_code == 0, same.output
    assert f"{'check.json':<28} same" in same.output
    assert f"{'sbc.json':<28} same" in same.output
    assert "r: reproduced" in same.output
    for words in (["--track"], ["--track", "sqlite:///a.db"], ["--track=sqlite:///a.db"]):
        typed = reproduce._into(["distill", *words, "--quiet"], Path("again"), begun=False)
        assert typed == ["distill", "--quiet", "--run", "again"]


def test_a_strangers_run_is_neither_repeated_nor_labelled_but_read(call: Call, hips: Path) -> None:
    assert call(hips, *DISTILL).exit_code == 0
    content = json.loads((hips / "r" / "run.json").read_text())
    (hips / "r" / "run.json").write_text(json.dumps({**content, "signature": "0" * 64}))
    for command in (("label", "--run", "r"), ("reproduce", "--run", "r")):
        refused = call(hips, *command)
        assert refused.exit_code == 2
        assert "--trust" in refused.output
    assert call(hips, "label", "--run", "r", "--trust").exit_code == 0
    # evaluate, predict and report run no model file: they need no trust, and no model file either.
    (hips / "hip.py").write_text("open('EXECUTED', 'w').close()\n")
    (hips / "r" / "run.json").write_text(json.dumps({**content, "signature": "0" * 64}))
    picture = next((hips / "images").iterdir())
    for command in (
        ("evaluate", "--run", "r", "--out", "m.json"),
        ("predict", "--run", "r", picture, "--out", "p.csv"),
        ("report", "--run", "r"),
    ):
        result = call(hips, *command)
        assert result.exit_code == 0, result.output
    assert not (hips / "EXECUTED").exists()


def test_an_endless_model_ends_at_max_time(call: Call, hips: Path) -> None:
    text = (hips / "hip.py").read_text()
    (hips / "hip.py").write_text(
        f"while True:\n    try:\n        x = 1\n    except Exception:\n        pass\n{text}"
    )
    result = call(hips, *FIT, "--max-time", "1s")
    assert result.exit_code == 1
    assert (
        result.output
        == "labelppl: stopped after --max-time 1s; files that were finished are kept\n"
    )
    assert not (hips / "r").exists()


def test_a_model_may_import_what_lies_beside_it_and_that_is_part_of_it(
    call: Call, hips: Path
) -> None:
    text = (hips / "hip.py").read_text()
    (hips / "beside.py").write_text("LOW = 20\n")
    assert "low=20" in text
    (hips / "hip.py").write_text("from beside import LOW\n" + text.replace("low=20", "low=LOW"))
    assert call(hips, *FIT).exit_code == 0
    assert call(hips, "label", "--run", "r").exit_code == 0
    (hips / "beside.py").write_text("LOW = 19\n")
    changed = call(hips, "label", "--run", "r")
    assert changed.exit_code == 2
    assert "has changed since the run" in changed.output


@pytest.mark.parametrize("kind", ["toml", "command line first"])
def test_a_config_file_gives_options_and_the_command_line_wins(
    call: Call, hips: Path, kind: str
) -> None:
    (hips / "study.toml").write_text('model = "hip.py"\nseed = 5\n[fit]\nengine = "laplace"\n')
    more = () if kind == "toml" else ("--seed", 6)
    result = call(hips, "fit", "--config", "study.toml", "--run", "r", "--quiet", *more)
    assert result.exit_code == 0, result.output
    made = json.loads((hips / "r" / "run.json").read_text())
    assert made["seed"] == (5 if kind == "toml" else 6)
    assert made["fit"]["engine"] == "laplace"


def test_a_log_gets_every_line_with_its_time(call: Call, hips: Path) -> None:
    result = call(hips, *FIT, "--log", "fit.log")
    assert result.exit_code == 0, result.output
    lines = (hips / "fit.log").read_text().splitlines()
    assert all(line[:4].isdigit() and line[10] == "T" for line in lines)
    assert any("fitted 42 cases" in line for line in lines)  # a stage, which --quiet does not show
    assert "fitted 42 cases" not in result.output


def test_an_engine_of_the_users_own_draws_the_posterior(call: Call, hips: Path) -> None:
    (hips / "mine.py").write_text(
        "from labelppl.inference.laplace import laplace\n\n\ndef mine(density, *, seed=0, progress=None, **more):\n"
        "    from dataclasses import replace\n    print('mine ran')\n"
        "    return replace(laplace(density, seed=seed), engine='mine')\n"
    )
    result = call(hips, *FIT, "--engine", "mine.py:mine")
    assert result.exit_code == 0, result.output
    assert "mine ran" in result.output
    assert json.loads((hips / "r" / "run.json").read_text())["fit"]["engine"] == "mine"
    assert call(hips, *FIT, "--engine", "mine.py:yours").exit_code == 2


def test_python_dash_m_labelppl(hips: Path) -> None:
    done = subprocess.run([*LABELPPL, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "labelppl, version 0.1.0\n")
    done = subprocess.run([*LABELPPL, "fitt"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
