"""Where the run came from: command, seed, versions, fingerprints, times."""

from __future__ import annotations

import shlex
from typing import Any, NamedTuple

from ..runs import sha256
from .run_files import RunFiles


class Provenance(NamedTuple):
    """Rows to print: facts (name, value), versions, files (name, bytes, SHA-256), steps (line, began, seconds, ended)."""

    facts: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, int, str], ...]
    steps: tuple[tuple[str, str, str, str], ...]


def provenance(files: RunFiles) -> Provenance:
    """Return the provenance of the run, with a fingerprint of each of its files."""
    run = files.run
    facts = [("Command", f"labelppl {run['command']}")] if "command" in run else []
    if "seed" in run:
        facts.append(("Seed", str(run["seed"])))
    for what in ("model", "data"):
        made = run.get(what)
        if isinstance(made, dict):
            facts.append((f"{what.capitalize()} file", str(made.get("path"))))
            facts.append((f"{what.capitalize()} SHA-256", str(made.get("sha256"))))
            options = made.get("options")
            if isinstance(options, dict) and options:
                facts.append(
                    (
                        f"{what.capitalize()} options",
                        ", ".join(f"{k}={v}" for k, v in options.items()),
                    )
                )
    steps = tuple(_step(step) for step in run.get("steps") or [] if isinstance(step, dict))
    if not steps:
        arguments = run.get("arguments") or {}
        facts += [
            (name.replace("_", " ").capitalize(), str(value))
            for name, value in arguments.items()
            if isinstance(value, str | int | float) and name != "seed"
        ]
    versions = run.get("versions") or files.student.get("versions") or {}
    present = sorted(
        path
        for path in files.folder.iterdir()
        if path.is_file() and not path.name.startswith(".") and path.name not in _OWN
    )
    return Provenance(
        tuple(facts),
        tuple((str(k), str(v)) for k, v in versions.items()),
        tuple((path.name, path.stat().st_size, sha256(path)) for path in present),
        steps,
    )


_OWN = {"report.html", "run.json"}


def _step(step: dict[str, Any]) -> tuple[str, str, str, str]:
    """A step as it was typed, or its command where it was called from Python."""
    words = step.get("command_line")
    typed = " ".join(shlex.quote(str(word)) for word in words) if isinstance(words, list) else ""
    began = str(step.get("started", "")).replace("T", " ").removesuffix("+00:00")
    line = f"labelppl {typed}" if typed else f"{step.get('command', '')} (from Python)"
    return line, began, str(step.get("seconds_in_all", "")), str(step.get("status", ""))
