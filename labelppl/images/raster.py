"""A picture in one of the raster formats, through Pillow, with every stored value kept.

Which format it is, its first bytes say, not its name. Grey of 1, 2, 4 or 8 bits becomes uint8 with
white at 255, grey of 12 or 16 bits uint16 with white at 65535, a float TIFF float32, colour 8-bit
RGB. What Pillow would change without a word (48-bit colour, CMYK, transparency, a second frame) is
refused by name. The header is read and checked before any pixel is decoded.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from ..arrays import Array
from ..errors import InputError
from .limits import IN_FLIGHT, refuse_large
from .tiff import check_tiff, grey_16

EXPECTED = "PNG, JPEG, TIFF, BMP, GIF, WebP, PGM/PPM or DICOM"
ORIENTATION = 0x0112
STRIP = 2**20
"""Pixels that are copied from Pillow's picture to the array at a time."""
WIDE_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I")
ALPHA_MODES = ("LA", "PA", "RGBA", "La", "RGBa")
UPRIGHT: dict[int, Callable[[Array], Array]] = {
    2: np.fliplr,
    3: lambda picture: np.rot90(picture, 2),
    4: np.flipud,
    5: lambda picture: picture.swapaxes(0, 1),
    6: lambda picture: np.rot90(picture, -1),
    7: lambda picture: np.rot90(picture, 2).swapaxes(0, 1),
    8: lambda picture: np.rot90(picture, 1),
}
"""Exif orientation -> the picture as it is to be seen."""


@contextmanager
def raster_pixels(path: Path, file: BinaryIO) -> Iterator[Array]:
    """(height, width) or (height, width, 3) in uint8, uint16 or float32, for the time of the block.

    Its pixels count as being decoded until the block ends. Raises InputError, naming the path.
    """
    image = _header(path, file)
    width, height = image.size
    refuse_large(path, height, width)
    with IN_FLIGHT.spend(height * width):
        pixels = _pixels(path, image)
        del image  # its pixels are a second copy
        yield pixels


def _header(path: Path, file: BinaryIO) -> ImageFile:
    """The picture with nothing of it decoded yet. Raises InputError."""
    first = file.read(32)
    file.seek(0)
    if not first:
        raise InputError(f"{path}: cannot be read as an image (the file is empty)")
    for marks, opened in OPENERS.items():
        if first.startswith(marks):
            return opened(path, file)
    raise InputError(f"{path}: {_kind(first)}, expected {EXPECTED}; convert the file")


def _kind(first: bytes) -> str:
    """What the first bytes of a file that is not read tell about it."""
    box = first[8:12] if first[4:8] == b"ftyp" else b""
    if box in (b"heic", b"heix", b"mif1", b"msf1"):
        return "got HEIC"
    if box in (b"avif", b"avis"):
        return "got AVIF"
    for mark, name in {
        b"\0\0\0\x0cjP": "JPEG 2000",
        b"\xff\x4f\xff\x51": "JPEG 2000",
        b"%PDF": "PDF",
        b"PK\3\4": "a ZIP archive",
        b"%!PS": "PostScript",
        b"8BPS": "Photoshop",
    }.items():
        if first.startswith(mark):
            return f"got {name}"
    return "cannot be read as an image"


def _png(path: Path, file: BinaryIO) -> ImageFile:
    head = file.read(33)
    if len(head) < 33 or head[12:16] != b"IHDR":
        raise InputError(f"{path}: cannot be read as an image (the PNG header is damaged)")
    width, height, depth, colour = struct.unpack(">IIBB", head[16:26])
    refuse_large(path, height, width)
    if depth == 16 and colour != 0:
        kind = "grey with an alpha channel" if colour == 4 else "colour"
        raise InputError(
            f"{path}: got 16-bit {kind}, which would lose its low bits; save it as 8-bit colour, "
            "or as 16-bit grey"
        )
    file.seek(0)
    PngImageFile(file).verify()  # the checksum of every chunk
    file.seek(0)
    image = PngImageFile(file)
    _one_frame(path, image)
    if "transparency" in image.info and colour == 0 and depth != 8:
        raise InputError(f"{path}: got a transparent colour, expected an opaque image; flatten it")
    return image


def _jpeg(path: Path, file: BinaryIO) -> ImageFile:
    """Of a telephone's file of several pictures (MPO) the first: the others are views or maps of it."""
    return JpegImageFile(file)


def _tiff(path: Path, file: BinaryIO) -> ImageFile:
    image = TiffImageFile(file)  # by its file, not by its name: Pillow scrambles what it maps
    _one_frame(path, image)
    check_tiff(path, image)
    return image


def _gif(path: Path, file: BinaryIO) -> ImageFile:
    image = GifImageFile(file)
    _one_frame(path, image)
    return image


def _webp(path: Path, file: BinaryIO) -> ImageFile:
    head = file.read(30)
    if head[8:12] != b"WEBP" or len(head) < 30:
        raise InputError(f"{path}: cannot be read as an image (the WebP header is damaged)")
    refuse_large(path, *_webp_size(head))
    file.seek(0)
    image = WebPImageFile(file)
    _one_frame(path, image)
    return image


def _webp_size(head: bytes) -> tuple[int, int]:
    """Height and width, from the header of each of the three kinds of WebP (RFC 9649)."""
    if head[12:16] == b"VP8X":
        return (
            int.from_bytes(head[27:30], "little") + 1,
            int.from_bytes(head[24:27], "little") + 1,
        )
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    width, height = struct.unpack("<HH", head[26:30])
    return height & 0x3FFF, width & 0x3FFF


def _ppm(path: Path, file: BinaryIO) -> ImageFile:
    image = PpmImageFile(file)
    arguments = image.tile[0].args if image.tile else ()
    most = arguments[1] if isinstance(arguments, tuple) and len(arguments) > 1 else 255
    if image.mode == "RGB" and isinstance(most, int) and most > 255:
        raise InputError(
            f"{path}: got 16-bit colour, which would lose its low bits; save it as 8-bit colour, "
            "or as 16-bit grey"
        )
    return image


def _bmp(path: Path, file: BinaryIO) -> ImageFile:
    return BmpImageFile(file)


OPENERS: dict[tuple[bytes, ...], Callable[[Path, BinaryIO], ImageFile]] = {
    (b"\x89PNG\r\n\x1a\n",): _png,
    (b"\xff\xd8\xff",): _jpeg,
    (b"II\x2a\x00", b"MM\x00\x2a", b"II\x2b\x00", b"MM\x00\x2b"): _tiff,
    (b"BM",): _bmp,
    (b"GIF87a", b"GIF89a"): _gif,
    (b"RIFF",): _webp,
    (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"): _ppm,
}
"""The first bytes of each format -> its reader."""


def _one_frame(path: Path, image: ImageFile) -> None:
    frames = getattr(image, "n_frames", 1)  # Pillow's own: only some formats have it
    if frames > 1:
        raise InputError(f"{path}: got {frames} frames, expected a single image")


def _pixels(path: Path, image: ImageFile) -> Array:
    image.load()
    is_upright = isinstance(image, TiffImageFile)  # Pillow turns it while loading
    turn = 1 if is_upright else image.getexif().get(ORIENTATION, 1)
    pixels = _values(path, image)
    return np.ascontiguousarray(UPRIGHT[turn](pixels)) if turn in UPRIGHT else pixels


def _values(path: Path, image: ImageFile) -> Array:
    """(height, width) or (height, width, 3) as stored."""
    if image.mode in WIDE_MODES:
        return _wide(path, image)
    if image.mode == "F":
        floats = _to_array(image, np.float32)
        if not np.isfinite(floats).all():
            raise InputError(f"{path}: got a pixel that is not finite, expected numbers")
        return floats
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        return _grey_if_grey(_opaque(path, image))
    if image.mode in ("1", "L"):
        return _to_array(image, np.uint8, "L")
    if image.mode == "P":
        return _grey_if_grey(_to_array(image, np.uint8, "RGB"))
    if image.mode == "RGB":
        return _to_array(image, np.uint8)
    raise InputError(
        f"{path}: got {image.mode} colour, expected grey or RGB; convert the file, which changes "
        "its values in a way that you must choose"
    )


def _wide(path: Path, image: ImageFile) -> Array:
    if "transparency" in image.info:
        raise InputError(f"{path}: got a transparent colour, expected an opaque image; flatten it")
    if image.mode == "I":
        stored = _to_array(image, np.int32)
        low, high = int(stored.min()), int(stored.max())
        if low < 0 or high > 65535:
            raise InputError(f"{path}: got values {low}..{high}, expected 0..65535")
        wide = stored.astype(np.uint16)
    else:
        wide = _to_array(image, np.uint16)
    return grey_16(image, wide) if isinstance(image, TiffImageFile) else wide


def _strips(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """Some rows at a time, so that a copy of a large picture never exists twice."""
    width, height = image.size
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        below = min(height, top + rows)
        yield slice(top, below), image.crop((0, top, width, below))


def _to_array(image: Image.Image, kind: type[np.generic], mode: str | None = None) -> Array:
    """The picture as an array, converted to `mode` where one is given."""
    width, height = image.size
    colour = (mode or image.mode) == "RGB"
    pixels = np.empty((height, width, 3) if colour else (height, width), kind)
    for rows, strip in _strips(image):
        pixels[rows] = np.asarray(strip.convert(mode) if mode else strip)
    return pixels


def _opaque(path: Path, image: Image.Image) -> Array:
    """(height, width, 3), for a picture whose every pixel is opaque."""
    width, height = image.size
    pixels = np.empty((height, width, 3), np.uint8)
    for rows, strip in _strips(image):
        full = np.asarray(strip.convert("RGBA"))
        if full[..., 3].min() < 255:
            raise InputError(f"{path}: got a transparent image, expected opaque; flatten it")
        pixels[rows] = full[..., :3]
    return pixels


def _grey_if_grey(picture: Array) -> Array:
    """A palette or an alpha channel says nothing about colour; the values do."""
    red = picture[..., 0]
    if np.array_equal(red, picture[..., 1]) and np.array_equal(red, picture[..., 2]):
        return np.ascontiguousarray(red)
    return picture
