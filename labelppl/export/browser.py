"""A folder of static files that runs a student in the browser: no server code, no network beyond the folder.

The runtime is ONNX Runtime Web, which lies in this package (see its NOTICE.txt), the WebAssembly part compressed.
"""

from __future__ import annotations

import lzma
from importlib import resources
from pathlib import Path

from ..errors import InputError
from ..runs import new_folder
from .onnx_student import Notes

READ_IN_BROWSER = ("uint8", "uint16")
COMPRESSED = ".xz"


def write_browser_folder(student: Path, card: Path, notes: Notes, folder: Path) -> None:
    """Write the page and all it needs into a new folder.

    Args:
        student: The ONNX file.
        card: The model card.
        notes: What the file says of its student.
        folder: A new or an empty folder.

    Raises:
        InputError: The folder holds something, or the student reads pixels that no browser can.
    """
    refuse_unreadable(notes.depth)
    with new_folder(folder) as part:
        for source in resources.files(__package__).joinpath("page").iterdir():
            content = source.read_bytes()
            if source.name.endswith(COMPRESSED):
                (part / source.name.removesuffix(COMPRESSED)).write_bytes(lzma.decompress(content))
            else:
                (part / source.name).write_bytes(content)
        (part / "student.onnx").write_bytes(student.read_bytes())
        (part / "model-card.md").write_bytes(card.read_bytes())
        (part / "notes.json").write_text(notes.to_text(), encoding="utf-8")


def refuse_unreadable(depth: str) -> None:
    """Raise InputError for pixels that no browser reads."""
    if depth not in READ_IN_BROWSER:
        raise InputError(
            f"--browser: the student reads {depth} pixels, which no browser can; leave --browser out and use "
            "labelppl predict --onnx"
        )
