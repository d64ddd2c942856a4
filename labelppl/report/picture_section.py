"""Pictures that need several files: agreement with the soft labels, densities, the map of images."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from markupsafe import Markup

from ..plots.embedding import embedding
from ..plots.evaluation import student_against_labels
from ..plots.measurements import densities
from ..softlabels.explanations import Explanations
from .run_files import RunFiles
from .svg import svg_of

FEWEST_DOTS = 3
PERPLEXITY = 30.0


def perplexity_of(images: int) -> float:
    """Return the perplexity of t-SNE for so many images: 30, or what few images allow."""
    return min(PERPLEXITY, round((images - 1) / 3, 1))


def agreement_picture(
    labels: pd.DataFrame | None, predictions: pd.DataFrame | None, classes: tuple[str, ...]
) -> Markup | None:
    """Return student against label model over the evaluation cases, None where few have both."""
    if labels is None or predictions is None:
        return None
    columns = [f"p_{name}" for name in classes]
    both = predictions.assign(id=predictions["id"].astype(str)).merge(
        labels.assign(id=labels["id"].astype(str))[["id", *columns]],
        on="id",
        suffixes=("", "_soft"),
    )
    if len(both) < FEWEST_DOTS:
        return None
    believed = both[[f"{column}_soft" for column in columns]].to_numpy(dtype=np.float64)
    student = both[columns].to_numpy(dtype=np.float64)
    codes = np.asarray(pd.Index(classes).get_indexer(pd.Index(both["label"])))
    return svg_of(
        (4.4, 4.2),
        "Probabilities of the student against those of the label model",
        partial(
            student_against_labels, believed=believed, student=student, codes=codes, classes=classes
        ),
    )


def density_pictures(explanations: Explanations | None) -> tuple[Markup, ...]:
    """Return one picture per measurement."""
    if explanations is None:
        return ()
    return tuple(
        svg_of(
            (4.6, 2.7),
            f"Densities of {one['feature']} by class over what was measured",
            partial(densities, measurement=one),
        )
        for one in explanations.densities
    )


def embedding_picture(files: RunFiles) -> Markup | None:
    """Return the map of images, coloured by the soft label or else by the student's probability."""
    if files.embedding is None or len(files.embedding) < FEWEST_DOTS:
        return None
    binary = len(files.classes) == 2
    for table, whose in ((files.labels, "label model"), (files.predictions, "student")):
        if table is None:
            continue
        probs = table[[f"p_{name}" for name in files.classes]].to_numpy(dtype=np.float64)
        values = dict(
            zip(table["id"].astype(str), probs[:, 1] if binary else probs.max(axis=1), strict=True)
        )
        known = files.embedding[files.embedding["id"].astype(str).isin(set(values))]
        if len(known) < FEWEST_DOTS:
            continue
        of = files.classes[1] if binary else "the likeliest class"
        return svg_of(
            (6.4, 4.6),
            f"Images as the student sees them, coloured by the probability of {of}",
            partial(
                embedding,
                places=known[["x", "y"]].to_numpy(dtype=np.float64),
                values=np.array([values[case] for case in known["id"].astype(str)]),
                name=f"p({of}), {whose}",
            ),
        )
    return None
