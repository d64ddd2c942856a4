"""`labelppl export` from its command: the file, the card, the page in a browser; what is refused and what is not kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result
from labelppl.cli import main

from labelppl.calibration.conformal import Conformal
from labelppl.calibration.in_force import CALIBRATION, CONFORMAL
from labelppl.calibration.temperature import Temperature
from labelppl.export import load_onnx
from labelppl.export.card import CardFacts
from labelppl.export.model_card import model_card
from labelppl.jobs import export as job
from labelppl.runs import read_json, sha256, write_json
from labelppl.students.load import load_student
from labelppl.students.student import Student

pytest.importorskip("onnxruntime", reason="the [export] extra is not installed")
pytest.importorskip("onnxscript", reason="the [export] extra is not installed")


def _run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, make_student: Callable[..., Student]) -> Path:
    """A folder with a student, a map and prediction sets, exported with its page."""
    folder = tmp_path_factory.mktemp("run")
    make_student(classes=3, posterior="kronecker").save(folder)
    digest = sha256(folder / "student.safetensors")
    mapping = Temperature(2.0)
    write_json(
        folder / CALIBRATION,
        {"student": digest, "map": mapping.name, "fitted": mapping.record(), "confidence": None},
    )
    sets = Conformal((0.55, 0.55, 0.55), 0.1, "adaptive", 0.05, 1, False, (9.0, 9.0, 9.0))
    write_json(folder / CONFORMAL, {"student": digest, "sets": sets.record()})
    result = _run("export", "--run", folder, "--browser", folder / "page")
    assert result.exit_code == 0, result.output
    assert "same numbers as the student on 32 images of noise" in result.output
    return folder


def test_the_file_holds_what_is_in_force(
    run: Path, make_pictures: Callable[..., list[Path]], tmp_path: Path
) -> None:
    paths = make_pictures()
    for words in (["--run", run], ["--onnx", run / "student.onnx"]):
        out = tmp_path / f"{words[0]}.csv"
        result = _run("predict", *words, *paths, "--out", out)
        assert result.exit_code == 0, result.output
    torchs, onnxs = pd.read_csv(tmp_path / "--run.csv"), pd.read_csv(tmp_path / "--onnx.csv")
    assert list(torchs.columns) == list(onnxs.columns)
    assert list(torchs["set"]) == list(onnxs["set"])
    numbers = torchs.select_dtypes("number").columns
    np.testing.assert_allclose(torchs[numbers], onnxs[numbers], atol=1e-6)
    assert "files" in read_json(run / "run.json")["steps"][-1]
    assert read_json(run / "run.json")["steps"][0]["command"] == "export"


def test_raw_and_a_prevalence_change_the_numbers(run: Path, tmp_path: Path) -> None:
    raw, rare = tmp_path / "raw.onnx", tmp_path / "rare.onnx"
    assert _run("export", "--run", run, "--out", raw, "--raw").exit_code == 0
    result = _run(
        "export", "--run", run, "--out", rare, "--prevalence", "a=.9", "--prevalence", "b=.05"
    )
    assert result.exit_code == 0, result.output
    pixels = job.images_like(load_student(run))
    plain = load_onnx(run / "student.onnx")
    assert plain.notes.calibration == "temperature"
    assert load_onnx(raw).notes.calibration is None
    assert load_onnx(raw).sets is None
    probs = plain.predict_pixels(pixels).probs
    assert np.abs(load_onnx(raw).predict_pixels(pixels).probs - probs).max() > 0.01
    moved = load_onnx(rare)
    assert moved.notes.deployment_prevalence == pytest.approx((0.9, 0.05, 0.05))
    assert (moved.predict_pixels(pixels).probs[:, 0] > probs[:, 0]).all()


def test_the_page_gives_the_numbers_of_torch(
    run: Path, chromium: ModuleType, page: Any, make_pictures: Callable[..., list[Path]]
) -> None:
    paths = make_pictures()
    student = load_student(run)
    expected = student.predict(paths)
    assert expected.spread is not None
    assert expected.interval is not None
    with chromium.served(run / "page") as address:
        page.open(f"{address}/index.html")
        page.wait("document.getElementById('status').textContent === 'The model is ready.'")
        page.choose_files("#files", paths)
        page.wait(f"document.querySelectorAll('#list li').length === {len(paths)}")
        results = json.loads(
            page.evaluate(
                "(async () => { const m = await import('./page.js'); const out = [];"
                "for (const f of document.getElementById('files').files) out.push(await m.predict(f));"
                "return JSON.stringify(out); })()"
            )
        )
        shown = page.evaluate("document.getElementById('list').innerText")
        assert page.errors == []
        assert all(url.startswith((address, f"blob:{address}")) for url in page.requests[1:])
    for key, values in (
        ("probs", expected.probs), ("laplace", expected.spread.probs), ("low", expected.interval.low),
        ("high", expected.interval.high),
    ):  # fmt: skip
        got = np.array([result[key] for result in results])
        assert np.abs(got - values).max() < 1e-4
    assert student.in_force.sets is not None
    member = student.in_force.sets.sets(expected.probs)
    names = np.array(student.classes)
    for row in member:
        assert f"Prediction set: {', '.join(names[row])}" in shown
    assert [path.name in shown for path in paths] == [True] * len(paths)


def test_the_page_refuses_what_the_student_cannot_read(
    run: Path,
    chromium: ModuleType,
    page: Any,
    make_pictures: Callable[..., list[Path]],
    tmp_path: Path,
) -> None:
    text = tmp_path / "text.png"
    text.write_text("no image")
    odd = [make_pictures(3, count=1)[0], make_pictures(1, "uint16", count=1)[0], text]
    with chromium.served(run / "page") as address:
        page.open(f"{address}/index.html")
        page.wait("document.getElementById('status').textContent === 'The model is ready.'")
        page.choose_files("#files", odd)
        page.wait("document.querySelectorAll('#list li').length === 3")
        shown = page.evaluate("document.getElementById('list').innerText")
    for words in (
        "in colour; the model reads greyscale",
        "this one has 16 bits",
        "cannot read the file",
    ):
        assert words in shown


def test_sixteen_bit_pictures_in_the_browser(
    chromium: ModuleType, page: Any, make_student: Callable[..., Student],
    make_pictures: Callable[..., list[Path]], tmp_path: Path,
) -> None:  # fmt: skip
    make_student(depth="uint16").save(tmp_path)
    assert _run("export", "--run", tmp_path, "--browser", tmp_path / "page").exit_code == 0
    paths = make_pictures(1, "uint16")
    expected = load_student(tmp_path).predict_proba(paths)
    with chromium.served(tmp_path / "page") as address:
        page.open(f"{address}/index.html")
        page.wait("document.getElementById('status').textContent === 'The model is ready.'")
        page.choose_files("#files", paths)
        got = page.evaluate(
            "(async () => { const m = await import('./page.js'); const out = [];"
            "for (const f of document.getElementById('files').files) out.push((await m.predict(f)).probs);"
            "return out; })()"
        )
    assert np.abs(np.array(got) - expected).max() < 1e-4


def test_a_file_with_other_numbers_is_not_kept(
    make_student: Callable[..., Student], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_student().save(tmp_path)

    class Wrong(job.StudentGraph):
        def forward(
            self, pixels: torch.Tensor, prevalence: torch.Tensor | None = None
        ) -> tuple[torch.Tensor, ...]:
            probs, *others = super().forward(pixels, prevalence)
            return probs * 0.999 + 0.0005, *others

    monkeypatch.setattr(job, "StudentGraph", Wrong)
    result = _run("export", "--run", tmp_path)
    assert result.exit_code == 1
    assert "differs from the student by" in result.output
    assert not (tmp_path / "student.onnx").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "student.txt"], "expected a file name ending in .onnx"),
        (["--browser", "."], "is not an empty folder"),
        (["--prevalence", "z=.5"], "unknown class 'z'"),
    ],
)
def test_bad_words_end_in_one_line(
    run: Path, words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").write_text("")
    monkeypatch.chdir(tmp_path)
    result = _run("export", "--run", run, *words)
    assert result.exit_code == 2
    assert message in result.output


def test_predict_wants_a_run_or_a_file(run: Path, make_pictures: Callable[..., list[Path]]) -> None:
    picture = make_pictures(count=1)[0]
    file = run / "student.onnx"
    assert "one of the two" in _run("predict", picture).output
    assert "one of the two" in _run("predict", "--run", run, "--onnx", file, picture).output
    assert "--raw: belongs to --run" in _run("predict", "--onnx", file, "--raw", picture).output


def test_a_float_student_has_no_page(make_student: Callable[..., Student], tmp_path: Path) -> None:
    make_student(depth="float32").save(tmp_path)
    result = _run("export", "--run", tmp_path, "--browser", tmp_path / "page")
    assert result.exit_code == 2
    assert "which no browser can" in result.output
    assert not (tmp_path / "student.onnx").exists()


def test_the_card_shows_text_as_text(run: Path) -> None:
    notes = load_onnx(run / "student.onnx").notes
    evil = CardFacts(("a\n---\nb: 1", "<script>|`x`"), {}, None)
    text = model_card(evil, notes, {"model": {"path": "x/[hip](http://e).py", "sha256": "0"}})
    front, _, body = text[4:].partition("\n---\n")
    assert all(line.partition(": ")[1] for line in front.splitlines())
    for line in front.splitlines():
        json.loads(line.partition(": ")[2])
    assert "<script>" not in body
    assert "](" not in body
    card = (run / "model-card.md").read_text(encoding="utf-8")
    assert "It was not evaluated" in card
    assert "Recalibrated by temperature" in card
