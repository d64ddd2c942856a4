"""The Python reference, one page per room, made from the code when the site is built.

A room that names its public objects in `__all__` shows those; another shows its public modules. The order is the order of
the layers in pyproject.toml, from the ground up, so that the list of pages is the flow of the data.
"""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "labelppl"


def rooms() -> list[str]:
    """The rooms in the order of the import contract, lowest first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    return [name.strip() for layer in reversed(layers) for name in layer.split("|")]


def syntax_of(room: str) -> tuple[Path, ast.Module]:
    """The file of a room and its syntax tree: a module, or the `__init__` of a package."""
    path = PACKAGE / f"{room}.py"
    path = path if path.is_file() else PACKAGE / room / "__init__.py"
    return path, ast.parse(path.read_text(encoding="utf-8"))


def listed(tree: ast.Module) -> list[str]:
    """The names of a literal `__all__`, or none."""
    for node in tree.body:
        names = [t.id for t in getattr(node, "targets", []) if isinstance(t, ast.Name)]
        if "__all__" in names and isinstance(node.value, ast.List):  # type: ignore[attr-defined]
            return [e.value for e in node.value.elts if isinstance(e, ast.Constant)]  # type: ignore[attr-defined]
    return []


def page(room: str) -> str:
    """The Markdown of one room."""
    path, tree = syntax_of(room)
    names = listed(tree)
    if names:
        shown = "\n".join(f"        - {name}" for name in names)
        return (
            f"# {room}\n\n::: labelppl.{room}\n    options:\n      show_root_heading: false\n"
            f"      show_root_toc_entry: false\n      members:\n{shown}\n"
        )
    if path.name != "__init__.py":
        modules = [room]
    else:
        modules = [
            f"{room}.{file.stem}"
            for file in sorted(path.parent.glob("*.py"))
            if not file.stem.startswith("_")
        ]
    summary = "" if path.name != "__init__.py" else ast.get_docstring(tree) or ""
    parts = "".join(f"::: labelppl.{module}\n\n" for module in modules)
    return f"# {room}\n\n{summary}\n\n{parts}"


def on_config(config: Any) -> Any:
    """Put the rooms under “Python” in the navigation."""
    for section in config["nav"]:
        if "Look up" in section:
            python = ["reference/index.md", *(f"reference/{room}.md" for room in rooms())]
            section["Look up"] = [
                {"Python": python} if "Python" in entry else entry for entry in section["Look up"]
            ]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the page of every room."""
    for room in rooms():
        files.append(File.generated(config, f"reference/{room}.md", content=page(room)))
    return files
