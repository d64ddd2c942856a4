"""Damaged and hostile image files, made from sound ones by a fixed seed, and what reading them does.

Each must give a picture or an InputError of one line; nothing else, in little memory, with nothing
on stderr. `python tests/torture/mutated_images.py 20000` tries many and prints the counts by kind.
"""

from __future__ import annotations

import io
import resource
import struct
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

SIDE = 24
EXTREMES = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


class Mutant(NamedTuple):
    """kind: the format and what was done to it. suffix: of the file's name. content: its bytes."""

    kind: str
    suffix: str
    content: bytes


def sound_files() -> dict[str, tuple[str, bytes]]:
    """Name -> suffix and content of one file of each format and layout, all of which are read."""
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
    colour = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    wide = rng.integers(0, 65536, (SIDE, SIDE), dtype=np.uint16)
    floats = rng.normal(size=(SIDE, SIDE)).astype(np.float32)
    files = {
        "png-grey": (".png", _saved(grey, "PNG")),
        "png-16-bit": (".png", _saved(wide, "PNG")),
        "png-colour": (".png", _saved(colour, "PNG")),
        "png-palette": (".png", _saved(Image.fromarray(grey).convert("P"), "PNG")),
        "tiff-raw": (".tif", _saved(grey, "TIFF")),
        "tiff-16-bit": (".tif", _saved(wide, "TIFF")),
        "tiff-float": (".tif", _saved(floats, "TIFF")),
        "tiff-lzw": (".tif", _saved(colour, "TIFF", compression="tiff_lzw")),
        "tiff-deflate": (".tif", _saved(wide, "TIFF", compression="tiff_adobe_deflate")),
        "tiff-jpeg": (".tif", _saved(colour, "TIFF", compression="jpeg")),
        "tiff-big": (".tif", _saved(grey, "TIFF", big_tiff=True)),
        "jpeg": (".jpg", _saved(colour, "JPEG", exif=_turned())),
        "jpeg-progressive": (".jpg", _saved(colour, "JPEG", progressive=True)),
        "gif": (".gif", _saved(grey, "GIF")),
        "bmp": (".bmp", _saved(colour, "BMP")),
        "webp": (".webp", _saved(colour, "WEBP")),
        "webp-lossless": (".webp", _saved(colour, "WEBP", lossless=True)),
        "pgm": (".pgm", _saved(grey, "PPM")),
    }
    try:
        import pydicom  # noqa: F401
    except ImportError:
        return files
    return files | {
        "dicom": (".dcm", _dicom(wide >> 4)),
        "dicom-window": (".dcm", _dicom(wide >> 4, WindowCenter=2048, WindowWidth=4096)),
        "dicom-signed": (".dcm", _dicom((wide >> 4).astype(np.int16) - 2048, RescaleSlope=2)),
        "dicom-colour": (".dcm", _dicom(colour)),
        "dicom-rle": (".dcm", _dicom(wide >> 4, rle=True)),
    }


def mutants(count: int, seed: int) -> Iterator[Mutant]:
    """`count` damaged files, the same for the same seed, every format and every damage in turn."""
    rng = np.random.default_rng(seed)
    files = sound_files()
    for i in range(count):
        name = list(files)[i % len(files)]
        suffix, content = files[name]
        damages = DAMAGES | (PNG_DAMAGES if suffix == ".png" else {})
        damage = list(damages)[(i // len(files)) % len(damages)]
        yield Mutant(f"{name}: {damage}", suffix, damages[damage](content, rng))


def _flip(content: bytes, rng: np.random.Generator) -> bytes:
    """One to eight bytes anywhere become others."""
    changed = bytearray(content)
    for at in rng.integers(0, len(changed), rng.integers(1, 9)):
        changed[at] ^= int(rng.integers(1, 256))
    return bytes(changed)


def _field(content: bytes, rng: np.random.Generator) -> bytes:
    """A number of one, two or four bytes in the header or the last part becomes an extreme one."""
    size = int(rng.choice([1, 2, 4]))
    region = min(len(content) - size, 400)
    at = int(rng.integers(0, region))
    if rng.random() < 0.3:  # a TIFF's directory stands at its end
        at = len(content) - size - at
    order = "little" if rng.random() < 0.5 else "big"
    value = int(rng.choice(EXTREMES)) & (256**size - 1)
    return content[:at] + value.to_bytes(size, order) + content[at + size :]


def _cut(content: bytes, rng: np.random.Generator) -> bytes:
    """The end is missing."""
    return content[: int(rng.integers(0, len(content)))]


def _remove(content: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes inside are missing."""
    start = int(rng.integers(0, len(content)))
    return content[:start] + content[start + int(rng.integers(1, 32)) :]


def _repeat(content: bytes, rng: np.random.Generator) -> bytes:
    """Some bytes inside stand twice."""
    start = int(rng.integers(0, len(content)))
    return content[: start + int(rng.integers(1, 64))] + content[start:]


def _zeros(content: bytes, rng: np.random.Generator) -> bytes:
    """A block is blank, as after a failed transfer."""
    start = int(rng.integers(0, len(content)))
    length = min(int(rng.integers(1, 256)), len(content) - start)
    return content[:start] + bytes(length) + content[start + length :]


def _checked_field(content: bytes, rng: np.random.Generator) -> bytes:
    """A number inside a PNG chunk becomes another, and the chunk's checksum is right again."""
    chunks, at = [], 8
    while at + 12 <= len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        chunks.append((content[at + 4 : at + 8], bytearray(content[at + 8 : at + 8 + length])))
        at += 12 + length
    _, body = chunks[int(rng.integers(0, len(chunks) - 1))]
    body[int(rng.integers(0, len(body)))] = int(rng.choice(EXTREMES)) & 255
    return content[:8] + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


Damage = Callable[[bytes, np.random.Generator], bytes]
DAMAGES: dict[str, Damage] = {
    "bytes changed": _flip,
    "extreme number": _field,
    "cut short": _cut,
    "bytes missing": _remove,
    "bytes repeated": _repeat,
    "blank block": _zeros,
    "extreme number, again": _field,
}
PNG_DAMAGES: dict[str, Damage] = {"extreme number, checksum right": _checked_field}


class Count(NamedTuple):
    """tried, read, refused: numbers of files. faults: kind and what was wrong. seconds: the slowest."""

    tried: int
    read: int
    refused: int
    faults: list[str]
    seconds: float
    by_kind: Counter[tuple[str, str]]


def read_mutants(count: int, seed: int) -> Count:
    """Read `count` damaged files one after another."""
    from labelppl.errors import InputError
    from labelppl.images.decode import decode

    outcomes: Counter[tuple[str, str]] = Counter()
    faults, slowest = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        for i, mutant in enumerate(mutants(count, seed)):
            path = Path(folder) / f"image{mutant.suffix}"
            path.write_bytes(mutant.content)
            begun = time.perf_counter()
            try:
                picture = decode(path)
                outcome = "read"
                if picture.size == 0 or picture.dtype.name not in ("uint8", "uint16", "float32"):
                    faults.append(f"{i} {mutant.kind}: {picture.dtype} {picture.shape}")
            except InputError as error:
                outcome = "refused"
                if len(str(error).splitlines()) != 1 or not str(error).startswith(str(path)):
                    faults.append(f"{i} {mutant.kind}: {error}")
            except BaseException as error:  # pyo3's panics are no Exceptions
                outcome = "fault"
                faults.append(f"{i} {mutant.kind}: {type(error).__name__}: {error}")
            slowest = max(slowest, time.perf_counter() - begun)
            outcomes[mutant.kind.split(":")[0], outcome] += 1
    read = sum(n for (_, outcome), n in outcomes.items() if outcome == "read")
    refused = sum(n for (_, outcome), n in outcomes.items() if outcome == "refused")
    return Count(count, read, refused, faults, slowest, outcomes)


def _saved(picture: np.ndarray | Image.Image, kind: str, **options: object) -> bytes:
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def _dicom(stored: np.ndarray, *, rle: bool = False, **tags: object) -> bytes:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, RLELossless

    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.3"
    data.Rows, data.Columns = stored.shape[:2]
    data.SamplesPerPixel = 1 if stored.ndim == 2 else 3
    data.PhotometricInterpretation = "MONOCHROME2" if stored.ndim == 2 else "RGB"
    if stored.ndim == 3:
        data.PlanarConfiguration = 0
    data.BitsAllocated = stored.dtype.itemsize * 8
    data.BitsStored = 12 if stored.dtype.itemsize == 2 else 8
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = 1 if stored.dtype.kind == "i" else 0
    data.PixelData = stored.tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    if rle:
        data.compress(RLELossless, generate_instance_uid=False)
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    return file.getvalue()


if __name__ == "__main__":
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = read_mutants(int(sys.argv[1]), seed=int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name in sound_files():
        print(f"{name:20}", {o: result.by_kind[name, o] for o in ("read", "refused", "fault")})
    print(f"tried {result.tried}, read {result.read}, refused {result.refused}")
    print(f"faults {len(result.faults)}, slowest {result.seconds:.2f} s, peak {peak // 1024} MiB")
    print("\n".join(result.faults[:40]))
