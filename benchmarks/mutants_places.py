"""Where a file can be mutated, a random sample of such places, and the statement that a place belongs to.

Type annotations are left alone, since nothing executes them.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.plugins import get_operator, operator_names


class Place(NamedTuple):
    """One change of one file: `operator` at its `occurrence`, at a line and column."""

    path: str
    line: int
    column: int
    operator: str
    occurrence: int


def places(root: Path, path: str) -> list[list[Place]]:
    """Every place of one file that can be mutated, with all its mutants."""
    source = (root / path).read_text(encoding="utf-8")
    silent = [*_annotations(ast.parse(source))]
    tree = get_ast(source)
    at: dict[tuple[int, int], list[Place]] = {}
    for name in operator_names():
        operator = get_operator(name)
        if operator.arguments():
            continue
        spans = (span for node in ast_nodes(tree) for span in operator().mutation_positions(node))
        for occurrence, (start, _) in enumerate(spans):
            if not any(first <= start < last for first, last in silent):
                at.setdefault(start, []).append(Place(path, *start, name, occurrence))
    return [at[start] for start in sorted(at)]


def _annotations(tree: ast.Module) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Spans (line, column) of type annotations."""
    for node in ast.walk(tree):
        hints = [
            getattr(node, "annotation", None)
            if isinstance(node, ast.arg | ast.AnnAssign)
            else None,
            node.returns if isinstance(node, ast.FunctionDef) else None,
        ]
        for hint in hints:
            if hint is not None:
                end = (hint.end_lineno or hint.lineno, hint.end_col_offset or hint.col_offset)
                yield (hint.lineno, hint.col_offset), end


def sample(root: Path, rooms: Sequence[str], size: int, seed: int) -> list[Place]:
    """`size` mutants at random places, one per place while there are places enough."""
    files: list[str] = []
    for room in rooms:
        under = root / room
        inside = [under] if under.is_file() else sorted(under.rglob("*.py"))
        files += [str(f.relative_to(root)) for f in inside if f.name != "__init__.py"]
    rng = random.Random(seed)
    everywhere = [mutants for path in files for mutants in places(root, path)]
    for mutants in everywhere:
        rng.shuffle(mutants)
    rng.shuffle(everywhere)
    chosen: list[Place] = []
    while len(chosen) < size and any(everywhere):
        for mutants in everywhere:
            if mutants and len(chosen) < size:
                chosen.append(mutants.pop())
    return chosen


def statement_of(tree: ast.Module, line: int) -> range:
    """Lines of the smallest statement that holds `line`; of a compound one, its head only."""
    best = range(line, line + 1)
    size = float("inf")
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt):
            continue
        body = getattr(node, "body", None)
        last = body[0].lineno - 1 if isinstance(body, list) else node.end_lineno or node.lineno
        if node.lineno <= line <= last and last - node.lineno < size:
            best, size = range(node.lineno, last + 1), last - node.lineno
    return best
