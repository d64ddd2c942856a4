"""Write a phantom data set: a table, its pictures, and the model file that explains them."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from ..errors import InputError
from ..python_files import load_object, names_object
from ..runs import new_folder
from .ellipses import Ellipses
from .glaucoma import Glaucoma
from .hip import HipPopulation
from .liver import Liver
from .organs import Organs
from .phantom import Phantom, Pixels

PHANTOMS: dict[str, type[Phantom]] = {
    "hip": HipPopulation,
    "liver": Liver,
    "glaucoma": Glaucoma,
    "ellipses": Ellipses,
    "organs": Organs,
}
"""Name -> phantom, in the order of the list."""

SMALLEST, LARGEST = 32, 8192
MOST_CASES = 10_000_000
"""As many as a file system takes in one folder without pain; sides of pictures of a patient."""


def find_phantom(name: str, **options: int) -> Phantom:
    """Find the phantom that a name, or `FILE.py:NAME`, stands for.

    Args:
        name: One of `PHANTOMS`, or a `Phantom` of the user's own: its class, or an instance.
        options: Arguments of its class, such as `classes` of `organs`.

    Returns:
        The phantom.

    Raises:
        InputError: An unknown name, an option that the phantom does not have, or no `Phantom`.

    Examples:
        >>> find_phantom("organs", classes=30).label
        'organ'
    """
    if names_object(name):
        own = load_object(name)
    elif name in PHANTOMS:
        own = PHANTOMS[name]
    else:
        raise InputError(
            f"phantom '{name}': expected one of {', '.join(PHANTOMS)}, or FILE.py:NAME for your own"
        )
    if isinstance(own, type) and issubclass(own, Phantom):
        return _make(name, own, options)
    if not isinstance(own, Phantom):
        raise InputError(
            f"phantom '{name}': got {type(own).__name__}, expected a subclass of "
            "labelppl.phantoms.Phantom, or an instance of one"
        )
    return _make(name, lambda: own, options)


def _make(name: str, kind: Callable[..., Phantom], options: dict[str, int]) -> Phantom:
    known = signature(kind).parameters
    for option in options:
        if option not in known:
            raise InputError(f"phantom '{name}': has no option '{option}'; leave it out")
    return kind(**options)


def simulate(
    phantom: Phantom | str,
    out: Path | str,
    *,
    cases: int | None = None,
    seed: int = 0,
    size: int | None = None,
    test: int | None = None,
    misspecified: bool = False,
) -> Path:
    """Simulate a data set whose true p(Y|X) is known.

    Args:
        phantom: A name (hip, liver, glaucoma, ellipses, organs), `FILE.py:NAME`, or a `Phantom`.
        out: The folder to make, or an empty one to fill.
        cases: How many; the phantom's own number by default.
        seed: The same seed writes the same bytes.
        size: Side of a picture in pixels, 32 to 8192; the phantom's own by default.
        test: How many cases become the test split, by default 30 %, rounded down but at least one.
        misspecified: Write a label model that leaves out a measurement, so that its p(Y|Z) loses
            5 to 10 points of accuracy however many cases it is fitted to.

    Returns:
        The folder. In it `NAME.csv` (`id`, `image`, `split`, the label, the measurements and
        `p_true_<class>`), the label model `NAME.py`, and `images/<id>.png`.

    Raises:
        InputError: An argument is out of its range, `out` is not an empty folder or cannot be
            made, or the phantom's own table or picture is not as `Phantom` says.

    Examples:
        >>> import tempfile
        >>> from labelppl.phantoms import simulate
        >>> folder = simulate("liver", tempfile.mkdtemp(), cases=4, size=32)
        >>> sorted(path.name for path in folder.iterdir())
        ['images', 'liver.csv', 'liver.py']
    """
    chosen = find_phantom(phantom) if isinstance(phantom, str) else phantom
    if not isinstance(chosen, Phantom):
        raise InputError(
            f"phantom: got {type(chosen).__name__}, expected a name or a labelppl.phantoms.Phantom"
        )
    folder = Path(out)
    cases = chosen.cases if cases is None else cases
    size = chosen.size if size is None else size
    test = _usual_test(cases) if test is None else test
    _check(cases, test, seed, size)
    model = chosen.model_file(misspecified)

    with new_folder(folder) as part:
        (part / "images").mkdir()
        _write(part, chosen, cases, test, seed, size)
        (part / f"{chosen.name}.py").write_text(model, encoding="utf-8")
    return folder.resolve()


def _check(cases: int, test: int, seed: int, size: int) -> None:
    if not 2 <= cases <= MOST_CASES:
        raise InputError(
            f"cases: got {cases}, expected from 2 (one to train on, one to test on) to {MOST_CASES}"
        )
    if not 1 <= test < cases:
        raise InputError(f"test: got {test}, expected from 1 to {cases - 1} of {cases} cases")
    if seed < 0:
        raise InputError(f"seed: got {seed}, expected a whole number of at least 0")
    if not SMALLEST <= size <= LARGEST:
        raise InputError(f"size: got {size}, expected from {SMALLEST} to {LARGEST} pixels")


def _write(folder: Path, phantom: Phantom, cases: int, test: int, seed: int, size: int) -> None:
    """The table and the pictures; one seed each for measurements, split and every picture."""
    measured, divided, *drawn = (
        int(word) for word in np.random.SeedSequence(seed).generate_state(2 + cases, np.uint64)
    )
    table = phantom.sample(cases, measured)
    _check_table(phantom, table, cases)
    table.insert(1, "image", [f"images/{name}.png" for name in table["id"]])
    table.insert(2, "split", _split(cases, test, divided))
    names = [str(name) for name in table.columns]
    for values, picture in zip(table.itertuples(index=False, name=None), drawn, strict=True):
        case = dict(zip(names, values, strict=True))
        pixels = phantom.draw(case, picture, size)
        _check_picture(phantom, pixels, size)
        Image.fromarray(pixels).save(folder / case["image"])
    table.to_csv(folder / f"{phantom.name}.csv", index=False, lineterminator="\n")


def _check_table(phantom: Phantom, table: pd.DataFrame, cases: int) -> None:
    """What `Phantom.sample` promises; it may be of a user's own."""
    truths = [name for name in table.columns if str(name).startswith("p_true_")]
    missing = [name for name in ("id", phantom.label) if name not in table.columns]
    if missing or not truths:
        raise InputError(
            f"phantom '{phantom.name}': its table has no column {(*missing, 'p_true_<class>')[0]!r}"
        )
    if len(table) != cases or table["id"].duplicated().any():
        raise InputError(
            f"phantom '{phantom.name}': got {table['id'].nunique()} cases of one id each, "
            f"expected {cases}"
        )
    if not np.allclose(table[truths].to_numpy(np.float64).sum(1), 1, atol=1e-6):
        raise InputError(f"phantom '{phantom.name}': its columns p_true_<class> do not sum to 1")


def _check_picture(phantom: Phantom, pixels: Pixels, size: int) -> None:
    if pixels.dtype != np.uint8 or pixels.shape not in ((size, size), (size, size, 3)):
        raise InputError(
            f"phantom '{phantom.name}': got a picture of {pixels.dtype} and shape {pixels.shape}, "
            f"expected uint8 and ({size}, {size}) or ({size}, {size}, 3)"
        )


def _usual_test(cases: int) -> int:
    return max(1, 3 * cases // 10)


def _split(cases: int, test: int, seed: int) -> NDArray[np.str_]:
    return np.where(np.random.default_rng(seed).permutation(cases) < test, "test", "train")
