"""Every format keeps its values; what cannot be kept is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelppl.errors import InputError
from labelppl.images.read import from_array, read_images

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (12, 10), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (12, 10, 3), dtype=np.uint8)
WIDE = RNG.integers(0, 65536, (12, 10), dtype=np.uint16)


def _write(path: Path, picture: np.ndarray) -> Path:
    Image.fromarray(picture).save(path)
    return path


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
@pytest.mark.parametrize("picture", [GREY, COLOUR], ids=["grey", "colour"])
def test_lossless_files_keep_every_value(tmp_path: Path, suffix: str, picture: np.ndarray) -> None:
    images = read_images([_write(tmp_path / f"image.{suffix}", picture)])
    expected = picture[None] if picture.ndim == 2 else picture.transpose(2, 0, 1)
    np.testing.assert_array_equal(images.pixels[0], expected)
    assert (images.depth, images.full_scale) == ("uint8", 255.0)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_files_keep_every_value(tmp_path: Path, suffix: str) -> None:
    images = read_images([_write(tmp_path / f"image.{suffix}", WIDE)])
    np.testing.assert_array_equal(images.pixels[0, 0], WIDE)
    assert (images.depth, images.full_scale) == ("uint16", 65535.0)


def test_float_tiff(tmp_path: Path) -> None:
    picture = RNG.normal(size=(6, 5)).astype(np.float32)
    images = read_images([_write(tmp_path / "image.tif", picture)])
    np.testing.assert_array_equal(images.pixels[0, 0], picture)


def test_jpeg_is_close_and_turned_upright(tmp_path: Path) -> None:
    smooth = np.tile(np.linspace(0, 255, 32, dtype=np.uint8), (16, 1))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned a quarter clockwise
    path = tmp_path / "image.jpg"
    Image.fromarray(smooth).save(path, quality=98, exif=exif)
    pixels = read_images([path]).pixels[0, 0].astype(int)
    assert np.abs(pixels - np.rot90(smooth, -1)).max() < 8


def test_channels_follow_the_files_or_the_caller(tmp_path: Path) -> None:
    grey, colour = _write(tmp_path / "g.png", GREY), _write(tmp_path / "c.png", COLOUR)
    same = _write(tmp_path / "s.png", np.stack([GREY] * 3, -1))
    assert read_images([grey]).pixels.shape == (1, 1, 12, 10)
    mixed = read_images([grey, colour]).pixels
    np.testing.assert_array_equal(mixed[0], np.stack([GREY] * 3))
    assert read_images([same]).pixels.shape[1] == 3
    np.testing.assert_array_equal(read_images([same], channels=1).pixels[0, 0], GREY)
    with pytest.raises(InputError, match=r"c\.png: got a colour image, expected greyscale"):
        read_images([grey, colour], channels=1)


def test_palettes_and_opaque_alpha(tmp_path: Path) -> None:
    opaque = np.dstack([COLOUR, np.full((12, 10), 255, np.uint8)])
    np.testing.assert_array_equal(
        read_images([_write(tmp_path / "o.png", opaque)]).pixels[0], COLOUR.transpose(2, 0, 1)
    )
    path = tmp_path / "p.png"
    Image.fromarray(GREY).convert("P").save(path)
    np.testing.assert_array_equal(read_images([path]).pixels[0, 0], GREY)
    opaque[0, 0, 3] = 7
    with pytest.raises(InputError, match="transparent"):
        read_images([_write(tmp_path / "t.png", opaque)])


def test_resizing_stretches_or_pads(tmp_path: Path) -> None:
    path = _write(tmp_path / "image.png", np.full((20, 40), 200, np.uint8))
    assert (read_images([path], size=16).pixels == 200).all()
    padded = read_images([path], size=16, keep_aspect=True)
    assert padded.keep_aspect
    np.testing.assert_array_equal(padded.pixels[0, 0].max(1), [0] * 4 + [200] * 8 + [0] * 4)
    assert read_images([path], size=(8, 24)).pixels.shape == (1, 1, 8, 24)


def test_16_bit_and_8_bit_resize_alike(tmp_path: Path) -> None:
    eight = _write(tmp_path / "8.png", GREY)
    sixteen = _write(tmp_path / "16.png", GREY.astype(np.uint16) * 257)
    one = read_images([eight], size=7).pixels / 255
    two = read_images([sixteen], size=7).pixels / 65535
    np.testing.assert_allclose(one, two, atol=1.01 / 255)


def test_order_is_kept(tmp_path: Path) -> None:
    paths = [_write(tmp_path / f"{i}.png", np.full((3, 3), i, np.uint8)) for i in range(50)]
    images = read_images(paths[::-1])
    np.testing.assert_array_equal(images.pixels[:, 0, 0, 0], np.arange(50)[::-1])
    assert images.ids == tuple(map(str, paths[::-1]))
    assert images.take(np.array([3, 1])).ids == (str(paths[46]), str(paths[48]))


def _frames(path: Path) -> Path:
    Image.fromarray(GREY).save(path, save_all=True, append_images=[Image.fromarray(GREY)])
    return path


def _text(path: Path) -> Path:
    path.write_text("not an image")
    return path


def _cut(path: Path) -> Path:
    _write(path, RNG.integers(0, 256, (64, 64), dtype=np.uint8))
    path.write_bytes(path.read_bytes()[:600])
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path, "no such image file"),
        (_text, "cannot be read as an image"),
        (_cut, "cannot be read as an image"),
        (_frames, "got 2 frames"),
        (lambda path: _write(path, GREY[:5]), "got 5x10 pixels, expected 12x10"),
        (lambda path: _write(path, WIDE), "got uint16 pixels, expected uint8"),
    ],
    ids=["missing", "text", "cut short", "frames", "other size", "other depth"],
)
def test_bad_files_are_named(tmp_path: Path, make: Callable[[Path], Path], words: str) -> None:
    good, bad = _write(tmp_path / "good.png", GREY), make(tmp_path / "bad.tif")
    with pytest.raises(InputError, match=rf"bad\.tif: {words}") as caught:
        read_images([good, bad])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [{"size": 0}, {"channels": 2}])
def test_bad_options(tmp_path: Path, options: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"images: (size|channels)"):
        read_images([_write(tmp_path / "image.png", GREY)], **options)
    with pytest.raises(InputError, match="got no path"):
        read_images([])


def test_arrays() -> None:
    assert from_array(GREY[None]).pixels.shape == (1, 1, 12, 10)
    assert from_array(np.zeros((2, 3, 4, 4))).depth == "float32"
    with pytest.raises(InputError, match="not finite"):
        from_array(np.full((1, 4, 4), np.inf))
    with pytest.raises(InputError, match="expected uint8"):
        from_array(np.zeros((1, 4, 4), np.int32))
