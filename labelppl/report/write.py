"""`write_report`: the run folder as one HTML page that needs no network, no scripts and no labelppl."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

from .. import __version__
from ..export.card import CardFacts, card, shares
from ..runs import write_text
from .curve_section import learning_curves
from .headline import headline
from .label_section import LabelSection, label_section
from .operating_section import operating_section
from .posterior_section import posterior_section
from .provenance import provenance
from .run_files import RunFiles, read_run
from .student_section import student_section
from .subgroup_section import subgroup_section


def write_report(run_folder: Path | str) -> Path:
    """Write `report.html` into the run folder.

    Made from the files that are there; a section whose file is missing says which command writes it.

    Args:
        run_folder: The folder of a run.

    Returns:
        The path of the page.

    Raises:
        InputError: Where the folder is no run folder or a file in it cannot be read.

    Examples:
        >>> write_report("no-such-run")
        Traceback (most recent call last):
        ...
        labelppl.errors.InputError: no-such-run: ...
    """
    folder = Path(run_folder)
    page = render_report(folder)
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


def render_report(folder: Path) -> str:
    """Return the page for the run in `folder`; raises InputError as `write_report` does."""
    files = read_run(folder)
    seed = (files.run.get("arguments") or {}).get("seed", 0)
    labels = None if files.labels is None else label_section(files.labels, files.classes)
    return _template().render(
        files=files,
        head=headline(files),
        labels=labels,
        student=student_section(files.metrics, files.predictions, files.classes, int(seed)),
        operating=operating_section(files.metrics, files.curves),
        subgroups=subgroup_section(files.metrics),
        curves=None if files.curve is None else learning_curves(files.curve),
        posterior=None if files.posterior is None else posterior_section(files.posterior),
        card=card(card_facts(files, labels)),
        made=provenance(files),
        version=__version__,
        today=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


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
    text = (resources.files(__package__) / "report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(text)


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
