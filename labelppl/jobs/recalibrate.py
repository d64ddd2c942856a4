"""``recalibrate``: validation cases -> a map, prediction sets and a confidence, in force for the run's student."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..arrays import Array, Floats
from ..calibration.base import Recalibration
from ..calibration.confidence import ConfidenceName, choose_confidence
from ..calibration.conformal import ScoreName, coverage_range, fit_conformal
from ..calibration.in_force import CALIBRATION, CONFORMAL, STUDENT
from ..calibration.maps import Chosen, applicable, choose_map, gain_in_words, loss_of, open_map
from ..calibration.temperature import Temperature
from ..errors import InputError
from ..metrics.evaluate import predict_cases
from ..python_files import names_object
from ..runs import Step, read_run_json, sha256, step, verify, write_json
from ..softlabels import SoftLabels
from ..table import Cases, Delimiters, match_ids
from .inputs import cases_without_model
from .label_draws import label_draws
from .own_student import own_network
from .students import study_student
from .telling import Teller

Reference = Literal["auto", "hard", "soft", "draws"]
DRAWN_LABELS = 200
"""Draws of p(Y|Z) that a map is fitted to."""
FEW_TO_MAP = 30
"""With fewer validation cases a map is mostly noise, and it is said."""


@dataclass(frozen=True)
class RecalibrateSettings:
    """The options of ``labelppl recalibrate``; see there."""

    data: Path | None = None
    delimiters: Delimiters | None = None
    map: str = "auto"
    to: Reference = "auto"
    alpha: float | None = None
    by_class: bool = False
    score: ScoreName = "label"
    labels_per_case: int | None = None
    risk: float | None = None
    confidence: ConfidenceName | None = None
    student: str | None = None
    trust: bool = False
    seed: int = 0


def recalibrate_job(run: Path, settings: RecalibrateSettings, *, say: Teller) -> dict[str, Any]:
    """Fit on the run's validation cases, or all of ``data``; write ``calibration.json`` and ``conformal.json``.

    Returns what was written. Raises InputError where there are no validation cases or no soft labels that were asked for.
    """
    read_run_json(run)
    if settings.map not in ("auto", "none"):
        open_map(settings.map)
    written = {} if settings.delimiters is None else settings.delimiters.record()
    data = None if settings.data is None else str(settings.data)
    arguments = {**asdict(settings), "data": data, "delimiters": written}
    with step(run, "recalibrate", arguments, say.command_line) as work:
        return _recalibrate(run, settings, work, say)


def _recalibrate(
    run: Path, settings: RecalibrateSettings, work: Step, say: Teller
) -> dict[str, Any]:
    cases = cases_without_model(run, settings.data, settings.delimiters)
    cases = cases if settings.data is not None else cases.val
    if len(cases) == 0:
        raise InputError(
            f"{run}: no validation case, expected some; mark rows as val in the column split of the table, or give "
            "--data FILE with cases that neither trained nor test the student"
        )
    for name in ("student.json", STUDENT):
        verify(run, name)
    network = own_network(run, settings.student, trust=settings.trust)
    student, _ = study_student(run, raw=True, network=network)
    probs = predict_cases(student, cases)
    kept, reference, kind = _reference(run, cases, settings, say)
    probs, groups = probs[kept], None if cases.groups is None else np.asarray(cases.groups)[kept]
    say(f"fitted to the {_words(kind)} of {len(probs)} validation cases")
    if len(probs) < FEW_TO_MAP:
        say(
            f"only {len(probs)} validation cases: the map is mostly noise; read its gain, not its numbers"
        )
    shared = {"student": sha256(run / STUDENT), "fitted_to": kind, "cases": len(probs)}
    mapping, facts = _map(probs, reference, groups, settings, say)
    mapped = probs if mapping is None else mapping.transform(probs)
    confidence = None
    if settings.risk is not None:
        chosen = choose_confidence(mapped, reference, risk=settings.risk, kind=settings.confidence)
        confidence = chosen.record()
        say(
            f"answers {100 * chosen.coverage:.0f} % of the validation cases with at most {100 * settings.risk:g} % errors; "
            "predict marks the others"
        )
    calibration = {
        **shared,
        **_map_entries(mapping, settings.map),
        "fitted": None if mapping is None else mapping.record(),
        "confidence": confidence,
        **facts,
    }
    write_json(run / CALIBRATION, calibration)
    written: dict[str, Any] = {"calibration": calibration}
    if settings.alpha is None:
        (run / CONFORMAL).unlink(missing_ok=True)
    else:
        written["conformal"] = _sets(run, mapped, reference, shared, settings, say)
    work.keep(calibration={"map": calibration["map"], "fitted_to": kind, "cases": len(probs)})
    return written


def _map_entries(mapping: Recalibration | None, name: str) -> dict[str, Any]:
    """How `calibration.json` names the map; of a file of the user's own, its place and its digest."""
    if mapping is None or not names_object(name):
        return {"map": None if mapping is None else mapping.name}
    file, _, own = name.rpartition(":")
    path = Path(file).resolve()
    return {"map": f"{path}:{own}", "map_sha256": sha256(path)}


def _reference(
    run: Path, cases: Cases, settings: RecalibrateSettings, say: Teller
) -> tuple[Array, Array, str]:
    """Which cases (cases,) are used, what their probabilities should have been, and its kind."""
    labels = None
    if settings.to == "draws":
        labels = label_draws(run, DRAWN_LABELS, trust=settings.trust, say=say)
    elif settings.to != "hard" and settings.data is None and (run / "labels.parquet").is_file():
        labels = SoftLabels.load(verify(run, "labels.parquet"))
    kept = None if labels is None else _honest(labels, cases)
    if labels is not None and kept is not None:
        rows = match_ids(cases.ids, labels.ids)[kept]
        if labels.draws is not None and settings.to == "draws":
            return kept, np.asarray(labels.draws, dtype=np.float64)[:, rows], "draws"
        return kept, np.asarray(labels.probs, dtype=np.float64)[rows], "soft"
    if settings.to in ("soft", "draws"):
        raise InputError(
            f"{run}: no soft labels of the validation cases that leave their own label out; run labelppl label, or give "
            "--to hard"
        )
    labelled = np.asarray(cases.labels) >= 0
    if not labelled.any():
        raise InputError(
            f"{run}: no validation case has a label; label some, or run labelppl label"
        )
    return labelled, np.asarray(cases.labels)[labelled], "hard"


def _honest(labels: SoftLabels, cases: Cases) -> Array | None:
    """The cases (cases,) with a soft label that never saw their own label; None without any."""
    if labels.prevalence is not None:
        return None
    at = match_ids(cases.ids, labels.ids)
    unseen = np.asarray(labels.source) != "fitted"
    kept = np.asarray((at >= 0) & unseen[np.maximum(at, 0)])
    return kept if kept.any() else None


def _map(
    probs: Floats,
    reference: Array,
    groups: Array | None,
    settings: RecalibrateSettings,
    say: Teller,
) -> tuple[Recalibration | None, Mapping[str, Any]]:
    """The map, and what is recorded about its choice."""
    if settings.map == "none":
        return None, {}
    if settings.map != "auto":
        if open_map(settings.map).two_classes and probs.shape[1] != 2:
            names = ", ".join(applicable(probs.shape[1]))
            raise InputError(
                f"--map {settings.map}: needs two classes, got {probs.shape[1]}; give {names}"
            )
        mapping = open_map(settings.map)().fit(probs, reference)
        before, after = loss_of(probs, reference), loss_of(mapping.transform(probs), reference)
        say(
            f"{settings.map}: log loss {before:.3f} → {after:.3f} on the cases it was fitted to{_bound(mapping)}"
        )
        return mapping, {"log_loss": {"before": before, "fitted": after}}
    chosen: Chosen = choose_map(probs, reference, groups=groups, seed=settings.seed)
    losses = {"log_loss": chosen.losses, "standard_error": chosen.standard_error}
    if chosen.mapping is None:
        say("no map beats the probabilities as they are by a standard error: none is in force")
        return None, losses
    say(
        f"{chosen.mapping.name}: {gain_in_words(chosen, chosen.mapping.name)}{_bound(chosen.mapping)}"
    )
    return chosen.mapping, losses


def _bound(mapping: Recalibration) -> str:
    if isinstance(mapping, Temperature):
        end = "; no temperature fits best: these cases are separable or hold no signal"
        return f" (temperature {mapping.temperature:.3g}{end if mapping.at_bound else ''})"
    return ""


def _sets(
    run: Path,
    probs: Floats,
    reference: Array,
    shared: Mapping[str, Any],
    settings: RecalibrateSettings,
    say: Teller,
) -> dict[str, Any]:
    """Fit and write the prediction sets."""
    assert settings.alpha is not None
    sets = fit_conformal(
        probs,
        reference,
        alpha=settings.alpha,
        by_class=settings.by_class,
        score=settings.score,
        labels_per_case=settings.labels_per_case,
        seed=settings.seed,
    )
    low, high = coverage_range(round(min(sets.cases)), settings.alpha)
    size = sets.sets(probs).sum(axis=1).mean()
    say(
        f"prediction sets: at least {100 * (1 - settings.alpha):g} % hold the label on average; with so few calibration "
        f"cases this run's sets cover {100 * low:.0f} to {100 * high:.0f} %; {size:.2f} classes on average"
    )
    if any(np.isinf(sets.limit)):
        say("too few calibration cases for this alpha: some sets hold every class")
    content = {
        **shared,
        "sets": sets.record(),
        "coverage_range": [low, high],
        "mean_size": float(size),
    }
    write_json(run / CONFORMAL, content)
    return content


def _words(kind: str) -> str:
    return {"hard": "hard labels", "soft": "soft labels", "draws": "draws of the soft labels"}[kind]
