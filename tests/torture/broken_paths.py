"""Paths that cannot be read or written: files for folders, links that lead nowhere or out, an input as output."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from .broken_options import COMPARE, DISTILL, FIT
from .corpus import Broken


def _to(command: tuple[str, ...], path: str) -> tuple[str, ...]:
    """The command with its last word, the place to write, replaced."""
    return (*command[:-1], path)


def _place(folder: Path) -> None:
    (folder / "afile").touch()
    (folder / "dangling").symlink_to("nowhere/at/all")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")


FOLDERS = {
    "a file": ("afile", "is a file"),
    "the table": ("hip.csv", "is a file"),
    "below a file": ("afile/r", "is a file"),
    "a dangling link": ("dangling", "does not exist"),
    "below a dangling link": ("dangling/r", "leads nowhere"),
    "a link to itself": ("loop", "does not exist"),
    "a pipe": ("pipe", "is a file"),
}
CHECK = ("check", "--model", "hip.py", "--quiet", "--run", "o")
LABEL_MODEL = ("label", "--model", "hip.py", "--quiet", "--run", "o")
SIMULATE = ("simulate", "hip", "--cases", "10", "--size", "32", "--out", "o")
MAKERS = {
    "fit": FIT,
    "distill": DISTILL,
    "compare": COMPARE,
    "check": CHECK,
    "label": LABEL_MODEL,
    "simulate": SIMULATE,
}

OUTPUTS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "label": (
        ("label", "--run", "r", "--out", "o.parquet"),
        {"images": "is a folder", "l.csv": ".parquet", "labels": ".parquet", "afile/l.parquet": "is a file",
         "dangling": "does not exist", "hip.csv": "hip.csv"},
    ),
    "evaluate": (
        ("evaluate", "--run", "r", "--out", "o.json"),
        {"images": "is a folder", "m.csv": ".json", "hip.csv": "hip.csv", "hip.py": "hip.py", "afile/m.json": "is a file",
         "dangling": "does not exist"},
    ),
    "predict": (
        ("predict", "--run", "r", "images/hip0001.png", "--out", "p.csv"),
        {"images": "is a folder", "p.json": ".csv", "hip.csv": "is an input", "r": "is a folder",
         "afile/p.csv": "is a file", "images/hip0001.png": "images/hip0001.png", "dangling": "does not exist"},
    ),
}  # fmt: skip

INPUTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no model file": (
        ("fit", "--model", "gone.py", "--run", "o"),
        ("gone.py", "no such model file"),
    ),
    "not in the zoo": (("fit", "--model", "hipp", "--run", "o"), ("hipp", "not in the zoo")),
    "a folder for a model": (("fit", "--model", "images", "--run", "o"), ("images",)),
    "a folder named .py": (("fit", "--model", "folder.py", "--run", "o"), ("folder.py",)),
    "a dangling model": (("fit", "--model", "dangling.py", "--run", "o"), ("dangling.py",)),
    "no table": (("fit", "--model", "hip.py", "--data", "gone.csv", "--run", "o"), ("gone.csv",)),
    "a folder for a table": (
        ("fit", "--model", "hip.py", "--data", "images", "--run", "o"),
        ("images",),
    ),
    "a picture for a table": (
        ("fit", "--model", "hip.py", "--data", "images/hip0001.png", "--run", "o"),
        ("hip0001.png",),
    ),
    "no run": (("label", "--run", "gone"), ("gone",)),
    "a file for a run": (("evaluate", "--run", "hip.csv"), ("hip.csv",)),
    "images for a run": (("report", "--run", "images"), ("images",)),
    "no run to report": (("report", "--run", "gone"), ("gone",)),
    "no run to predict": (
        ("predict", "--run", "gone", "images/hip0001.png", "--out", "p.csv"),
        ("gone",),
    ),
    "no picture": (("predict", "--run", "r", "gone.png", "--out", "p.csv"), ("gone.png",)),
    "no picture but a program": (
        ("predict", "--run", "r", "hip.py", "--out", "p.csv"),
        ("hip.py",),
    ),
    "no table to label": (
        ("label", "--run", "r", "--data", "gone.csv", "--out", "o.parquet"),
        ("gone.csv",),
    ),
    "nothing to resume": ((*DISTILL, "--resume"), ("o", "nothing to resume")),
    "a log in no place": ((*FIT, "--log", "afile/log"), ("afile",)),
    "a folder for a log": ((*FIT, "--log", "images"), ("images",)),
}


def _over_a_stranger(command: tuple[str, ...], name: str, content: str) -> Broken:
    """``--out`` names a file of the user's, which is no input of the run."""

    def place(folder: Path) -> None:
        (folder / name).write_text(content)

    words = (name, "is there already", "another file with --out")
    return Broken(
        "output over another file", f"{command[0]} {name}", _to(command, name), words, place
    )


def _strangers_files() -> list[Broken]:
    label, evaluate, predict = (OUTPUTS[verb][0] for verb in ("label", "evaluate", "predict"))
    return [
        _over_a_stranger(predict, "other.csv", "id,alpha,p_true_normal\na,1,1\n"),
        _over_a_stranger(predict, "notes.csv", "a note\n"),
        _over_a_stranger(predict, "old.parquet", "no table"),
        _over_a_stranger(evaluate, "config.json", '{"seed": 1}'),
        _over_a_stranger(evaluate, "list.json", "[1, 2]"),
        _over_a_stranger(label, "old.parquet", "no table"),
    ]


def _odd_inputs(folder: Path) -> None:
    _place(folder)
    (folder / "folder.py").mkdir()
    (folder / "dangling.py").symlink_to("nowhere.py")


def _links() -> list[Broken]:
    """Files of the run that are links out of it."""
    reads = {
        "posterior.nc": ("label", "--run", "r"),
        "labels.parquet": ("evaluate", "--run", "r"),
        "student.json": ("predict", "--run", "r", "images/hip0001.png", "--out", "p.csv"),
        "student.safetensors": ("predict", "--run", "r", "images/hip0001.png", "--out", "p.csv"),
        "metrics.json": ("report", "--run", "r"),
        "curve.csv": ("report", "--run", "r"),
    }

    def link(name: str) -> Callable[[Path], None]:
        def out(folder: Path) -> None:
            (folder / "r" / name).rename(folder / "elsewhere")
            (folder / "r" / name).symlink_to("../elsewhere")

        return out

    return [
        Broken(
            "a link out of the run",
            name,
            command,
            (name, "leads out of the run folder"),
            link(name),
        )
        for name, command in reads.items()
    ]


def broken_paths() -> list[Broken]:
    """All of this file."""
    return [
        *(Broken("run folder", f"{verb} into {name}", _to(command, path), (path.partition("/")[0], words), _place)
          for verb, command in MAKERS.items() for name, (path, words) in FOLDERS.items()),
        *(Broken("output file", f"{verb} --out {path}", _to(command, path), (words,), _place)
          for verb, (command, places) in OUTPUTS.items() for path, words in places.items()),
        *(Broken("input path", name, command, words, _odd_inputs) for name, (command, words) in INPUTS.items()),
        *_links(),
        *_strangers_files(),
    ]  # fmt: skip
