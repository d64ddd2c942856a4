"""One pass over image files: what is kept in memory, the moments, the memory there is."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from labelppl.errors import InputError
from labelppl.images import memory, read
from labelppl.images.files import Files
from labelppl.images.moments import Moments
from labelppl.images.read import Images, check_images, open_images, read_images

Array = np.ndarray[Any, Any]


def _write(folder: Path, n: int, *, colour: tuple[int, ...] = ()) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = [folder / f"{i}.png" for i in range(n)]
    for i, path in enumerate(paths):
        shape = (6, 5, 3) if i in colour else (6, 5)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return paths


@pytest.mark.parametrize(("colour", "channels"), [((), 1), ((2,), 3), ((0,), 3)])
def test_a_limit_decides_where_pixels_live(
    tmp_path: Path, colour: tuple[int, ...], channels: int
) -> None:
    paths = _write(tmp_path, 4, colour=colour)
    size = 4 * 30 * channels
    kept = open_images(paths, limit=size).images
    files = open_images(paths, limit=size - 1).images
    assert isinstance(kept, Images)
    assert isinstance(files, Files)
    np.testing.assert_array_equal(kept.pixels, read_images(paths).pixels)
    assert files.shape == kept.shape == (channels, 6, 5)
    assert (files.depth, files.bytes, len(files)) == (kept.depth, size, 4)
    np.testing.assert_array_equal(np.stack([files.load(i) for i in range(4)]), kept.pixels)
    some = files.take(np.array([3, 0]))
    np.testing.assert_array_equal(some.load(0), kept.pixels[3])


def test_no_more_than_a_few_pictures_per_thread_exist_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a slow reader the decoders wait; they do not run ahead through the whole set."""
    lock, begun = threading.Lock(), []
    load_pixels = read.load_pixels

    def counted(*arguments: Any) -> Array:
        with lock:
            begun.append(arguments[0])
        return load_pixels(*arguments)

    monkeypatch.setattr(read, "load_pixels", counted)
    monkeypatch.setattr(read, "THREADS", 2)
    paths = _write(tmp_path, 40)
    for done, _ in enumerate(read._decode_all(paths, None, False)):
        with lock:
            assert len(begun) <= done + 1 + 4
    assert sorted(begun) == sorted(paths)


def test_a_broken_file_is_found_while_checking(tmp_path: Path) -> None:
    paths = _write(tmp_path, 5)
    assert len(check_images(paths)) == 5
    paths[3].write_bytes(b"")
    with pytest.raises(InputError, match="cannot be read") as caught:
        check_images(paths)
    assert str(paths[3]) in str(caught.value)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_moments_are_those_of_the_stack(kind: Any) -> None:
    rng = np.random.default_rng(0)
    images = [rng.normal(100, 20, (c, 7, 5)).astype(kind) for c in (1, 3, 1, 3)]
    both = [Moments(), Moments()]
    for image in images:
        both[0].add(image)
    for image in images[::-1]:
        both[1].add(np.asfortranarray(image))
    stack = np.concatenate([np.broadcast_to(i, (3, 7, 5)).reshape(3, -1) for i in images], 1)
    mean, std = both[0].mean_std(3, 255.0)
    np.testing.assert_allclose(mean, stack.mean(1, dtype=np.float64) / 255, rtol=1e-12)
    np.testing.assert_allclose(std, stack.std(1, dtype=np.float64) / 255, rtol=1e-9)
    assert both[1].mean_std(3, 255.0) == (mean, std)


@pytest.mark.parametrize(("kind", "value"), [(np.uint16, 7), (np.float32, 0.1), (np.uint8, 0)])
def test_a_single_colour_has_no_spread(kind: Any, value: float) -> None:
    moments = Moments()
    for _ in range(3):
        moments.add(np.full((1, 50, 50), value, kind))
    assert moments.mean_std(1, 1.0)[1] == (0.0,)


def test_memory_of_a_container_is_what_its_limit_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 2**20 < memory.available_memory() < 2**50
    group = tmp_path / "jobs" / "mine"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    outer = group.parent
    (outer / "memory.max").write_text("4000000\n")
    (outer / "memory.current").write_text("3000000\n")
    (outer / "memory.stat").write_text("anon 1\ninactive_file 500000\n")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path)
    lines = ["3:cpu:/other", "0::/jobs/mine"]
    real = Path.read_text
    monkeypatch.setattr(
        Path,
        "read_text",
        lambda self, *a, **k: (
            "\n".join(lines) if str(self) == "/proc/self/cgroup" else real(self, *a, **k)
        ),
    )
    assert memory.available_memory() == 1_500_000


def test_moments_are_of_the_measured_files(tmp_path: Path) -> None:
    paths = _write(tmp_path, 4)
    measured = np.array([True, False, True, False])
    opened = open_images(paths, measured=measured)
    pixels = read_images([paths[0], paths[2]]).pixels
    mean, std = opened.moments.mean_std(1, 255.0)
    np.testing.assert_allclose(mean, pixels.mean() / 255)
    np.testing.assert_allclose(std, pixels.std() / 255)
