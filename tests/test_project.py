"""The project's own promises: what is packaged, what the README says, what may be written."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from labelppl.cli import main

ROOT = Path(__file__).parents[1]


def test_every_package_is_installed() -> None:
    listed = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    )
    found = {
        ".".join(p.parent.relative_to(ROOT).parts) for p in (ROOT / "labelppl").rglob("__init__.py")
    } | {"labelppl.cli", "labelppl.models"}
    assert listed == found


def test_required_top_level_is_there() -> None:
    for name in ("pyproject.toml", "labelppl", "models", "tests", "examples", "cli"):
        assert (ROOT / name).exists(), name


def test_every_command_in_the_readme_parses() -> None:
    text = (ROOT / "README.md").read_text()
    lines = [line.split("#")[0] for line in text.splitlines() if line.startswith("labelppl ")]
    assert lines
    for line in lines:
        _, verb, *words = line.split()
        main.commands[verb].make_context(verb, words)


def test_every_command_stands_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    for verb in main.commands:
        assert re.search(rf"labelppl {verb}\b", text) or f"`{verb}`" in text, verb


def test_models_and_functions_of_the_readme_run(tmp_path: Path) -> None:
    """The model of the README fits the phantoms, and the Python names it uses exist."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    model_file = next(b for b in blocks if "@label_model" in b)
    python = next(b for b in blocks if "load_model" in b)
    from labelppl.phantoms import simulate

    folder = simulate("hip", tmp_path / "hips", cases=80, size=32)
    (folder / "hip.py").write_text(model_file)
    quick = python.replace('lam="auto"', "lam=float('inf')")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        scope: dict[str, object] = {}
        exec(compile(quick, "README.md", "exec"), scope)
    assert scope["labels"].probs.shape == (80, 2)  # type: ignore[attr-defined]


def test_no_pickle_and_no_unsafe_load() -> None:
    for path in [*ROOT.glob("labelppl/**/*.py"), *ROOT.glob("cli/*.py"), *ROOT.glob("models/*.py")]:
        text = path.read_text()
        assert not re.search(
            r"import pickle|pickle\.(load|dump)|torch\.(load|save)\(|joblib\.(load|dump)", text
        ), path


def test_the_shared_data_are_not_copied_here() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    assert not [
        name
        for name in tracked
        if name.endswith((".csv", ".png", ".parquet", ".zip")) and not name.startswith("docs/")
    ]


def test_the_map_of_the_code_names_files_and_functions_that_exist() -> None:
    """CONTRIBUTING.md walks through the code: each file that it names is there, and each function in one of them."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    walks = text.split("## Four walks through the code")[1].split("## How to add something")[0]
    for paragraph in re.split(r"\n(?=\d\. )", walks):
        files = re.findall(r"`([a-z_]+/\w+\.py|\w+\.py)`", paragraph)
        sources = ""
        for name in files:
            places = [path for path in (ROOT / "labelppl" / name, ROOT / name) if path.is_file()]
            assert places, f"CONTRIBUTING.md: {name} is gone"
            sources += places[0].read_text(encoding="utf-8")
        for name in re.findall(r"`([a-z_]{4,})`", paragraph) if files else ():
            known = name in sources or (ROOT / "labelppl" / name).is_dir()
            assert known or name in ("alpha", "majority"), (
                f"CONTRIBUTING.md: {name} is not in {', '.join(files)}"
            )
