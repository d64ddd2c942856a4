"""Files of tensors, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from ..runs import write_atomically


def write_tensors(
    path: Path, tensors: dict[str, Tensor], note: dict[str, str] | None = None
) -> None:
    """A safetensors file that is either whole or absent, with the mode of any new file."""

    def write(part: Path) -> None:
        part.touch()
        mode = part.stat().st_mode
        save_file(tensors, part, metadata=note)
        part.chmod(mode)  # safetensors writes through a private temporary file of its own

    write_atomically(path, write)
