"""``embedding.parquet``: where images lie for the student, t-SNE of what enters its last layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..case_images import paths_of
from ..errors import InputError
from ..report.picture_section import perplexity_of
from ..report.run_files import EMBEDDING
from ..runs import write_atomically
from ..students.load import load_student
from ..students.weight_posterior import last_linear
from ..table import Cases
from .own_student import own_network

MOST_IMAGES = 2000
"""t-SNE of more takes minutes and shows no more."""
FEWEST_IMAGES = 12
PLACED_AT_ONCE = 64


def write_embedding(run: Path, cases: Cases, seed: int) -> str | None:
    """Write the places (id, x, y) of the run's images, test cases first.

    Returns the reason where there is nothing to place.
    """
    if cases.images is None:
        return "the table has no images"
    try:
        network = own_network(run, None)
        student = load_student(run, network=network)
    except InputError as error:
        return str(error)
    if last_linear(student.network) is None:
        return "the student's last layer is not linear"
    order = np.argsort(np.asarray(cases.split) != "test", kind="stable")[:MOST_IMAGES]
    rows = [int(i) for i in order if all(path.is_file() for path in paths_of(cases.images[i]))]
    if len(rows) < FEWEST_IMAGES:
        return f"only {len(rows)} images are at hand"
    features = student.features([cases.images[i] for i in rows], batch=PLACED_AT_ONCE)
    places = _places(features, seed)
    frame = pd.DataFrame(
        {"id": [str(cases.ids[i]) for i in rows], "x": places[:, 0], "y": places[:, 1]}
    )
    write_atomically(run / EMBEDDING, lambda path: frame.to_parquet(path, index=False))
    return None


def _places(features: np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
    """t-SNE of (images, inputs) standardised features, (images, 2)."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    spread = features.std(axis=0)
    kept = features[:, spread > 0] / spread[spread > 0]
    if kept.shape[1] < 2:
        return np.zeros((len(features), 2))
    tsne = TSNE(perplexity=perplexity_of(len(kept)), random_state=seed, init="pca")
    with threadpool_limits(
        1
    ):  # its threads wait for each other a thousand times; with few images that is all they do
        return np.asarray(tsne.fit_transform(kept - kept.mean(axis=0)))
