"""Running a page of the documentation as a reader would: block after block, in one folder."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import pytest
import torch
from labelppl.cli import main

FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)(?P<rest>[^\n]*)\n(?P<text>.*?)^(?P=indent)```",
    re.MULTILINE | re.DOTALL,
)
#: `<!-- quick: OLD => NEW -->` in a page: what its test writes instead of OLD, so that it takes seconds.
QUICK = re.compile(r"<!-- quick: (.*?) => (.*?) -->")
#: Languages whose blocks are shown only; every other block runs or is written to the file its title names.
SHOWN = {"text", "markdown", "mermaid"}


class Block(NamedTuple):
    """One fenced block of a page. title: the file it is, if it is one."""

    language: str
    title: str
    text: str
    line: int


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page that a reader would run or save."""
    text = page.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        if match["language"] in SHOWN:
            continue
        title = re.search(r'title="(.*?)"', match["rest"])
        body = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        line = text[: match.start()].count("\n") + 1
        yield Block(match["language"], title[1] if title else "", body, line)


def commands(text: str) -> Iterator[tuple[str, int]]:
    """The commands of a console block, with the exit status that a comment `# exit N` promises."""
    joined = re.sub(r"\\\n\s*>?\s*", "", text)
    for line in joined.splitlines():
        if line.startswith("$ "):
            promised = re.search(r"#\s*exit (\d)", line)
            yield line[2:].split("  #")[0].strip(), int(promised[1]) if promised else 0


def run_command(command: str, status: int, where: str) -> None:
    """Run `cd`, `mkdir`, `cp` or a labelppl command in this process."""
    verb, *words = shlex.split(command)
    if verb == "cd":
        os.chdir(words[0])
        return
    if verb == "python" and words[:2] == ["-m", "labelppl"]:
        verb, words = "labelppl", words[2:]
    assert verb == "labelppl", f"{where}: {command}: only labelppl commands and cd run in a page"
    expanded = [
        str(path)
        for word in words
        for path in (sorted(Path().glob(word)) if "*" in word else [word])
    ]
    with pytest.raises(SystemExit) as stop:
        main(expanded, prog_name="labelppl")
    assert (stop.value.code or 0) == status, f"{where}: {command}: exit status {stop.value.code}"


def run_page(page: Path, folder: Path) -> None:
    """Run every block of `page` in `folder`: files are written, Python shares one namespace, commands must succeed."""
    quick = QUICK.findall(page.read_text(encoding="utf-8"))
    scope: dict[str, Any] = {"__name__": "page"}
    for block in blocks(page):
        text, where = block.text, f"{page.name}:{block.line}"
        for old, new in quick:
            text = text.replace(old, new)
        if block.title:
            (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            Path(block.title).write_text(text, encoding="utf-8")
        elif block.language == "console":
            for command, status in commands(text):
                run_command(command, status, where)
        elif block.language == "python":
            exec(compile(text, where, "exec"), scope)
        else:
            raise AssertionError(
                f"{where}: a {block.language} block without title= is neither run nor saved; "
                "call it text if it is only shown"
            )


@pytest.fixture
def read_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Run a page in a fresh folder, without a display and on one thread."""

    def run(page: Path) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "path", ["", *sys.path])  # as in a session started in that folder
        torch.set_num_threads(1)
        before = set(sys.modules)
        with mpl.rc_context({"backend": "agg"}):
            run_page(page, tmp_path)
        for name in set(sys.modules) - before:
            if str(tmp_path) in str(sys.modules[name].__spec__):
                del sys.modules[name]

    return run
