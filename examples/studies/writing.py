"""What every study writes: results.json with the machine and the command, results.md with its tables, and figures."""

from __future__ import annotations

import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from labelppl.runs import versions

from .form import Form


class Study:
    """The folder of one study. Tables, numbers and figures are written as soon as they are there.

    out: the folder. title: of results.md. form: how large it is run.
    """

    def __init__(self, out: Path, title: str, form: Form) -> None:
        self.out, self._title = out, title
        self._began = time.perf_counter(), time.process_time()
        self._parts: dict[str, list[str]] = {}
        self.results: dict[str, Any] = {
            "command": shlex.join(["python", f"examples/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
            "form": asdict(form),
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "machine": f"{os.cpu_count()} cores, {platform.machine()}, {torch.get_num_threads()} threads used",
            "versions": versions(),
        }
        out.mkdir(parents=True, exist_ok=True)

    def write(
        self, part: str, numbers: Any, tables: Sequence[str], figures: Mapping[str, Figure]
    ) -> None:
        """Add one part: its numbers under its name, its tables, and figures NAME.png; all files are rewritten."""
        self.results[part] = numbers
        self.results["seconds"] = round(time.perf_counter() - self._began[0], 1)
        self.results["cpu_seconds"] = round(time.process_time() - self._began[1], 1)
        self._parts[part] = list(tables)
        for name, figure in figures.items():
            figure.savefig(self.out / f"{name}.png", dpi=120)
            self._parts[part].append(f"![{name}]({name}.png)")
        text = json.dumps(self.results, indent=1, allow_nan=False)
        (self.out / "results.json").write_text(text + "\n", encoding="utf-8")
        (self.out / "results.md").write_text(self.markdown(), encoding="utf-8")

    def markdown(self) -> str:
        """results.md."""
        said = self.results
        head = (
            f"`{said['command']}`, {said['date']}, {said['machine']}; {said.get('seconds', 0):.0f} s, "
            f"{said.get('cpu_seconds', 0):.0f} s of CPU."
        )
        blocks = [f"# {self._title}", head]
        for part, tables in self._parts.items():
            blocks += [f"## {part}", *tables]
        return "\n\n".join(blocks) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in lines)


def with_interval(values: Sequence[float], sign: bool = False) -> str:
    """`.123 [.100, .150]` of a middle and two ends; bold where `sign` and the interval excludes 0."""
    middle, lo, hi = values
    text = f"{middle:+.3f} [{lo:+.3f}, {hi:+.3f}]" if sign else f"{middle:.3f} [{lo:.3f}, {hi:.3f}]"
    return f"**{text}**" if sign and (lo > 0 or hi < 0) else text
