"""How the label model was checked: what `labelppl check` stored in the run folder. Nothing is simulated here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from ..checks.finding import Finding
from ..checks.record import CHECK_JSON, Checked, DependentFeatures
from ..checks.sbc_figure import figure_of
from ..checks.sbc_record import Sbc
from ..errors import InputError
from ..plots.checks import pair_dependence
from ..plots.style import house_style
from .svg import svg_of, to_svg

SBC, COVERAGE = "sbc.json", "coverage.json"
DRAWN_PAIRS = 15
"""Pairs of measurements that are drawn, those that the model reproduces least first."""
MOST_PANELS = 40
"""Of the picture of the simulation-based calibration; with more quantities sbc.png alone shows them."""
SURE = 2.0
"""Standard errors by which a coverage must miss its level to be marked."""
COVERAGE_LEVEL = 0.9


class CoverageRow(NamedTuple):
    """One row of the check of coverage: the share of truths inside 90 % intervals, with its standard error."""

    name: str
    share: float
    error: float
    width: float
    tables: int
    low: bool


class Calibration(NamedTuple):
    """The simulation-based calibration: a sentence, what is wrong, and the picture, None with too many panels."""

    sentence: str
    problems: tuple[str, ...]
    picture: Markup | None


class CheckSection(NamedTuple):
    """What stands in the section. stale: the check was of another model file or table, and nothing else is shown."""

    stale: bool
    sentence: str = ""
    findings: tuple[Finding, ...] = ()
    pairs: Markup | None = None
    pairs_caption: str = ""
    sbc: Calibration | None = None
    worlds: tuple[CoverageRow, ...] = ()


def check_section(folder: Path, run: dict[str, Any]) -> CheckSection | None:
    """Return the section for a run folder and its `run.json`, None where `labelppl check` was not run.

    Raises InputError for a file that is not what `labelppl check` writes.
    """
    if not (folder / CHECK_JSON).is_file():
        return None
    checked = Checked.load(folder / CHECK_JSON)
    if run.get("model") and not checked.is_of(run):
        return CheckSection(stale=True)
    picture, caption = _pairs(checked.pairs)
    return CheckSection(
        False,
        _sentence(checked),
        checked.findings,
        picture,
        caption,
        _calibration(Sbc.load(folder / SBC)) if (folder / SBC).is_file() else None,
        _worlds(folder / COVERAGE) if (folder / COVERAGE).is_file() else (),
    )


def _sentence(checked: Checked) -> str:
    if not checked.cases:
        return "The model file was read and could not be fitted."
    said = f"The model file, its priors and a fit to {checked.cases} cases were looked at"
    count = len(checked.findings)
    return f"{said}: {'nothing to mend' if not count else f'{count} to know about'}."


def _pairs(pairs: tuple[DependentFeatures, ...]) -> tuple[Markup | None, str]:
    if not pairs:
        return None, ""
    shown = sorted(pairs, key=lambda pair: (pair.p, -abs(pair.r)))[:DRAWN_PAIRS]
    unlike = sum(not pair.as_expected for pair in pairs)
    caption = (
        "Dot: how two measurements of the same class go together in the table. Bar: 99 % of what the fitted model "
        f"expects. {unlike} of {len(pairs)} lie outside; one in a hundred would by chance."
    )
    if len(shown) < len(pairs):
        caption += f" The {len(shown)} that fit worst are shown."
    picture = svg_of(
        (6.4, 0.9 + 0.32 * len(shown)),
        "Rank correlations within a class, measured and expected by the fitted model",
        lambda axes: pair_dependence(axes, shown),
    )
    return picture, caption


def _calibration(sbc: Sbc) -> Calibration:
    said = f"{len(sbc.ranks)} data sets were simulated from the model and fitted"
    said += "" if sbc.engine == "auto" else f" by {sbc.engine}"
    said += f" ({len(sbc.refused)} more could not be fitted)" if sbc.refused else ""
    outcome = f"{sbc.detectable}." if sbc.passed else "something is wrong."
    picture = None
    if 0 < len(sbc.quantities) <= MOST_PANELS:
        with house_style():
            picture = to_svg(figure_of(sbc, 9.4), "Simulation-based calibration of every parameter")
    return Calibration(f"{said}: {outcome}", sbc.problems, picture)


def _worlds(path: Path) -> tuple[CoverageRow, ...]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["worlds"]
        return tuple(
            CoverageRow(
                str(row["world"]),
                float(row["coverage"]),
                float(row["se"]),
                float(row["width"]),
                int(row["simulations"]),
                row["coverage"] + SURE * row["se"] < COVERAGE_LEVEL,
            )
            for row in rows
            if row["simulations"]
        )
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{path}: not a record of coverage; run labelppl check --coverage again"
        ) from None
