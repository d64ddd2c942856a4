"""`labelppl distill` decodes every image once, checks all of them before the fit, and says which is bad."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from labelppl.cli import main

from labelppl.images import read
from labelppl.phantoms import simulate

QUICK = ("--image-size", "32", "--epochs", "1", "--lam", "1", "--quiet", "--run", "r")


@pytest.fixture
def hips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = simulate("hip", tmp_path / "hips", cases=40, size=32)
    monkeypatch.chdir(folder)
    return folder


def test_every_image_is_decoded_once(hips: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: Counter[str] = Counter()
    load = read.load_pixels

    def counted(path: Path, *rest: Any) -> Any:
        decoded[path.name] += 1
        return load(path, *rest)

    monkeypatch.setattr(read, "load_pixels", counted)
    done = CliRunner().invoke(
        main, ["distill", "--model", "hip.py", *QUICK], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    assert len(decoded) == 40
    assert set(decoded.values()) == {1}
    # a second evaluation decodes the test images anew, and says the same
    before = (hips / "r" / "metrics.json").read_text()
    done = CliRunner().invoke(main, ["evaluate", "--run", "r"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert sum(decoded.values()) == 40 + 12
    assert (hips / "r" / "metrics.json").read_text() == before


def test_a_bad_test_image_is_named_before_the_fit(hips: Path) -> None:
    table = (hips / "hip.csv").read_text().splitlines()
    name = next(line.split(",")[1] for line in table if ",test," in line)
    (hips / name).write_bytes(b"no image")
    done = CliRunner().invoke(main, ["distill", "--model", "hip.py", *QUICK])
    assert done.exit_code == 2
    assert f"{name}: cannot be read as an image" in done.output
    assert not (hips / "r").exists() or not list((hips / "r").glob("*.nc"))
