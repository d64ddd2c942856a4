"""``audit``: which labels are doubted and why, what leaks between splits, what the cohort is; no model file is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..audit import Doubts, doubts, explain, near_duplicates
from ..audit.duplicates import Duplicates
from ..audit.ranking import DOUBT_COLUMNS
from ..case_images import CaseImages, has_several, image_counts, paths_of_all
from ..runs import check_file, read_run_json, step, verify
from ..runs.csv_files import write_csv
from ..softlabels import SoftLabels
from ..softlabels.explanations import Explanations
from ..table import Cases
from .inputs import cases_without_model
from .telling import Teller

#: Doubted labels that are told on the terminal; all are in ``audit.csv``.
TOLD = 5


def audit_job(run: Path, *, out: Path | None, images: bool, say: Teller) -> Doubts:
    """Rank the doubted labels, look for duplicate images, count the cohort.

    Writes ``audit.csv``, ``cohort.csv`` and, where there are images, ``duplicates.csv``.
    """
    made = read_run_json(run)
    if out is not None:
        check_file(out, suffixes=(".csv",), inputs=(made.data, made.model), columns=DOUBT_COLUMNS)
    labels = SoftLabels.load(verify(run, "labels.parquet"))
    explanations = Explanations.load(verify(run, "explain.parquet"))
    cases = cases_without_model(run)
    with step(
        run, "audit", {"out": None if out is None else str(out), "images": images}, say.command_line
    ):
        result = doubts(labels, explanations)
        result.save(out or run / "audit.csv")
        if explanations.cohort is not None:
            write_csv(run / "cohort.csv", explanations.cohort)
        ranked = result.frame
        say(f"{len(result)} of {len(ranked)} labels are doubted; all in {out or run / 'audit.csv'}")
        for _, row in ranked[ranked["doubted"]].head(TOLD).iterrows():
            say(
                f"  {row['id']}: labelled {row['label']}, p {row['p_label']:.3f} "
                f"[{row['lo_label']:.3f}, {row['hi_label']:.3f}]; {row['reason']}"
            )
        untrusted = int((~ranked["trusted"]).sum())
        if untrusted:
            say(f"{untrusted} labels cannot be trusted without a refit (column 'trusted')")
        if images and cases.images is not None:
            pairs = _near_duplicates(cases, cases.images)
            write_csv(run / "duplicates.csv", pairs.frame)
            across = int(pairs.frame["across"].sum())
            say(
                f"{len(pairs.frame)} pairs of near-duplicate images, {across} of them across splits"
                + (f": {run / 'duplicates.csv'}" if len(pairs.frame) else "")
            )
            for name, reason in pairs.unreadable:
                say(f"warning: image of {name} was not compared: {reason}")
    return result


def _near_duplicates(cases: Cases, images: Sequence[CaseImages]) -> Duplicates:
    """Pairs of images that look alike, those of one case and side left out."""
    counts = image_counts(images)
    ids = np.repeat([str(name) for name in cases.ids], counts)
    groups = None if cases.groups is None else np.repeat(cases.groups, counts)
    if groups is None and has_several(images):
        groups = ids
    return near_duplicates(
        ids.tolist(), paths_of_all(images), np.repeat(cases.split, counts), groups
    )


def explain_job(run: Path, case: str, *, say: Teller) -> None:
    """Say why the soft label of one case says what it says."""
    explanations = Explanations.load(verify(run, "explain.parquet"))
    rows = explanations.of_case(case)
    total = float(rows["log_odds"].sum())
    first = rows.iloc[0]
    say(f"{case}: {first['class']} rather than {first['against']}, log-odds {total:.3f} nats")
    for sentence in explain(explanations, case):
        say(f"  {sentence}")
