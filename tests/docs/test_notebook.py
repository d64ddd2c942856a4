"""The notebook in the documentation: its cells run, and give what it shows."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

NOTEBOOK = Path(__file__).parents[2] / "docs" / "first-look.ipynb"


def _last_value(source: str, scope: dict[str, Any]) -> object:
    """Run a cell; return the value of its last line, as a notebook would show it."""
    tree = ast.parse(source)
    last = tree.body.pop()
    assert isinstance(last, ast.Expr)
    exec(compile(tree, "cell", "exec"), scope)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), scope)


def test_its_cells_give_what_it_shows() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    scope: dict[str, Any] = {}
    pictures = 0
    plt.switch_backend("agg")
    for cell in cells:
        if cell["cell_type"] != "code":
            continue
        value = _last_value("".join(cell["source"]), scope)
        shown = cell["outputs"][0]["data"]
        if "image/png" in shown:
            pictures += 1
            continue
        if hasattr(value, "_repr_html_") and "table><caption>" in "".join(shown["text/html"]):
            assert value._repr_html_() == "".join(shown["text/html"])
        elif isinstance(value, list):
            assert [ast.literal_eval("".join(shown["text/plain"]))] == [value]
        else:
            assert repr(value) == "".join(shown["text/plain"])
    assert pictures == 2
    plt.close("all")
