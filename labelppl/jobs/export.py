"""``export``: a run's student -> one ONNX file with everything inside, its model card, and a page for the browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arrays import Array
from ..calibration.in_force import CALIBRATION, CONFORMAL, STUDENT, InForce
from ..case_images import paths_of_all
from ..errors import FailedWork, InputError
from ..export.browser import refuse_unreadable, write_browser_folder
from ..export.card import CardFacts
from ..export.graph import StudentGraph, write_graph
from ..export.map_layers import steps_of
from ..export.model_card import model_card
from ..export.names import NOTES
from ..export.onnx_student import Notes, OnnxStudent, load_onnx
from ..images.decode import FULL_SCALE
from ..metrics.metrics import Metrics
from ..prevalence import read_prevalence
from ..runs import (
    check_file,
    check_folder,
    read_json,
    sha256,
    step,
    verify,
    versions,
    write_atomically,
    write_text,
)
from ..seeds import stream
from ..students.load import load_student
from ..students.student import Student
from .inputs import cases_without_model
from .own_student import own_network
from .telling import Teller

CHECKED = 32
"""Images of the run that both runtimes classify before the file is kept."""
MOST_APART = 1e-4
"""Float32 convolutions of two runtimes differ by about 1e-6 in p; a mistake differs by more than this."""
ROUNDING = 1e-6
"""A map with steps may fall on either side of one within this distance."""
ONNX_FILE, CARD_FILE = "student.onnx", "model-card.md"


def export_job(
    run: Path,
    *,
    out: Path | None,
    browser: Path | None,
    prevalence: Mapping[str, float] | None,
    raw: bool,
    student: str | None,
    trust: bool,
    say: Teller,
) -> Path:
    """Write ``student.onnx`` and ``model-card.md``, and the browser's folder where one is named.

    Args:
        run: The run folder.
        out: The ONNX file; None is `student.onnx` in the run folder. The card stands beside it.
        browser: A new folder for the page.
        prevalence: Where the student will be used, class -> probability.
        raw: Without what `recalibrate` put in force.
        student: FILE.py:NAME of a network of the user's own.
        trust: Whether a stranger's run may have its file executed.
        say: Where lines go.

    Returns:
        The ONNX file.

    Raises:
        InputError: No student, or one that ONNX cannot hold.
        FailedWork: The file gives other numbers than the student.
    """
    target = out or run / ONNX_FILE
    inputs = [run / name for name in ("student.json", STUDENT, "run.json")]
    check_file(target, suffixes=(".onnx",), inputs=inputs)
    check_file(target.with_name(CARD_FILE), inputs=inputs)
    if browser is not None:
        check_folder(browser, "--browser")
    for name in ("student.json", STUDENT, CALIBRATION, CONFORMAL, "metrics.json"):
        verify(run, name)
    network = own_network(run, student, trust=trust)
    source = load_student(run, network=network, raw=raw)
    if prevalence is not None:
        source = source.at(read_prevalence(prevalence, source.classes))
    if browser is not None:
        refuse_unreadable(source.spec.depth)
    made = read_json(run / "run.json")
    arguments = {
        "out": str(target),
        "browser": None if browser is None else str(browser),
        "raw": raw,
    }
    with step(run, "export", arguments, say.command_line):
        notes = _notes(run, source, raw)
        graph = StudentGraph(source)
        default = source.spec.deployment_prevalence or source.spec.study_prevalence
        images = _images(run)

        def write(path: Path) -> None:
            write_graph(graph, path, default, {NOTES: notes.to_text()})
            _check(source, load_onnx(path), images, say)

        write_atomically(target, write)
        text = model_card(_facts(run, source), notes, made)
        write_text(target.with_name(CARD_FILE), text)
    say(
        f"{target} ({target.stat().st_size / 1e6:.1f} MB), its card in {target.with_name(CARD_FILE)}"
    )
    if browser is not None:
        write_browser_folder(target, target.with_name(CARD_FILE), notes, browser)
        say(f"page in {browser}; serve it with: python -m http.server --directory {browser}")
    return target


def _notes(run: Path, student: Student, raw: bool) -> Notes:
    spec, in_force = student.spec, student.in_force
    return Notes(
        classes=student.classes,
        channels=spec.channels,
        height=spec.height,
        width=spec.width,
        depth=spec.depth,
        study_prevalence=spec.study_prevalence,
        deployment_prevalence=spec.deployment_prevalence,
        calibration=None if in_force.mapping is None else in_force.mapping.name,
        sets=None if in_force.sets is None else in_force.sets.record(),
        confidence=None if in_force.confidence is None else in_force.confidence.record(),
        student=sha256(run / STUDENT),
        versions={
            name: version for name, version in versions().items() if name in ("labelppl", "torch")
        },
    )


def _facts(run: Path, student: Student) -> CardFacts:
    path = run / "metrics.json"
    metrics = Metrics.load(path) if path.is_file() else None
    return CardFacts(student.classes, read_json(run / "student.json"), metrics)


def _images(run: Path) -> list[Path]:
    """Some images of the run, where its table and pictures are still there."""
    try:
        cases = cases_without_model(run)
    except InputError:
        return []
    paths = paths_of_all(cases.images or ())
    return [path for path in paths if path.is_file()][:CHECKED]


def _check(student: Student, exported: OnnxStudent, images: Sequence[Path], say: Teller) -> None:
    """Raise FailedWork unless both give the same numbers."""
    pixels = images_like(student) if not images else None
    expected = student.predict(images if pixels is None else pixels)
    prediction = exported.predict(images) if pixels is None else exported.predict_pixels(pixels)
    pairs: list[tuple[Array, Array]] = [(prediction.probs, expected.probs)]
    jumps = len(steps_of(student.in_force.mapping)) > 0
    if expected.interval is not None and prediction.interval is not None and not jumps:
        pairs += list(zip(prediction.interval, expected.interval, strict=True))
    if expected.spread is not None and prediction.spread is not None and not jumps:
        pairs += list(zip(prediction.spread, expected.spread, strict=True))
    elif expected.epistemic is not None and prediction.epistemic is not None:
        pairs.append((prediction.epistemic, expected.epistemic))
    kept = ~_on_a_step(student, images if pixels is None else pixels)
    apart = max((float(np.abs(a - b)[kept].max(initial=0.0)) for a, b in pairs), default=0.0)
    if not apart < MOST_APART:
        raise FailedWork(
            f"export: the ONNX file differs from the student by {apart:.2g} in a probability, expected less than "
            f"{MOST_APART:g}; nothing was written; please report this network"
        )
    what = f"{len(kept)} images of the run" if images else f"{len(kept)} images of noise"
    say(f"same numbers as the student on {what}: largest difference {apart:.1e}")


def images_like(student: Student) -> Array:
    """Noise (CHECKED, channels, height, width) in the student's depth, for a run whose images are gone."""
    spec = student.spec
    uniform = stream(0, "export").numpy().random((CHECKED, spec.channels, spec.height, spec.width))
    return np.asarray(uniform * FULL_SCALE[spec.depth]).astype(spec.depth)


def _on_a_step(student: Student, images: Sequence[Path] | Array) -> Array:
    """Which images (images,) lie so near to a step of the map that rounding decides."""
    steps = steps_of(student.in_force.mapping)
    if len(steps) == 0:
        return np.zeros(len(images), dtype=bool)
    spec = replace(student.spec, deployment_prevalence=None)
    bare = replace(student, in_force=InForce(), posterior=None, spec=spec)
    second = bare.predict_proba(images)[:, 1]
    near: Any = np.abs(second[:, None] - steps).min(axis=1) < ROUNDING
    return np.asarray(near)
