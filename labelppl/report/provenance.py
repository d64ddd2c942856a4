"""Where the run came from: command, seed, versions, fingerprints, times."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from ..runs import sha256
from .run_files import RunFiles


class Provenance(NamedTuple):
    """Rows of (name, value) to print; `files` are (name, bytes, SHA-256)."""

    facts: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, int, str], ...]


def provenance(files: RunFiles) -> Provenance:
    """Return the provenance of the run, with a fingerprint of each of its files."""
    run = files.run
    facts = [("Command", f"labelppl {run['command']}")] if "command" in run else []
    for name, value in (run.get("arguments") or {}).items():
        facts.append((f"--{name.replace('_', '-')}", _text(value)))
    for what in ("model", "data"):
        made = run.get(what)
        if isinstance(made, dict):
            facts.append((f"{what.capitalize()} file", _text(made.get("path"))))
            facts.append((f"{what.capitalize()} SHA-256", _text(made.get("sha256"))))
            if made.get("options"):
                facts.append((f"{what.capitalize()} options", _text(made["options"])))
    for name, value in (run.get("seconds") or {}).items():
        facts.append((f"Seconds, {name}", _text(value)))
    known = {"command", "arguments", "model", "data", "seconds", "versions", "fit"}
    facts += [(name.capitalize(), _text(value)) for name, value in run.items() if name not in known]
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
    )


_OWN = {"report.html", "run.json"}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "not given" if value is None else json.dumps(value, ensure_ascii=False)
