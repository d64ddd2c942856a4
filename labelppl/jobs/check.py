"""``check``: a model file and its table, looked at from every side, each finding with its mend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..checks.against import against
from ..checks.coverage import coverage
from ..checks.finding import Finding
from ..checks.predictive import check_prior
from ..checks.predictive_dependence import dependences, unlike
from ..checks.record import CHECK_JSON, Checked, DependentFeatures
from ..checks.sbc import sbc
from ..checks.sbc_record import Sbc
from ..checks.static import check_static
from ..errors import FailedWork
from ..posterior import Posterior, fit
from ..runs import check_folder, step
from .engines import read_engine
from .inputs import Inputs
from .telling import Teller, bar, fit_line, say_warnings

SIMULATED = ("sbc.json", "sbc.png", "coverage.json")
#: What ``check`` leaves in a run folder beside ``run.json``.
OF_A_CHECK = (CHECK_JSON, *SIMULATED)


def check_job(
    inputs: Inputs,
    folder: Path,
    *,
    engine: str,
    simulations: int,
    tables: int = 0,
    others: Sequence[Inputs] = (),
    seed: int,
    say: Teller,
) -> None:
    """Static checks, prior predictive, a fit with its posterior predictive; SBC and coverage where they were asked for.

    Writes ``check.json``, and ``sbc.json`` and ``coverage.json`` where those were asked for, which the report shows.

    simulations: of SBC, 0 for none. tables: simulated in each world of the check of coverage, 0 for none.
    others: models whose leave-one-out scores of the same cases are set beside this one's.

    Raises FailedWork if there is an error, the fit fails, or SBC does.
    """
    check_folder(folder)
    read_engine(engine)
    cases = inputs.training
    model = inputs.model.for_cases(cases)
    findings = [*check_static(model, cases)]
    usable = not any(finding.level == "error" for finding in findings)
    problems: tuple[str, ...] = ()
    pairs: tuple[DependentFeatures, ...] = ()
    if usable:
        findings += check_prior(model, cases, seed=seed)
        with bar("fit", say) as progress:
            posterior = fit(
                inputs.model,
                cases,
                engine=read_engine(engine),
                seed=seed,
                progress=progress,
                say=say.stage,
            )
        say.stage(fit_line(posterior))
        problems = posterior.problems
        pairs = dependences(posterior, seed=seed)
        findings += unlike(pairs)
    for finding in findings:
        say(str(finding))
    made = inputs.entries("check", {})
    checked = Checked(
        made["model"], made["data"], len(cases) if usable else 0, tuple(findings), pairs
    )
    problems = (*(str(f) for f in findings if f.level == "error"), *problems)
    arguments = {"engine": engine, "simulations": simulations, "coverage": tables, "seed": seed}
    with step(folder, "check", arguments, say.command_line):
        _remove_others(checked, folder, say)
        checked.save(folder / CHECK_JSON)
        if usable and simulations:
            result = _calibration(inputs, folder, engine, simulations, seed, say)
            problems = (*problems, *result.problems)
        if usable and tables:
            findings += _coverage(inputs, folder, engine, tables, seed, say)
            replace(checked, findings=tuple(findings)).save(folder / CHECK_JSON)
    if usable and others:
        _against(inputs, posterior, others, engine, seed, say)
    if problems:
        raise FailedWork(f"model '{inputs.model.name}' failed its check: {problems[0]}")
    say(f"model '{inputs.model.name}' and {cases.path}: {len(cases)} cases, {_verdict(findings)}")


def _remove_others(checked: Checked, folder: Path, say: Teller) -> None:
    """Remove what an earlier check simulated from another model file or table."""
    if not (folder / CHECK_JSON).is_file() or Checked.load(folder / CHECK_JSON).is_of(
        vars(checked)
    ):
        return
    for path in (folder / name for name in SIMULATED):
        if path.is_file():
            path.unlink()
            say(f"note: {path} was made with another model file or table and is removed")


def _calibration(
    inputs: Inputs, folder: Path, engine: str, simulations: int, seed: int, say: Teller
) -> Sbc:
    with bar("sbc", say) as progress:
        result = sbc(
            inputs.model,
            inputs.training,
            simulations=simulations,
            engine=read_engine(engine),
            seed=seed,
            progress=progress,
        )
    result.save(folder / "sbc.json")
    result.plot(folder / "sbc.png")
    verdict = "passed" if result.passed else "FAILED"
    outcome = "; ".join(result.problems) or result.detectable
    say(f"calibration over {simulations} simulations {verdict}: {outcome} ({folder / 'sbc.png'})")
    return result


def _coverage(
    inputs: Inputs, folder: Path, engine: str, tables: int, seed: int, say: Teller
) -> tuple[Finding, ...]:
    with bar("coverage", say) as progress:
        result = coverage(
            inputs.model,
            inputs.training,
            simulations=tables,
            engine=read_engine(engine),
            seed=seed,
            progress=progress,
        )
    result.save(folder / "coverage.json")
    for row in result.to_frame().to_dict("records"):
        say(
            f"coverage of 90 % intervals, {row['world']}: {row['coverage']:.2f} ± {row['se']:.2f}, mean width "
            f"{row['width']:.2f} ({row['simulations']} tables)"
        )
    for finding in result.findings:
        say(str(finding))
    return result.findings


def _against(
    inputs: Inputs,
    posterior: Posterior,
    others: Sequence[Inputs],
    engine: str,
    seed: int,
    say: Teller,
) -> None:
    """One line per model, the best told last; every model is fitted to the training cases alone."""
    posteriors = {Path(inputs.model_name).stem: posterior}
    for other in others:
        name = Path(other.model_name).stem
        name = name if name not in posteriors else other.model_name
        posteriors[name] = fit(
            other.model, other.training, engine=read_engine(engine), seed=seed, say=say.stage
        )
    with say_warnings(say):
        scores = against(posteriors)
    for line in scores.lines():
        say(line)
    say(f"highest leave-one-out log score: {scores.best}")


def _verdict(findings: list[Finding]) -> str:
    warnings = sum(finding.level == "warning" for finding in findings)
    return (
        "nothing to mend"
        if not warnings
        else f"{warnings} warning{'s' if warnings > 1 else ''} above"
    )
