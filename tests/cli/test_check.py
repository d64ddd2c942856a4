"""``init`` writes what ``check`` accepts; ``check`` names what is wrong, with exit status 1, and runs the calibration."""

from __future__ import annotations

import json
from pathlib import Path

from labelppl.checks.record import Checked


def test_a_starter_passes_its_check_on_a_table_of_its_columns(tmp_path: Path, labelppl) -> None:  # type: ignore[no-untyped-def]
    assert labelppl("init", "knee.py", folder=tmp_path).exit_code == 0
    again = labelppl("init", "knee.py", folder=tmp_path)
    assert again.exit_code == 2
    assert "already there" in again.output
    rows = [f"normal,{60 + i % 7},{0.5 + 0.01 * (i % 5)}" for i in range(30)]
    rows += [f"abnormal,{50 + i % 9},{0.4 + 0.01 * (i % 6)}" for i in range(30)]
    (tmp_path / "knee.csv").write_text("\n".join(["diagnosis,angle,share", *rows]) + "\n")
    result = labelppl("check", "--model", "knee.py", "--quiet", folder=tmp_path)
    assert result.exit_code == 0, result.output
    assert "60 cases" in result.output.splitlines()[-1]


def test_hip_passes_and_its_calibration_is_drawn(own_hips: Path, labelppl) -> None:  # type: ignore[no-untyped-def]
    result = labelppl(
        "check", "--model", "hip.py", "--sbc", "--simulations", 20, "--quiet", folder=own_hips
    )
    assert result.exit_code == 0, result.output
    assert "calibration over 20 simulations passed: nothing found; a posterior" in result.output
    assert (
        "too narrow in all its parameters would have been found four times in five" in result.output
    )
    assert (own_hips / "runs" / "hip" / "sbc.png").read_bytes().startswith(b"\x89PNG")
    run = own_hips / "runs" / "hip"
    assert json.loads((run / "sbc.json").read_text())["passed"] is True
    steps = json.loads((run / "run.json").read_text())["steps"]
    assert [sorted(one["files"]) for one in steps] == [["check.json", "sbc.json", "sbc.png"]]


def test_a_folder_with_a_check_takes_a_fit_and_its_report_shows_the_check(
    own_hips: Path,
    labelppl,  # type: ignore[no-untyped-def]
) -> None:
    run = own_hips / "runs" / "hip"
    assert labelppl("check", "--model", "hip.py", "--quiet", folder=own_hips).exit_code == 0
    checked = Checked.load(run / "check.json")
    assert [(pair.first, pair.second) for pair in checked.pairs] == [("alpha", "coverage")]
    assert checked.pairs[0].low < checked.pairs[0].r < checked.pairs[0].high
    distill = ["distill", "--model", "hip.py", "--epochs", 1, "--lam", 1, "--image-size", 32]
    result = labelppl(*distill, "--quiet", folder=own_hips)
    assert result.exit_code == 0, result.output
    page = (run / "report.html").read_text()
    assert "How the label model was checked" in page
    assert "Do the measurements go together as the model says?" in page

    # Another model file: what was simulated from the old one goes, and the report says that the check is of another.
    (run / "coverage.json").write_text("{}")
    (own_hips / "hip.py").write_text((own_hips / "hip.py").read_text() + "\n# another\n")
    result = labelppl("check", "--model", "hip.py", "--quiet", folder=own_hips)
    assert "coverage.json was made with another model file or table and is removed" in result.output
    assert not (run / "coverage.json").exists()
    assert labelppl("report", "--run", run, "--quiet", folder=own_hips).exit_code == 0
    page = (run / "report.html").read_text()
    assert "was of another model file or table" in page
    assert "Do the measurements go together" not in page


def test_a_feature_that_is_never_used_is_named(own_hips: Path, labelppl) -> None:  # type: ignore[no-untyped-def]
    text = (own_hips / "hip.py").read_text()
    (own_hips / "hip.py").write_text(text.replace('pyro.sample("coverage", Beta(a, b))', "pass"))
    result = labelppl("check", "--model", "hip.py", "--quiet", folder=own_hips)
    assert result.exit_code == 1
    assert "feature 'coverage': declared but never used; write pyro.sample" in result.output


def test_coverage_tells_each_world_and_writes_its_table(tmp_path: Path, labelppl) -> None:  # type: ignore[no-untyped-def]
    """From the command to the file: a model with a fixed spread is warned of classes that spread unequally."""
    (tmp_path / "knee.py").write_text(
        "import pyro, torch\nimport pyro.distributions as dist\nfrom labelppl import Label, Real, label_model\n\n\n"
        "@label_model(y=Label('no', 'yes'), a=Real())\ndef knee(cases):\n"
        "    mean = pyro.sample('mean', dist.Normal(torch.tensor([0.0, 2.0]), 0.5).to_event(1))\n"
        "    with cases:\n"
        "        y = pyro.sample('y', dist.Bernoulli(torch.tensor(0.5))).long()\n"
        "        pyro.sample('a', dist.Normal(mean[y], 1.0))\n"
    )
    rows = [f"{'yes' if i % 2 else 'no'},{2 * (i % 2) + 0.3 * (i % 7) - 1:.2f}" for i in range(20)]
    (tmp_path / "knee.csv").write_text("\n".join(["y,a", *rows]) + "\n")
    result = labelppl(
        "check", "--model", "knee.py", "--coverage", "--tables", 5, "--quiet", folder=tmp_path
    )
    assert result.exit_code == 0, result.output
    assert "coverage of 90 % intervals, as the model says: " in result.output
    assert "warning: coverage, unequal spreads: 90 % intervals" in result.output
    saved = json.loads((tmp_path / "runs" / "knee" / "coverage.json").read_text())
    assert len(saved["worlds"]) == 4  # one measurement depends on no other
