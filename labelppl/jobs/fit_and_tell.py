"""A fit as every command makes it: refused where ``check`` finds an error, told while it runs, its dependence told after."""

from __future__ import annotations

from typing import NamedTuple

from ..checks.predictive_dependence import check_dependence
from ..checks.static import refuse_errors
from ..model import LabelModel
from ..posterior import Posterior, fit
from ..table import Cases
from .engines import read_engine
from .telling import Teller, bar, say_warnings


class FitWithFindings(NamedTuple):
    """posterior: the fit. findings: what a check of it warns of, in words."""

    posterior: Posterior
    findings: tuple[str, ...]


def fit_and_tell(
    model: LabelModel, cases: Cases, *, engine: str, seed: int, say: Teller
) -> FitWithFindings:
    """Fit ``model`` to ``cases`` by the engine of that name or ``FILE.py:NAME``.

    A line tells when an engine starts and when it ends, also without a terminal. Raises InputError for what
    ``labelppl check`` calls an error before any engine runs.
    """
    refuse_errors(model.for_cases(cases), cases)
    with bar("fit", say) as progress, say_warnings(say):
        posterior = fit(
            model, cases, engine=read_engine(engine), seed=seed, progress=progress, say=say.stage
        )
    findings: tuple[str, ...] = ()
    if not posterior.problems:
        findings = tuple(str(finding) for finding in check_dependence(posterior, seed=seed))
    for finding in findings:
        say(finding)
    return FitWithFindings(posterior, findings)
