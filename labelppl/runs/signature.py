"""Which run folders this user made: ``run.json`` carries a signature by a key that never leaves the user's account.

A run folder names a model file, and labelling with it executes that file. A folder from somebody else could name any
file, so it is refused unless the user named the model on the command line or trusts the folder (``--trust``). The
signature is HMAC-SHA256 over everything else in ``run.json``; the digests in there tie the model file to it.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from .files import plain

ENTRY = "signature"
KEY_BYTES = 32


def sign(content: Mapping[str, Any]) -> dict[str, Any]:
    """``content`` with its signature; without one where no key can be kept on this machine."""
    body = {name: value for name, value in content.items() if name != ENTRY}
    key = _key(make=True)
    return body if key is None else {**body, ENTRY: _signature(body, key)}


def is_own(content: Mapping[str, Any]) -> bool:
    """Whether this user wrote this ``run.json`` and nobody has changed it since.

    Args:
        content: What ``run.json`` holds.

    Returns:
        False also where no key can be kept on this machine.

    Examples:
        >>> is_own({"command": "fit"})
        False
        >>> is_own(sign({"command": "fit"}))
        True
    """
    stated, key = content.get(ENTRY), _key(make=False)
    if key is None or not isinstance(stated, str):
        return False
    body = {name: value for name, value in content.items() if name != ENTRY}
    return hmac.compare_digest(stated.encode(), _signature(body, key).encode())


def refuse_stranger(folder: Path, content: Mapping[str, Any], model: Path) -> None:
    """Refuse a folder that is not this user's own, since ``model`` would be executed.

    Args:
        folder: The run folder.
        content: What its ``run.json`` holds.
        model: The Python file that the run names.

    Raises:
        InputError: With the file to read first, and ``--trust``.

    Examples:
        >>> refuse_stranger(Path("run"), sign({"command": "fit"}), Path("hip.py"))
    """
    if not is_own(content):
        raise InputError(
            f"{folder}: was not made by you on this account, and this would execute {model}; read that file, then add "
            "--trust"
        )


def _signature(body: Mapping[str, Any], key: bytes) -> str:
    text = json.dumps(plain(body), sort_keys=True, default=str, ensure_ascii=True)
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def _key(*, make: bool) -> bytes | None:
    """The user's key, from the first place that keeps one; made there if need be."""
    for folder in _places():
        path = folder / "key"
        with contextlib.suppress(OSError):
            if make and not path.exists():
                _write_key(path)
            if _private(path):
                content = path.read_bytes()
                if len(content) == KEY_BYTES:
                    return content
    return None


def _places() -> tuple[Path, ...]:
    """The configuration folder of the account; for an account without a home, a folder of its own among the temporary."""
    configured = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    return Path(configured) / "labelppl", Path(tempfile.gettempdir()) / f"labelppl-{user}"


def _write_key(path: Path) -> None:
    """A new random key that only this user can read; whole from the first moment, and never over another."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".key-{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)


def _private(path: Path) -> bool:
    """A file of this user's own that nobody else can read or could have put there."""
    if not hasattr(os, "getuid"):
        return path.is_file()
    for name in (path, path.parent):
        entry = name.lstat()
        if entry.st_uid != os.getuid() or stat.S_ISLNK(entry.st_mode) or entry.st_mode & 0o022:
            return False
    return not path.stat().st_mode & 0o077
