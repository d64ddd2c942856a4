"""Write a phantom data set: a table, its pictures, and the model file that explains them.

The folder is built beside its destination and moved there when complete, so that an interrupted
simulation leaves nothing that looks like a data set.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import InputError
from ..runs import new_folder
from .hip import HipPopulation
from .hip_image import render

#: As many as a file system takes in one folder without pain, and sides that no picture of a patient exceeds.
MOST_CASES, LARGEST_SIZE = 10_000_000, 8192


def simulate_hip(
    out: Path,
    cases: int = 612,
    seed: int = 0,
    size: int = 128,
    model_file: Path | None = None,
    population: HipPopulation | None = None,
    test: int | None = None,
) -> Path:
    """Simulate `cases` infant hips into the folder `out` and return it.

    Writes `hip.csv` (id, image, split, diagnosis, alpha in degrees, coverage, p_true_normal,
    p_true_dysplastic), `images/<id>.png` of `size` × `size` pixels and, where `model_file` is
    given, a copy of it as `hip.py`. `test` of the cases become the test split, by default 30 %,
    rounded down but at least one (183 of 612), the others `train`, by `seed`. The same seed writes
    the same bytes.

    Raises InputError for fewer than 2 cases, no training or test case, a negative seed, a size below 32, a missing model
    file, and an `out` that exists and is not an empty folder or that cannot be created.
    """
    out = Path(out).resolve()
    if not 2 <= cases <= MOST_CASES:
        raise InputError(
            f"cases: got {cases}, expected from 2, one to train on and one to test on, to {MOST_CASES}"
        )
    test = _usual_test(cases) if test is None else test
    if not 1 <= test < cases:
        raise InputError(f"test: got {test}, expected from 1 to {cases - 1} of {cases} cases")
    if seed < 0:
        raise InputError(f"seed: got {seed}, expected a whole number of at least 0")
    if not 32 <= size <= LARGEST_SIZE:
        raise InputError(f"size: got {size}, expected from 32 to {LARGEST_SIZE} pixels")
    if model_file is not None and not Path(model_file).is_file():
        raise InputError(f"{model_file}: no such file; name the model file to copy beside the data")

    with new_folder(out) as part:
        (part / "images").mkdir()
        _write(part, cases, test, seed, size, population or HipPopulation())
        if model_file is not None:
            shutil.copyfile(model_file, part / "hip.py")
    return out


def _write(
    folder: Path, cases: int, test: int, seed: int, size: int, population: HipPopulation
) -> None:
    """The table and the pictures; one seed each for measurements, split and every picture."""
    measured, divided, *drawn = (
        int(word) for word in np.random.SeedSequence(seed).generate_state(2 + cases, np.uint64)
    )
    table = population.sample(cases, measured)
    table.insert(1, "image", [f"images/{name}.png" for name in table["id"]])
    table.insert(2, "split", _split(cases, test, divided))
    for path, alpha, coverage, picture in zip(
        table["image"], table["alpha"], table["coverage"], drawn, strict=True
    ):
        Image.fromarray(render(alpha, coverage, picture, size)).save(folder / path)
    table.to_csv(folder / "hip.csv", index=False, lineterminator="\n")


def _usual_test(cases: int) -> int:
    return max(1, 3 * cases // 10)


def _split(cases: int, test: int, seed: int) -> NDArray[np.str_]:
    return np.where(np.random.default_rng(seed).permutation(cases) < test, "test", "train")
