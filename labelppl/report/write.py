"""`write_report`: the run folder as one HTML page that needs no network and no labelppl.

One script in it sorts and filters the table of all cases; the page's own policy lets nothing else run and nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from .. import __version__
from ..export.card import CardFacts, card, shares
from ..runs import write_text
from .case_section import case_table, readings
from .check_section import check_section
from .checklist import checklist
from .cohort_section import audit_section, cohort_section
from .comparison_section import comparison_section
from .curve_section import lambda_curve, learning_curves, optimum_sentence
from .headline import headline
from .label_section import LabelSection, label_section
from .operating_section import operating_section
from .picture_section import (
    agreement_picture,
    density_pictures,
    embedding_picture,
    perplexity_of,
)
from .posterior_section import posterior_section
from .provenance import provenance
from .run_files import RunFiles, read_run
from .student_section import student_section
from .subgroup_section import subgroup_section
from .thumbnails import thumbnails

SECTION_TITLES = {
    "student": "The student on the evaluation cases",
    "beliefs": "What the label model believes",
    "measurements": "Measurements by class",
    "cohort": "Cohort and audit",
    "parameters": "The label model's parameters",
    "checks": "How the label model was checked",
    "training": "Learning curves",
    "comparison": "Comparison of methods",
    "cases": "All cases",
    "card": "Model card",
    "provenance": "Provenance",
}
"""Anchor of a section -> what the list of sections calls it."""


def write_report(run_folder: Path | str, images: Mapping[str, Path] | None = None) -> Path:
    """Write `report.html` into the run folder and return its path.

    Args:
        run_folder: A run folder. Sections whose files are missing are absent; the end of the page names the files and
            the commands that write them.
        images: Case -> image file, for the small pictures beside cases.

    Returns:
        The page.

    Raises:
        InputError: The folder is no run folder, or a file in it cannot be read.

    Examples:
        >>> write_report("no-such-run")
        Traceback (most recent call last):
        ...
        labelppl.errors.InputError: no-such-run: ...
    """
    folder = Path(run_folder)
    page = render_report(folder, images)
    target = folder / "report.html"
    write_text(target, page)
    return target


def card_facts(files: RunFiles, labels: LabelSection | None) -> CardFacts:
    """Return what the model card of this run is made from."""
    return CardFacts(
        files.classes,
        files.student,
        files.metrics,
        in_sample=labels is not None and labels.in_sample,
        distrusted=0 if labels is None else labels.distrusted,
    )


def render_report(folder: Path, images: Mapping[str, Path] | None = None) -> str:
    """Return the page for the run in `folder`; raises InputError as `write_report` does."""
    files = read_run(folder)
    seed = (files.run.get("arguments") or {}).get("seed", 0)
    labels = None if files.labels is None else label_section(files.labels, files.classes)
    student = student_section(
        files.metrics, files.predictions, files.classes, int(seed), labels=files.labels
    )
    listed = [row["id"] for row in student.errors]
    if labels is not None:
        listed += [row["id"] for row in (*labels.doubtful_rows, *labels.doubted_rows)]
    terms = None if files.explanations is None else files.explanations.frame
    parts: dict[str, Any] = {
        "student": student,
        "operating": operating_section(files.metrics, files.curves),
        "subgroups": subgroup_section(files.metrics),
        "agreed": agreement_picture(files.labels, files.predictions, files.classes),
        "mapped": embedding_picture(files),
        "labels": labels,
        "measurements": density_pictures(files.explanations),
        "cohort": cohort_section(files.cohort),
        "audit": audit_section(folder),
        "posterior": None
        if files.posterior is None
        else posterior_section(files.posterior, files.classes),
        "checked": check_section(folder, files.run),
        "curves": None if files.curve is None else learning_curves(files.curve),
        "lam": lambda_curve(files.student),
        "optimum": optimum_sentence(files.student),
        "compared": comparison_section(files.comparison),
        "table": case_table(files.labels, files.predictions, files.classes),
        "compared_alone": files.comparison is not None and not files.student and labels is None,
    }
    script = _read("report.js")
    return _template().render(
        files=files,
        head=headline(files),
        **parts,
        sections=_sections(parts),
        mapped_perplexity=0 if files.embedding is None else perplexity_of(len(files.embedding)),
        pictures={} if images is None else thumbnails(images, listed),
        readings=readings(terms, set(listed)),
        checklist=checklist(files),
        card=card(card_facts(files, labels)),
        made=provenance(files),
        style=Markup(_read("report.css")),
        script=Markup(script),
        script_digest=_digest(script),
        version=__version__,
        today=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _sections(parts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Anchor and title of every section that is there."""
    student = parts["student"]
    there = {
        "student": bool(student.rows) or student.picture is not None,
        "beliefs": parts["labels"] is not None,
        "measurements": bool(parts["measurements"]),
        "cohort": parts["cohort"] is not None or parts["audit"] is not None,
        "parameters": parts["posterior"] is not None,
        "checks": parts["checked"] is not None,
        "training": parts["curves"] is not None or parts["lam"] is not None,
        "comparison": parts["compared"] is not None,
        "cases": parts["table"] is not None,
        "card": not parts["compared_alone"],
        "provenance": True,
    }
    return [(name, title) for name, title in SECTION_TITLES.items() if there[name]]


def _read(name: str) -> str:
    return (resources.files(__package__) / name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """What the page's own policy lets run: this script and no other."""
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode()
    return f"sha256-{digest}"


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "number": _number,
        "interval": _interval,
        "size": _size,
        "shares": shares,
    }
    return environment.from_string(_read("report.html.j2"))


def _number(value: float | None, digits: int = 3) -> str:
    """A number for a reader: fixed digits, or powers of ten where those would show nothing."""
    if value is None:
        return "—"
    if value != 0 and (abs(value) < 0.5 * 10**-digits or abs(value) >= 1e5):
        return f"{value:.1e}"
    return f"{value:.{digits}f}" if abs(value) < 100 else f"{value:.1f}"


def _interval(value: Any, digits: int = 3) -> str:
    return "" if value is None else f"[{_number(value[0], digits)}, {_number(value[1], digits)}]"


def _size(count: int) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000  # type: ignore[assignment]
    return f"{count:.1f} GB"
