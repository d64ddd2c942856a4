"""Wrong things typed into the commands: one clear line, exit status 2, nothing half-written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def set_cell(folder: Path, column: str, value: str) -> None:
    """Change the first case's cell."""
    lines = (folder / "hip.csv").read_text().splitlines()
    at = lines[0].split(",").index(column)
    cells = lines[1].split(",")
    cells[at] = value
    lines[1] = ",".join(cells)
    (folder / "hip.csv").write_text("\n".join(lines) + "\n")


def first_image(folder: Path) -> Path:
    lines = (folder / "hip.csv").read_text().splitlines()
    return folder / lines[1].split(",")[lines[0].split(",").index("image")]


def duplicate_id(folder: Path) -> None:
    lines = (folder / "hip.csv").read_text().splitlines()
    set_cell(folder, "id", lines[2].split(",")[0])


SECOND_MODEL = """

@label_model(y=Label("a", "b"), coverage=Ratio())
def other(cases):
    pass
"""

SPOILED: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "missing column": (
        lambda f: edit(f / "hip.csv", "coverage", "cover"),
        ("column 'coverage'", "not in the table"),
    ),
    "unknown class": (
        lambda f: set_cell(f, "diagnosis", "sick"),
        ("column 'diagnosis', row 1", "'sick'", "normal"),
    ),
    "angle out of range": (
        lambda f: set_cell(f, "alpha", "130"),
        ("column 'alpha', row 1", "130", "20 to 90 deg"),
    ),
    "angle in radians": (lambda f: set_cell(f, "alpha", "1.05"), ("row 1", "looks like radians")),
    "text in a number": (
        lambda f: set_cell(f, "alpha", "steep"),
        ("row 1", "'steep'", "20 to 90 deg"),
    ),
    "ratio of one": (
        lambda f: set_cell(f, "coverage", "1"),
        ("column 'coverage', row 1", "squeeze"),
    ),
    "duplicate id": (duplicate_id, ("column 'id'", "differ")),
    "missing image": (lambda f: first_image(f).unlink(), ("images/", "no such image file")),
    "unreadable image": (lambda f: first_image(f).write_bytes(b"not a picture"), ("images/",)),
    "no label model": (lambda f: edit(f / "hip.py", "@label_model(", "dict("), ("hip.py",)),
    "two label models": (
        lambda f: (f / "hip.py").write_text((f / "hip.py").read_text() + SECOND_MODEL),
        ("expected one label model", "hip, other"),
    ),
    "site no column feeds": (
        lambda f: edit(
            f / "hip.py",
            '        pyro.sample("alpha", ',
            '        pyro.sample("beta", dist.Normal(0.0, 1.0))\n        pyro.sample("alpha", ',
        ),
        ("site 'beta'", "no column feeds it", "not discrete"),
    ),
    "error in the model file": (
        lambda f: edit(f / "hip.py", "alpha_kappa[y]", "alpha_kapa[y]"),
        ("hip.py, line", "alpha_kapa"),
    ),
    "wrong split": (
        lambda f: set_cell(f, "split", "training"),
        ("column 'split', row 1", "train, val or test"),
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_one_line_exit_2_nothing_written(name: str, own_hips: Path, labelppl) -> None:  # type: ignore[no-untyped-def]
    spoil, words = SPOILED[name]
    spoil(own_hips)
    before = {p.relative_to(own_hips) for p in own_hips.rglob("*")}
    result = labelppl("distill", "--model", "hip.py", "--epochs", 1, "--quiet", folder=own_hips)
    assert result.exit_code == 2, result.output
    assert result.output.startswith("labelppl: ")
    assert len(result.output.splitlines()) == 1, result.output
    for word in words:
        assert word in result.output
    assert {p.relative_to(own_hips) for p in own_hips.rglob("*")} == before


def test_a_case_with_nothing_measured_gets_the_prior(own_hips: Path, labelppl) -> None:  # type: ignore[no-untyped-def]
    from labelppl import SoftLabels

    lines = (own_hips / "hip.csv").read_text().splitlines()
    header = lines[0].split(",")
    cells = lines[1].split(",")
    for column in ("alpha", "coverage", "diagnosis"):
        cells[header.index(column)] = ""
    (own_hips / "hip.csv").write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    assert (
        labelppl("fit", "--model", "hip.py", "--run", "run", "--quiet", folder=own_hips).exit_code
        == 0
    )
    assert labelppl("label", "--run", "run", folder=own_hips).exit_code == 0
    import arviz as az

    labels = SoftLabels.load(own_hips / "run" / "labels.parquet")
    row = list(labels.ids).index(cells[header.index("id")])
    prevalence = az.from_netcdf(own_hips / "run" / "posterior.nc")["posterior"]["prevalence"]
    expected = prevalence.mean(("chain", "draw")).values
    spread = float(prevalence.std()) / prevalence.size**0.5
    assert abs(labels.probs[row] - expected).max() < 6 * spread + 0.005


WRONG = {
    "unknown model": (["fit", "--model", "knee"], "not in the zoo"),
    "no such file": (["fit", "--model", "knee.py"], "no such model file"),
    "no table": (["fit", "--model", "hip"], "no table beside the model"),
    "unknown option": (["fit", "--model", "hip.py", "--option", "speed=3"], "no option 'speed'"),
    "malformed option": (["fit", "--model", "hip.py", "--option", "speed"], "NAME=VALUE"),
    "unknown class": (
        ["distill", "--model", "hip.py", "--prevalence", "ill=0.1"],
        "unknown class 'ill'",
    ),
    "not a probability": (
        ["distill", "--model", "hip.py", "--prevalence", "normal=3"],
        "probability",
    ),
    "not a number": (
        ["distill", "--model", "hip.py", "--prevalence", "normal=rare"],
        "expected a number",
    ),
    "bad lambda": (["distill", "--model", "hip.py", "--lam", "-2"], "--lam -2"),
    "no run": (["label", "--run", "nowhere"], "no run.json"),
    "unknown group": (["fit", "--model", "hip.py", "--group", "patient"], "column 'patient'"),
    "bad output": (["predict", "--run", "nowhere", "a.png", "--out", "p.txt"], ".csv or .parquet"),
    "no student": (["predict", "--run", "nowhere", "a.png"], "student.json"),
    "used folder": (["simulate", "hip", "--out", "."], "not an empty folder"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments(
    name: str, own_hips: Path, labelppl, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    arguments, words = WRONG[name]
    folder = own_hips
    if name == "no table":
        folder = own_hips / "images"
    before = {p.relative_to(own_hips) for p in own_hips.rglob("*")}
    result = labelppl(*arguments, folder=folder)
    assert result.exit_code == 2, result.output
    assert len(result.output.splitlines()) == 1, result.output
    assert words in result.output
    assert {p.relative_to(own_hips) for p in own_hips.rglob("*")} == before


def test_a_failed_fit_stops_distillation_unless_forced(
    own_hips: Path, labelppl, monkeypatch: pytest.MonkeyPatch
) -> None:  # type: ignore[no-untyped-def]
    import json
    from dataclasses import replace

    from labelppl.jobs import fit_and_tell as job
    from labelppl.posterior import fit

    def failing(*args: object, **kwargs: object):  # type: ignore[no-untyped-def]
        posterior = fit(*args, **kwargs)  # type: ignore[arg-type]
        return replace(posterior, sampled=replace(posterior.sampled, problems=("R-hat is 2",)))

    monkeypatch.setattr(job, "fit", failing)
    common = ["distill", "--model", "hip.py", "--epochs", 1, "--lam", 1, "--quiet"]
    refused = labelppl(*common, "--run", "a", folder=own_hips)
    assert refused.exit_code == 1
    assert "R-hat is 2" in refused.output.splitlines()[-1]
    assert not (own_hips / "a" / "student.safetensors").exists()
    forced = labelppl(*common, "--run", "b", "--force", folder=own_hips)
    assert forced.exit_code == 0, forced.output
    assert "R-hat is 2" in json.loads((own_hips / "b" / "run.json").read_text())["forced"]
