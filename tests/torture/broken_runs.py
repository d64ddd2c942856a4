"""Run folders that are damaged, half-made, changed behind labelppl's back, or a stranger's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from .broken_options import DISTILL, FIT
from .corpus import Broken

LABEL = ("label", "--run", "r")
PREDICT = ("predict", "--run", "r", "images/hip0001.png", "--out", "p.csv")
EVALUATE = ("evaluate", "--run", "r")
REPORT = ("report", "--run", "r")
#: The files that each command reads of a run.
READS = {
    "run.json": (LABEL, EVALUATE, REPORT, (*DISTILL[:-1], "r", "--resume")),
    "posterior.nc": (LABEL, REPORT),
    "labels.parquet": (EVALUATE, REPORT),
    "student.json": (PREDICT, EVALUATE, REPORT),
    "student.safetensors": (PREDICT, EVALUATE),
    "metrics.json": (REPORT,),
    "predictions.parquet": (REPORT,),
    "curve.csv": (REPORT,),
}
Spoil = Callable[[Path], Any]


def _content(name: str, change: Callable[[bytes], bytes]) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / "r" / name
        path.write_bytes(change(path.read_bytes()))

    return spoil


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda b: b[: len(b) // 2],
    "junk": lambda _: b"junk" * 100,
    "one bit": lambda b: b[: len(b) // 3] + bytes([b[len(b) // 3] ^ 64]) + b[len(b) // 3 + 1 :],
    "zeros": lambda b: b"\0" * len(b),
    "longer": lambda b: b + b"\0",
}


def _damaged() -> list[Broken]:
    return [
        Broken(
            f"damaged {name}", f"{damage}, {command[0]}", command, (name,), _content(name, change)
        )
        for name, commands in READS.items()
        for command in commands
        for damage, change in DAMAGES.items()
        if (name, damage)
        not in {("run.json", "one bit"), ("run.json", "longer")}  # may still be sound JSON
    ]


def _entry(name: str, value: Any, file: str = "run.json") -> Spoil:
    """Set the entry at a dotted name, or with ``...`` remove it."""

    def spoil(folder: Path) -> None:
        path = folder / "r" / file
        content = json.loads(path.read_text())
        *above, last = name.split(".")
        place = content
        for part in above:
            place = place[part]
        if value is ...:
            del place[last]
        else:
            place[last] = value
        path.write_text(json.dumps(content))

    return spoil


def _entries() -> list[Broken]:
    values: dict[str, tuple[Any, ...]] = {
        "command": (..., 3),
        "arguments": (..., [], None),
        "seed": (..., -1, "0", 1.5, True),
        "model": (..., 5, {}),
        "model.sha256": (..., "x", None),
        "data": (..., None),
        "data.path": (..., 7),
        "data.beside": (..., [], {"../hip.csv": "0" * 64}, {"v.csv": 5}),
        "classes": (..., 5, [], ["normal"], ["normal", "normal"], [1, 2]),
        "raters": (..., [], {"votes": 3}),
        "label_name": (..., "", 3),
        "split": (..., [], {"test_share": 2, "validation": 0}, {"test_share": 0.3}),
    }
    return [
        Broken(
            "entry of run.json",
            f"{name} = {value}",
            EVALUATE,
            ("run.json", name.partition(".")[0]),
            _entry(name, value),
        )
        for name, several in values.items()
        for value in several
    ]


def _shared_student(folder: Path) -> None:
    """A student handed on without its run: the two files alone, so that no digest speaks for them."""
    for path in (folder / "r").iterdir():
        if path.name not in ("student.json", "student.safetensors"):
            path.unlink()


def _student_entries() -> list[Broken]:
    values: dict[str, tuple[Any, ...]] = {
        "classes": (..., 5, ["normal"], ["a", "a"], [1, 2], []),
        "channels": (-1, 0, "3", 10**9, 2.5),
        "height": (10**9, -1, None),
        "width": (0, "32"),
        "std": ([0], [], ["x"], [-1.0], ["nan"]),
        "mean": (["nan"], [0.1, 0.2], None),
        "head": ("foo", None, 3),
        "depth": ("int8", 5),
        "outputs": (-1, 0, 10**9, "2"),
        "architecture": ("resnet", None, "../x.py:f", 3),
        "study_prevalence": ([0.5], ["x", "y"], [0.5, 0.9], [-1, 2]),
        "deployment_prevalence": ([1, 0, 0], [0.0, 1.0]),
        "format": (..., 99),
    }

    def spoil(name: str, value: Any) -> Spoil:
        def both(folder: Path) -> None:
            _shared_student(folder)
            _entry(name, value, "student.json")(folder)

        return both

    return [
        Broken(
            "entry of student.json",
            f"{name} = {value}",
            PREDICT,
            ("student.json", name),
            spoil(name, value),
        )
        for name, several in values.items()
        for value in several
    ]


def _weights() -> list[Broken]:
    def change(edit: Callable[[dict[str, Any]], None]) -> Spoil:
        def spoil(folder: Path) -> None:
            _shared_student(folder)
            path = folder / "r" / "student.safetensors"
            tensors = load_file(path)
            edit(tensors)
            save_file(tensors, path)

        return spoil

    def first(tensors: dict[str, Any], part: str) -> str:
        return next(
            name for name in sorted(tensors) if part in name and tensors[name].dtype.kind == "f"
        )

    def fill(laplace: bool, value: float) -> Callable[[dict[str, Any]], None]:
        def edit(tensors: dict[str, Any]) -> None:
            for name, tensor in tensors.items():
                if name.startswith("laplace") == laplace and tensor.dtype.kind == "f":
                    tensors[name] = np.full_like(tensor, value)

        return edit

    def drop(part: str) -> Callable[[dict[str, Any]], None]:
        return lambda tensors: tensors.__delitem__(first(tensors, part))

    edits: dict[str, Callable[[dict[str, Any]], None]] = {
        "a tensor gone": drop("weight"),
        "a tensor of another shape": lambda t: t.update(
            {first(t, "weight"): np.zeros(3, np.float32)}
        ),
        "a tensor too many": lambda t: t.update(extra=np.zeros(3, np.float32)),
        "weights not finite": fill(False, float("nan")),
        "weights infinite": fill(False, float("inf")),
        "posterior not finite": fill(True, float("nan")),
        "posterior of another kind": lambda t: t.update({"laplace/extra": np.zeros(3, np.float32)}),
    }
    return [
        Broken("weights of the student", name, PREDICT, ("student.safetensors",), change(edit))
        for name, edit in edits.items()
    ]


def _changed() -> list[Broken]:
    """The table, the model or a picture is another than when the run was made."""

    def append(name: str, text: str) -> Spoil:
        return lambda folder: (folder / name).write_text((folder / name).read_text() + text)

    return [
        Broken("changed since the run", "model, label", LABEL, ("hip.py", "has changed"), append("hip.py", "\n# x\n")),
        Broken("changed since the run", "table, label", LABEL, ("hip.csv", "has changed"), append("hip.csv", "\n")),
        Broken("changed since the run", "table, evaluate", EVALUATE, ("hip.csv", "has changed"), append("hip.csv", "\n")),
        Broken("changed since the run", "model gone", LABEL, ("hip.py", "is gone"), lambda f: (f / "hip.py").unlink()),
        Broken("changed since the run", "table gone", LABEL, ("hip.csv", "is gone"), lambda f: (f / "hip.csv").unlink()),
        Broken("changed since the run", "a picture gone", EVALUATE, ("hip",), lambda f: [p.unlink() for p in (f / "images").iterdir()]),
        Broken("another run in the folder", "fit over a student", (*FIT[:-1], "r", "--seed", "7"), ("student",)),
        Broken("another run in the folder", "distill again", (*DISTILL[:-1], "r"), ("--resume",)),
    ]  # fmt: skip


def _stranger(folder: Path) -> None:
    """The folder as another user would hand it over: sound, but not signed by this one."""
    _entry("signature", "0" * 64)(folder)


def _strangers() -> list[Broken]:
    def planted(folder: Path) -> None:
        """A run that names a file which must not be executed."""
        (folder / "evil.py").write_text("open('EXECUTED', 'w').close()\n")
        import hashlib

        digest = hashlib.sha256((folder / "evil.py").read_bytes()).hexdigest()
        _entry("model", {"path": str(folder / "evil.py"), "sha256": digest, "options": {}})(folder)

    return [
        Broken("a stranger's run", "label", LABEL, ("--trust",), _stranger),
        Broken(
            "a stranger's run",
            "label without a signature",
            LABEL,
            ("--trust",),
            _entry("signature", ...),
        ),
        Broken("a stranger's run", "another model planted", LABEL, ("evil.py", "--trust"), planted),
    ]


def broken_runs() -> list[Broken]:
    """All of this file."""
    return [*_damaged(), *_entries(), *_student_entries(), *_weights(), *_changed(), *_strangers()]
