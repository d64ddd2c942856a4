"""What an object says about itself, completely, and whether two such records are the same.

`describe` turns anything that decides a result into plain JSON values: options, arrays (by digest), networks (structure
and weights), functions and objects of the user's own (name, plain attributes, digest of the file they come from). Such
records stand in ``student.json`` and ``run.json``; together they are a run's identity, which resume compares whole.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import math
import operator
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import FunctionType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .errors import InputError

#: Objects of these packages are told apart by name and by the package's version, which the run records.
INSTALLED = ("labelppl.", "torch.", "torchvision.", "timm.", "kornia.", "builtins.")


@runtime_checkable
class Recorded(Protocol):
    """An object that describes itself."""

    def record(self) -> dict[str, Any]:
        """Plain values that tell this object from any other that would give another result."""


def describe(thing: object) -> Any:
    """Plain JSON values that tell `thing` from others: see the module.

    Examples:
        >>> from labelppl.records import describe
        >>> describe({"lam": float("inf"), "layers": ("head.*",)})
        {'lam': 'inf', 'layers': ['head.*']}
    """
    if thing is None or isinstance(thing, str | bool | int):
        return thing
    if isinstance(thing, float):
        return thing if math.isfinite(thing) else str(thing)
    if isinstance(thing, Path):
        return str(thing)
    if isinstance(thing, Mapping):
        return {str(key): describe(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [describe(value) for value in thing]
    if isinstance(thing, np.generic):
        return describe(thing.item())
    if isinstance(thing, np.ndarray):
        return digest(thing)
    if _is_torch(thing, "Tensor"):
        return digest(np.frombuffer(_bytes_of(thing.detach().cpu()), np.uint8))  # type: ignore[attr-defined]
    if isinstance(thing, type | FunctionType | functools.partial):
        return _code(thing)
    if isinstance(thing, Recorded):
        return describe(thing.record())
    if is_dataclass(thing):
        return {f.name: describe(getattr(thing, f.name)) for f in fields(thing)}
    if _is_torch(thing, "nn.Module"):
        return network_record(thing)
    return describe_object(thing)


def describe_object(thing: object) -> dict[str, Any]:
    """Class, source and plain public attributes of an object."""
    record: dict[str, Any] = _code(type(thing))
    state = vars(thing) if hasattr(thing, "__dict__") else {}
    kept = {k: v for k, v in state.items() if not k.startswith("_") and _is_plain(v)}
    return record | {key: describe(value) for key, value in kept.items()}


def network_record(network: Any) -> dict[str, Any]:
    """Class, structure and a digest of all weights and buffers of a torch module."""
    state = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    whole = hashlib.sha256()
    for name in sorted(state):
        whole.update(f"{name} {tuple(state[name].shape)} {state[name].dtype}".encode())
        whole.update(_bytes_of(state[name]))
    structure = hashlib.sha256(repr(network).encode()).hexdigest()
    return _code(type(network)) | {"structure": structure, "weights": whole.hexdigest()}


def digest(*arrays: Any) -> str:
    """SHA-256 of some arrays (numpy; None stands for an absent one), shapes and types included."""
    whole = hashlib.sha256()
    for array in arrays:
        if array is None:
            whole.update(b"none")
            continue
        values = np.ascontiguousarray(array)
        whole.update(f"{values.shape} {values.dtype}".encode())
        whole.update(
            "\0".join(map(str, values.ravel())).encode()
            if values.dtype.kind in "OUS"
            else values.tobytes()
        )
    return whole.hexdigest()


def digest_of_files(paths: Iterable[Path]) -> str:
    """SHA-256 over the contents of files in their order; their names do not count."""
    whole = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def refuse_other(where: Path | str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Compare the identity of a run that is to be continued with that of the run that was asked for.

    Raises InputError that names the first entry that differs, with both values.
    """
    odd = first_difference(describe(before), describe(now))
    if odd is not None:
        name, old, new = odd
        raise InputError(
            f"{where}: was made with {name} = {_show(old)}, not {_show(new)}; resume with the same arguments, or start "
            "anew in another folder"
        )


def first_difference(before: Any, now: Any, name: str = "") -> tuple[str, Any, Any] | None:
    """The dotted name of the first entry that differs, with both values; None where all agree."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys((*now, *before)):
            inner = f"{name}.{key}" if name else key
            odd = first_difference(before.get(key, "nothing"), now.get(key, "nothing"), inner)
            if odd is not None:
                return odd
        return None
    return None if before == now else (name, before, now)


def _show(value: Any) -> str:
    """A value in a message: digests by their first digits."""
    text = str(value)
    return text if len(text) < 60 else f"{text[:12]}…"


def _code(thing: type | Callable[..., Any]) -> dict[str, Any]:
    """Name, source and, for functions, defaults and what they close over."""
    if isinstance(thing, functools.partial):
        return {
            **_code(thing.func),
            "arguments": describe([list(thing.args), dict(thing.keywords)]),
        }
    name = f"{thing.__module__}.{thing.__qualname__}"
    if name.startswith(INSTALLED):
        return {"name": name}
    record: dict[str, Any] = {"name": name, "sha256": _source(thing)}
    if isinstance(thing, FunctionType) and thing.__closure__:
        values = [cell.cell_contents for cell in thing.__closure__]
        record["closure"] = [describe(v) if _is_plain(v) else type(v).__name__ for v in values]
    return record


def _source(thing: Any) -> str:
    """SHA-256 of the file that defines it; of the code itself where there is no file (a notebook)."""
    try:
        path = Path(inspect.getsourcefile(thing) or "")
        source = path.read_bytes() if path.is_file() else inspect.getsource(thing).encode()
    except (OSError, TypeError):
        source = thing.__code__.co_code if isinstance(thing, FunctionType) else b""
    return hashlib.sha256(source).hexdigest()


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, Mapping):
        return all(map(_is_plain, value.values()))
    known = str | bool | int | float | Path | np.ndarray | Recorded
    return value is None or isinstance(value, known) or _is_torch(value, "Tensor")


def _is_torch(thing: object, kind: str) -> bool:
    """Whether it is a torch object of this kind, without importing torch: where it is not imported there is none."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(thing, operator.attrgetter(kind)(torch))


def _bytes_of(tensor: Any) -> bytes:
    """The bytes of a tensor of any type (numpy has no bfloat16)."""
    import torch

    flat = tensor.contiguous().reshape(-1)
    return bytes(flat.view(torch.uint8).numpy().tobytes())
