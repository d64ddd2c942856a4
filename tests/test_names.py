"""One word, one meaning: a public name has one definition, unless the glossary names both with the reason."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"


def public_names() -> dict[str, list[str]]:
    """Every public name defined at the top of a module of labelppl, with the modules that define it."""
    places = defaultdict(list)
    for path in sorted((ROOT / "labelppl").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT / "labelppl").with_suffix("").parts)
        module = module.removesuffix(".__init__")
        if any(part.startswith("_") for part in module.split(".")):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            for name in _defined(node):
                if not name.startswith("_"):
                    places[name].append(module)
    return dict(places)


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
    return [target.id for target in targets if isinstance(target, ast.Name)]


def excused() -> dict[str, set[str]]:
    """Name -> modules, from the last table of the glossary; every row gives a reason."""
    table = GLOSSARY.read_text(encoding="utf-8").split("## Names with two definitions")[1]
    rows = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if len(cells) == 3 and cells[0].startswith("`"):
            assert len(cells[2].split()) >= 3, f"glossary, {cells[0]}: give the reason in words"
            rows[cells[0].strip("`")] = set(re.findall(r"`(.*?)`", cells[1]))
    return rows


def test_a_public_name_has_one_definition() -> None:
    names, allowed = public_names(), excused()
    twice = {name: places for name, places in names.items() if len(places) > 1}
    wrong = {name: places for name, places in twice.items() if set(places) != allowed.get(name)}
    assert not wrong, "\n".join(
        f"{name}: defined in {', '.join(places)}; rename one, or name both in docs/glossary.md"
        for name, places in wrong.items()
    )


def test_the_glossary_excuses_no_name_that_has_one_definition() -> None:
    names = public_names()
    assert not [name for name in excused() if len(names.get(name, ())) < 2]


def test_the_names_by_room() -> None:
    """Prints the list with `pytest -s`: each room with its public names."""
    rooms: dict[str, list[str]] = defaultdict(list)
    for name, places in public_names().items():
        for room in {place.split(".")[0] for place in places}:
            rooms[room].append(name)
    for room, members in rooms.items():
        print(f"{room} ({len(members)}): {', '.join(sorted(members, key=str.lower))}")
    assert sum(map(len, rooms.values())) >= len(public_names())
