"""Bright and dark squares: a table of cases with images that a small student learns in seconds."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from labelppl.distillation import few
from labelppl.softlabels import SoftLabels
from labelppl.table import Cases

CLASSES = ("dark", "bright")


def soft_labels_of(cases: Cases, probs: np.ndarray) -> SoftLabels:
    """A record of soft labels with the given means and a little spread."""
    n, k = probs.shape
    draws = np.stack([probs, 0.9 * probs + 0.1 / k])
    some = np.full((n, k), 0.1)
    return SoftLabels(
        ids=cases.ids,
        classes=cases.classes,
        labels=cases.labels,
        probs=probs,
        sd=some,
        lo=some,
        hi=some,
        entropy=some[:, 0],
        aleatoric=some[:, 0],
        epistemic=some[:, 0],
        concentration=some[:, 0],
        mean_log=np.log(draws).mean(0),
        source=np.full(n, "new"),
        khat=np.full(n, np.nan),
        draws=draws,
    )


@pytest.fixture(scope="module", autouse=True)
def _enough_validation():
    """The squares' few validation cases choose here, as a hundred would: what fewer do is tested with `distill`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(few, "FEWEST_VALIDATION", 1)
        yield


@pytest.fixture(scope="session")
def cases(tmp_path_factory) -> Cases:
    """Forty-eight cases in 24 groups; brightness decides the class up to noise."""
    folder = tmp_path_factory.mktemp("squares")
    rng = np.random.default_rng(0)
    n = 48
    p = 1 / (1 + np.exp(-3 * rng.standard_normal(n)))
    labels = (rng.random(n) < p).astype(np.int64)
    paths = []
    for i in range(n):
        pixels = 60 + 120 * p[i] + 10 * rng.standard_normal((32, 32))
        paths.append(folder / f"{i}.png")
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(paths[-1])
    return Cases(
        ids=np.array([f"c{i}" for i in range(n)]),
        classes=CLASSES,
        labels=labels,
        columns={},
        split=np.where(np.arange(n) // 2 % 3 == 0, "test", "train"),
        images=tuple(paths),
        groups=np.array([f"g{i // 2}" for i in range(n)]),
        p_true=np.column_stack([1 - p, p]),
        split_given=True,
    )


@pytest.fixture
def label() -> Callable[[Cases], SoftLabels]:
    """The label model of the squares: the truth, a little softened."""

    def made(cases: Cases) -> SoftLabels:
        return soft_labels_of(cases, 0.95 * cases.p_true + 0.025)

    return made
