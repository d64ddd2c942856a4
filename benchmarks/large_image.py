"""Peak memory and time of reading one large picture from a small file, each in its own process.

python benchmarks/large_image.py
"""

from __future__ import annotations

import argparse
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

LARGE = {
    "100 million pixels, grey": (10_000, 8, 0),
    "100 million pixels, colour": (10_000, 8, 2),
    "100 million pixels, 16 bit": (10_000, 16, 0),
    "169 million pixels, colour": (13_000, 8, 2),
}
SMALL = {"1 million pixels, grey": (1_000, 8, 0)}


def write_png(path: Path, side: int, depth: int, colour: int) -> None:
    """side × side pixels of 0, compressed as well as zlib can."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    row = bytes(1 + side * (3 if colour else 1) * depth // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, depth, colour, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def read_one(path: Path) -> None:
    """Shrink one picture to 64 × 64 and print what it took."""
    from labelppl.images.read import read_images

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.perf_counter()
    try:
        read_images([path], size=64)
        outcome = "read"
    except ValueError as error:
        outcome = f"refused: {error}"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{peak // 1024:,} MiB, {time.perf_counter() - begun:.1f} s, {outcome}")


def main() -> None:
    """Print one line for each kind of picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a small picture: does it run?")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read:
        read_one(args.read)
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, (side, depth, colour) in (SMALL if args.quick else LARGE).items():
            path = Path(folder) / "large.png"
            write_png(path, side, depth, colour)
            command = [sys.executable, __file__, "--read", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            warnings = done.stderr.count("Warning")
            size = path.stat().st_size // 1024
            print(f"{name}: {size} KiB file, {done.stdout.strip()}, {warnings} warnings")


if __name__ == "__main__":
    main()
