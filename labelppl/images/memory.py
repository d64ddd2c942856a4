"""How much memory this process may still take."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

UNKNOWN = 4 * 2**30
CGROUPS = Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Bytes: what the system calls available, or what a container's limit leaves, if that is less.

    Half of the physical memory where the system does not say what is available, 4 GiB where it does
    not say even that.
    """
    return min([_system(), *_containers()])


def _system() -> int:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                return int(value.split()[0]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, ValueError, OSError):
        return UNKNOWN


def _containers() -> Iterator[int]:
    """What each enclosing control group with a limit leaves; its file cache can be given back."""
    try:
        own = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in own:
        _, kinds, name = line.split(":", 2)
        if kinds not in ("", "memory"):
            continue
        root = CGROUPS / kinds
        limit, usage, cache = (
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            if kinds
            else ("memory.max", "memory.current", "inactive_file")
        )
        here = root / name.strip("/")
        for folder in (here, *here.parents):
            try:
                most = int((folder / limit).read_text())
                used = int((folder / usage).read_text())
                stat = dict(x.split() for x in (folder / "memory.stat").read_text().splitlines())
                yield max(0, most - used + int(stat.get(cache, 0)))
            except (OSError, ValueError):  # no such group, or no limit ("max")
                pass
            if folder == root:
                break
