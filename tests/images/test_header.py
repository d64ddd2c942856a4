"""What a file's header says of its pixels, held against what is read: the value, or a refusal."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiff_files import write_tiff

from labelppl.errors import InputError
from labelppl.images.decode import decode

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (5, 8), dtype=np.uint8)
WIDE = RNG.integers(0, 65536, (5, 8), dtype=np.uint16)
COLOUR = RNG.integers(0, 256, (5, 8, 3), dtype=np.uint8)
FLOATS = RNG.normal(size=(5, 8)).astype(np.float32)
SHOWN: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: x[::-1].swapaxes(0, 1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: x[:, ::-1].swapaxes(0, 1),
}


def _png(path: Path, rows: np.ndarray, depth: int, colour: int, *more: bytes) -> Path:
    """rows: (height, bytes) as packed. more: chunks after the header, kind and body."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    height, width = rows.shape[0], rows.shape[1] * 8 // (depth * samples)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    data = b"".join(b"\0" + row.tobytes() for row in rows)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
        + b"".join(chunk(part[:4], part[4:]) for part in more)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )
    return path


def _saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_grey_png_of_few_bits_has_white_at_255(tmp_path: Path, depth: int) -> None:
    packed = RNG.integers(0, 256, (4, 6), dtype=np.uint8)
    bits = np.unpackbits(packed, axis=1).reshape(4, -1, depth)
    values = bits @ (1 << np.arange(depth)[::-1])
    picture = decode(_png(tmp_path / "a.png", packed, depth, 0))
    np.testing.assert_array_equal(picture, values * (255 // (2**depth - 1)))


def test_16_bit_white_is_zero_is_inverted_as_8_bit_is(tmp_path: Path) -> None:
    grey = np.tile(np.arange(0, 256, 16, dtype=np.uint8), (16, 1))
    eight = decode(write_tiff(tmp_path / "8.tif", grey, 0))
    sixteen = decode(write_tiff(tmp_path / "16.tif", grey.astype(np.uint16) * 257, 0))
    assert sixteen[0, :3].tolist() == [65535, 61423, 57311]
    np.testing.assert_array_equal(sixteen, eight.astype(int) * 257)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
def test_compressed_white_is_zero(tmp_path: Path, compression: str) -> None:
    for picture in (GREY, WIDE):
        path = tmp_path / f"{picture.dtype}.tif"
        Image.fromarray(picture).save(path, compression=compression)
        content = path.read_bytes()
        at = content.index(struct.pack("<HHIH", 262, 3, 1, 1))
        path.write_bytes(content[: at + 8] + b"\0\0" + content[at + 10 :])
        np.testing.assert_array_equal(decode(path), np.iinfo(picture.dtype).max - picture)


def test_12_bits_fill_the_scale(tmp_path: Path) -> None:
    low, high = np.array([0, 4095, 1, 2048]), np.array([4095, 0, 7, 2047])
    packed = np.stack([low >> 4, (low & 15) << 4 | high >> 8, high & 255], 1).astype(np.uint8)
    picture = decode(write_tiff(tmp_path / "a.tif", packed.reshape(1, -1), bits=12))
    values = np.stack([low, high], 1).reshape(1, -1)
    np.testing.assert_array_equal(picture, np.rint(values * 65535 / 4095))


@pytest.mark.parametrize(
    ("order", "big"),
    [("<", False), (">", False), ("<", True)],
    ids=["little", "big", "BigTIFF"],
)
@pytest.mark.parametrize("picture", [GREY, WIDE, COLOUR, FLOATS], ids=lambda x: str(x.dtype))
def test_tiff_of_every_layout(tmp_path: Path, picture: np.ndarray, order: str, big: bool) -> None:
    photometric = 2 if picture.ndim == 3 else 1
    kind = (3,) if picture.dtype.kind == "f" else (1,) * (3 if picture.ndim == 3 else 1)
    path = write_tiff(tmp_path / "a.tif", picture, photometric, order=order, big=big, t339=kind)
    read = decode(path)
    assert read.dtype == picture.dtype
    np.testing.assert_array_equal(read, picture)


@pytest.mark.parametrize("turn", SHOWN)
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "packbits"])
def test_tiff_is_turned_upright(tmp_path: Path, turn: int, compression: str | None) -> None:
    for picture in (GREY, WIDE, COLOUR, FLOATS):
        if picture.dtype == np.float32 and compression == "packbits":
            continue
        path = tmp_path / "a.tif"
        Image.fromarray(picture).save(path, compression=compression, tiffinfo={274: turn})
        np.testing.assert_array_equal(decode(path), SHOWN[turn](picture))


@pytest.mark.parametrize("turn", [*SHOWN, 0, 9])
@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_exif_turns_upright(tmp_path: Path, turn: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(COLOUR).save(path, exif=exif, lossless=True)
    np.testing.assert_array_equal(decode(path), SHOWN.get(turn, SHOWN[1])(COLOUR))


def test_a_telephones_jpeg_gives_its_first_picture(tmp_path: Path) -> None:
    first = Image.fromarray(RNG.integers(0, 255, (16, 24, 3)).astype(np.uint8))
    path, alone = tmp_path / "phone.jpg", tmp_path / "alone.jpg"
    first.save(path, "MPO", save_all=True, append_images=[first.resize((4, 4))], quality=95)
    first.save(alone, quality=95)
    assert decode(path).shape == (16, 24, 3)
    np.testing.assert_array_equal(decode(path), decode(alone))


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(GREY).save(path, "PNG")
    np.testing.assert_array_equal(decode(path), GREY)


def test_pgm_keeps_8_and_16_bits(tmp_path: Path) -> None:
    for picture, most in ((GREY, 255), (WIDE, 65535)):
        path = tmp_path / f"{most}.pgm"
        body = picture.astype(picture.dtype.newbyteorder(">")).tobytes()
        path.write_bytes(b"P5\n8 5\n%d\n" % most + body)
        read = decode(path)
        assert read.dtype == picture.dtype
        np.testing.assert_array_equal(read, picture)


def test_palettes_give_their_colours(tmp_path: Path) -> None:
    palette = RNG.integers(0, 256, (256, 3), dtype=np.uint8)
    image = Image.fromarray(GREY).convert("L")
    image.putpalette(palette.tobytes())
    for suffix in ("png", "tif", "gif", "bmp"):
        read = decode(_saved(tmp_path / f"a.{suffix}", image))
        np.testing.assert_array_equal(read, palette[GREY])
    grey = tuple(np.repeat((palette[:, 0].astype(int) * 257)[None], 3, 0).ravel().tolist())
    path = write_tiff(tmp_path / "grey.tif", GREY, 3, t320=grey)
    np.testing.assert_array_equal(decode(path), palette[:, 0][GREY])


def _wide_palette(path: Path) -> Path:
    return write_tiff(path, GREY, 3, t320=tuple(RNG.integers(0, 65536, 768).tolist()))


def _transparent_palette(path: Path) -> Path:
    image = Image.fromarray(GREY).convert("P")
    return _saved(path, image, transparency=int(np.asarray(image)[0, 0]))


def _animated(path: Path, kind: str) -> Path:
    first, second = Image.fromarray(GREY), Image.fromarray(GREY[::-1])
    return _saved(path, first, format=kind, save_all=True, append_images=[second])


def _first_half(path: Path, kind: str) -> Path:
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path, kind)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def _wrong_checksum(path: Path) -> Path:
    _png(path, GREY, 8, 0)
    content = bytearray(path.read_bytes())
    content[-20] ^= 1  # inside the compressed pixels' own checksum
    path.write_bytes(content)
    return path


def _bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _alpha(values: np.ndarray) -> Image.Image:
    return Image.merge("LA", (Image.fromarray(GREY), Image.fromarray(values)))


WIDE_BYTES = WIDE.astype(">u2").view(np.uint8)
REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "16-bit colour PNG": (lambda p: _png(p, np.hstack([WIDE_BYTES] * 3), 16, 2), "16-bit colour"),
    "16-bit grey and alpha PNG": (
        lambda p: _png(p, np.hstack([WIDE_BYTES] * 2), 16, 4),
        "16-bit grey with an alpha channel",
    ),
    "16-bit colour and alpha PNG": (
        lambda p: _png(p, np.hstack([WIDE_BYTES] * 4), 16, 6),
        "16-bit colour",
    ),
    "16-bit PNG with a transparent grey": (
        lambda p: _png(p, WIDE_BYTES, 16, 0, b"tRNS\0\7"),
        "transparent",
    ),
    "2-bit PNG with a transparent grey": (
        lambda p: _png(p, GREY, 2, 0, b"tRNS\0\1"),
        "transparent",
    ),
    "palette with a transparent colour": (_transparent_palette, "transparent image"),
    "grey and alpha": (lambda p: _saved(p, _alpha(GREY), format="PNG"), "transparent image"),
    "16-bit colour TIFF": (
        lambda p: write_tiff(p, np.stack([WIDE] * 3, -1), 2),
        "16-bit colour",
    ),
    "palette of 16-bit colours": (_wide_palette, "palette of 16-bit colours"),
    "signed bytes": (
        lambda p: write_tiff(p, GREY.view(np.int8), 1, t339=(2,)),
        "signed 8-bit values",
    ),
    "signed 16 bits": (
        lambda p: write_tiff(p, WIDE.view(np.int16), 1, t339=(2,)),
        r"values -\d+\.\.\d+, expected 0\.\.65535",
    ),
    "32 bits": (
        lambda p: write_tiff(p, WIDE.astype(np.uint32) * 4, 1),
        r"expected 0\.\.65535",
    ),
    "64-bit floats": (
        lambda p: write_tiff(p, FLOATS.astype(np.float64), 1, t339=(3,)),
        "cannot be read as an image",
    ),
    "floats of which 0 is white": (
        lambda p: write_tiff(p, FLOATS, 0, t339=(3,)),
        "floats of which 0 is white",
    ),
    "a float that is not finite": (
        lambda p: write_tiff(p, np.where(FLOATS > 0, np.inf, FLOATS).astype("f4"), 1, t339=(3,)),
        "not finite",
    ),
    "an extra sample": (
        lambda p: write_tiff(p, np.dstack([COLOUR, GREY]), 2, t338=(0,)),
        "1 extra samples a pixel",
    ),
    "no photometric tag": (lambda p: write_tiff(p, GREY, None), "0 is black or white"),
    "CMYK TIFF": (
        lambda p: _saved(p, Image.fromarray(COLOUR).convert("CMYK"), format="TIFF"),
        "got CMYK",
    ),
    "CMYK JPEG": (
        lambda p: _saved(p, Image.fromarray(COLOUR).convert("CMYK"), format="JPEG"),
        "got CMYK colour",
    ),
    "LAB TIFF": (
        lambda p: _saved(p, Image.new("LAB", (4, 4)), format="TIFF"),
        r"got L\*a\*b\* colour",
    ),
    "16-bit colour PPM": (
        lambda p: _bytes(p, b"P6\n2 1\n65535\n" + bytes(12)),
        "16-bit colour",
    ),
    "TIFF of two pages": (lambda p: _animated(p, "TIFF"), "got 2 frames"),
    "animated GIF": (lambda p: _animated(p, "GIF"), "got 2 frames"),
    "animated PNG": (lambda p: _animated(p, "PNG"), "got 2 frames"),
    "animated WebP": (lambda p: _animated(p, "WEBP"), "got 2 frames"),
    "half a PNG": (lambda p: _first_half(p, "PNG"), "cannot be read as an image"),
    "half a JPEG": (lambda p: _first_half(p, "JPEG"), "cannot be read as an image"),
    "half a TIFF": (lambda p: _first_half(p, "TIFF"), "cannot be read as an image"),
    "half a GIF": (lambda p: _first_half(p, "GIF"), "cannot be read as an image"),
    "half a BMP": (lambda p: _first_half(p, "BMP"), "cannot be read as an image"),
    "half a WebP": (lambda p: _first_half(p, "WEBP"), "cannot be read as an image"),
    "a wrong checksum": (_wrong_checksum, "cannot be read as an image"),
    "nothing": (lambda p: _bytes(p, b""), "cannot be read as an image.*empty"),
    "text": (
        lambda p: _bytes(p, b"id,image\n1,a.png\n"),
        "cannot be read as an image, expected PNG",
    ),
    "HEIC": (lambda p: _bytes(p, b"\0\0\0\x18ftypheic" + bytes(20)), "got HEIC, expected PNG"),
    "AVIF": (lambda p: _saved(p, Image.fromarray(COLOUR), format="AVIF"), "got AVIF, expected"),
    "JPEG 2000": (
        lambda p: _saved(p, Image.fromarray(COLOUR), format="JPEG2000"),
        "got JPEG 2000, expected",
    ),
    "PDF": (lambda p: _saved(p, Image.fromarray(COLOUR), format="PDF"), "got PDF, expected"),
    "PostScript": (lambda p: _saved(p, Image.fromarray(COLOUR), format="EPS"), "got PostScript"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_kept_is_refused_by_name(
    tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    make, words = REFUSED[kind]
    path = make(tmp_path / "image.png")
    with pytest.raises(InputError, match=rf"^{path}: .*{words}.*$") as caught:
        decode(path)
    assert len(str(caught.value).splitlines()) == 1
    assert capfd.readouterr() == ("", "")


def test_opaque_alpha_is_no_transparency(tmp_path: Path) -> None:
    opaque = np.full(GREY.shape, 255, np.uint8)
    for suffix in ("png", "tif"):
        read = decode(_saved(tmp_path / f"a.{suffix}", _alpha(opaque)))
        np.testing.assert_array_equal(read, GREY)
    image = Image.fromarray(np.dstack([COLOUR, opaque]))
    for suffix in ("png", "tif", "webp"):
        read = decode(_saved(tmp_path / f"c.{suffix}", image, lossless=True))
        np.testing.assert_array_equal(read, COLOUR)


def test_a_line_break_in_a_name_stays_in_one_line(tmp_path: Path) -> None:
    path = _bytes(tmp_path / "a\nb.png", b"no image")
    with pytest.raises(InputError, match=r"a b\.png: cannot be read"):
        decode(path)
