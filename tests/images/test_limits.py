"""A header that states a huge picture is refused before anything is decoded; memory stays bounded."""

from __future__ import annotations

import struct
import subprocess
import sys
import threading
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiff_files import write_tiff

from labelppl.errors import InputError
from labelppl.images import limits
from labelppl.images.decode import decode
from labelppl.images.limits import MOST_PIXELS, PixelBudget, Silence, refuse_large

SIDE = 20_000


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(path: Path, side: int) -> None:
    """side × side pixels of 0."""
    packer = zlib.compressobj(1)
    row = bytes(1 + side)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", data) + _chunk(b"IEND", b""))


def _png_head(path: Path) -> None:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", b"") + _chunk(b"IEND", b""))


def _jpeg(path: Path) -> None:
    Image.new("L", (8, 8)).save(path, "JPEG")
    content = path.read_bytes()
    at = content.index(b"\xff\xc0") + 5
    path.write_bytes(content[:at] + struct.pack(">HH", SIDE, SIDE) + content[at + 4 :])


def _gif(path: Path) -> None:
    Image.new("L", (8, 8)).save(path, "GIF")
    content = path.read_bytes()
    path.write_bytes(content[:6] + struct.pack("<HH", SIDE, SIDE) + content[10:])


def _webp(path: Path) -> None:
    Image.new("RGB", (8, 8)).save(path, "WEBP", lossless=True)
    content = bytearray(path.read_bytes())
    content[21:25] = (int.from_bytes(content[21:25], "little") | 2**28 - 1).to_bytes(4, "little")
    path.write_bytes(content)


def _tiff(path: Path) -> None:
    write_tiff(path, np.zeros((1, 1), np.uint8), t256=(SIDE,), t257=(SIDE,))


def _tiles(path: Path) -> None:
    write_tiff(path, np.zeros((1, 1), np.uint8), t322=(SIDE,), t323=(SIDE,))


def _bmp(path: Path) -> None:
    Image.new("L", (8, 8)).save(path, "BMP")
    content = path.read_bytes()
    path.write_bytes(content[:18] + struct.pack("<ii", SIDE, SIDE) + content[26:])


HUGE: dict[str, Callable[[Path], object]] = {
    "png": _png_head,
    "jpg": _jpeg,
    "gif": _gif,
    "webp": _webp,
    "tif": _tiff,
    "bmp": _bmp,
    "pgm": lambda path: path.write_bytes(b"P5\n%d %d\n255\n" % (SIDE, SIDE)),
}


@pytest.mark.parametrize("suffix", HUGE)
def test_huge_pictures_are_refused_by_their_header(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bomb.{suffix}"
    HUGE[suffix](path)
    begun = time.perf_counter()
    with pytest.raises(InputError, match=rf"bomb\.{suffix}: got \d+x\d+ pixels, expected at most"):
        decode(path)
    assert time.perf_counter() - begun < 1


def test_huge_tiles_are_refused(tmp_path: Path) -> None:
    _tiles(tmp_path / "bomb.tif")
    with pytest.raises(InputError, match=r"bomb\.tif: got tiles of more than"):
        decode(tmp_path / "bomb.tif")


def test_huge_dicom_is_refused_by_its_header(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom", reason="the [dicom] extra is not installed")
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.RLELossless
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.3"
    data.Rows, data.Columns, data.SamplesPerPixel = SIDE, SIDE, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.PixelData = pydicom.encaps.encapsulate([b"\0" * 64])
    data["PixelData"].VR = "OB"
    data.save_as(tmp_path / "bomb.dcm", enforce_file_format=True)
    with pytest.raises(InputError, match=r"bomb\.dcm: got 20000x20000 pixels, expected at most"):
        decode(tmp_path / "bomb.dcm")


def test_the_limit_is_a_limit() -> None:
    refuse_large(Path("a"), 1, MOST_PIXELS)
    for height, width, frames in ((1, MOST_PIXELS + 1, 1), (2, MOST_PIXELS // 2, 2), (0, 5, 1)):
        with pytest.raises(InputError):
            refuse_large(Path("a"), height, width, frames)


def test_memory_is_in_proportion_to_the_pixels(tmp_path: Path) -> None:
    """90 million pixels, above which Pillow warns: below 3 bytes each, and not a word."""
    side = 9_500
    path = tmp_path / "large.png"
    _png(path, side)
    script = f"""
import resource
from pathlib import Path
from labelppl.images.decode import load_pixels
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert load_pixels(Path({str(path)!r}), (32, 32), False).shape == (32, 32)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert int(done.stdout) * 1024 < 3 * side * side


def test_pixels_in_flight_are_bounded() -> None:
    budget = PixelBudget(10)
    lock, most, now = threading.Lock(), [0], [0]

    def work(pixels: int) -> None:
        with budget.spend(pixels):
            with lock:
                now[0] += pixels
                most[0] = max(most[0], now[0])
            time.sleep(0.002)
            with lock:
                now[0] -= pixels

    threads = [threading.Thread(target=work, args=(n,)) for n in (3, 4, 10, 5, 6, 1, 9, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert 5 < most[0] <= 10


def test_a_failed_picture_gives_its_pixels_back() -> None:
    budget = PixelBudget(10)
    for _ in range(3):
        with pytest.raises(ValueError, match="damaged"), budget.spend(10):
            raise ValueError("damaged")
    with budget.spend(10):
        pass


def test_silence_is_of_decoders_alone_and_ends() -> None:
    silence = Silence()
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with silence.hold(), silence.hold():
            warnings.warn_explicit("hidden", UserWarning, "Image.py", 1, module="PIL.Image")
            warnings.warn_explicit("heard", UserWarning, "own.py", 1, module="own")
        warnings.warn_explicit("heard too", UserWarning, "Image.py", 1, module="PIL.Image")
    assert [str(warning.message) for warning in heard] == ["heard", "heard too"]
    assert list(warnings.filters) == before


def test_every_decoder_shares_one_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spent: list[int] = []
    real = limits.PixelBudget.spend

    def counted(self: PixelBudget, pixels: int) -> object:
        spent.append(pixels)
        return real(self, pixels)

    monkeypatch.setattr(limits.PixelBudget, "spend", counted)
    Image.new("L", (7, 5)).save(tmp_path / "a.png")
    decode(tmp_path / "a.png")
    assert spent == [35]
