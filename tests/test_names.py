"""One word, one meaning: a public name has one definition, unless the glossary names both with the reason."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"


@cache
def sources() -> dict[str, ast.Module]:
    """Every module of the package by its path."""
    files = [path for part in ("labelppl", "cli", "models") for path in (ROOT / part).rglob("*.py")]
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(files)
    }


@cache
def public_names() -> dict[str, list[str]]:
    """Every public name defined at the top of a module of labelppl, with the modules that define it."""
    places = defaultdict(list)
    for place, tree in sources().items():
        module = place.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        room, _, module = module.partition(".")
        if room != "labelppl" or any(part.startswith("_") for part in module.split(".")):
            continue
        for node in tree.body:
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


#: Public functions whose whole name is a participle, with the reason. Any other takes a verb or a noun.
PARTICIPLES = {
    "stated": "the label model of the feature Stated",
    "labelled": "the cases that have a label: a property, a noun like `train` and `test` beside it",
    "censored": "the cells that are limits: a property of the column",
    "closed": "whether an interval holds its ends: a property",
    "passed": "whether a check found nothing: a property",
    "penalised": "the names of the weights that the prior holds: a property",
    "pooled": "the test of all quantities together: a property",
    "shared": "the votes' shared errors: a property",
    "held": "the validation cases: a property, as in `training.held`",
    "put": "the present tense too",
}
IRREGULAR = {
    "bought", "chosen", "cut", "done", "drawn", "found", "given", "held", "kept", "known", "left", "made", "met", "put",
    "said", "seen", "sent", "shown", "split", "taken", "taught", "told", "written",
}  # fmt: skip


def test_no_variable_is_called_found_or_given() -> None:
    """A variable says what it holds, not what happened to it."""
    wrong = []
    for place, tree in sources().items():
        for node in ast.walk(tree):
            stored = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            name = node.id if stored else node.arg if isinstance(node, ast.arg) else None
            if isinstance(node, ast.FunctionDef | ast.Attribute):
                name = node.name if isinstance(node, ast.FunctionDef) else node.attr
            if name in ("found", "given"):
                wrong.append(f"{place}:{node.lineno}: {name}; name it by what it holds")
    assert not wrong, "\n".join(wrong)


def participles() -> dict[str, list[str]]:
    """Public functions and methods whose whole name is a participle, with their places."""
    places = defaultdict(list)
    for place, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and (
                node.name in IRREGULAR or re.fullmatch(r"[a-z]{3,}ed", node.name)
            ):
                places[node.name].append(f"{place}:{node.lineno}")
    return places


def test_public_functions_are_named_by_verbs_and_nouns() -> None:
    wrong = {n: places for n, places in participles().items() if n not in PARTICIPLES}
    assert not wrong, "\n".join(
        f"{name}: {', '.join(places)}; take a present-tense verb" for name, places in wrong.items()
    )


def test_no_participle_is_excused_that_is_not_there() -> None:
    assert set(PARTICIPLES) <= set(participles())
