"""TIFF files as scanners and microscopes write them, which Pillow itself cannot write."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np


def write_tiff(
    path: Path,
    pixels: np.ndarray,
    photometric: int | None = 1,
    *,
    bits: int | None = None,
    order: str = "<",
    big: bool = False,
    **tags: tuple[int, ...],
) -> Path:
    """One uncompressed strip. pixels: (height, width[, samples]) in the type it is to be stored as,
    or, where `bits` says otherwise, bytes packed already, (height, bytes). tags: t338=(0,), …
    """
    height, width = pixels.shape[:2]
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    if bits is not None:
        width = width * 8 // bits
    entries: dict[int, tuple[int, ...]] = {
        256: (width,),
        257: (height,),
        258: (bits or pixels.itemsize * 8,) * samples,
        259: (1,),
        277: (samples,),
        278: (height,),
        279: (pixels.nbytes,),
        **({} if photometric is None else {262: (photometric,)}),
        **{int(name[1:]): value for name, value in tags.items()},
    }
    offset = 16 if big else 8
    entries[273] = (offset,)
    body = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    body += b"\0" * (len(body) % 2)
    later, extra = b"", offset + len(body)
    directory = struct.pack(order + ("Q" if big else "H"), len(entries))
    after = extra
    rows = []
    room, count_kind = (8, "Q") if big else (4, "I")
    for tag, values in sorted(entries.items()):
        kind, letter = (4, "I") if tag in (273, 279) else (3, "H")
        data = struct.pack(order + letter * len(values), *values)
        rows.append((tag, kind, len(values), data))
    size = len(directory) + len(rows) * (20 if big else 12) + room
    for tag, kind, count, data in rows:
        value = data
        if len(data) > room:
            value = struct.pack(order + count_kind, after + size + len(later))
            later += data + b"\0" * (len(data) % 2)
        head = struct.pack(order + "HH" + count_kind, tag, kind, count)
        directory += head + value.ljust(room, b"\0")
    mark = b"II" if order == "<" else b"MM"
    head = mark + (
        struct.pack(order + "HHHQ", 43, 8, 0, extra)
        if big
        else struct.pack(order + "HI", 42, extra)
    )
    path.write_bytes(head + body + directory + bytes(room) + later)
    return path
