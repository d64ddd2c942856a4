"""What a phantom is: a population whose true p(Y|X) is known, pictures of it, and a label model.

To make one, subclass `Phantom` and write `sample`, `draw` and `model_file`. Two things keep p(Y|X)
known: `draw` sees the measurements alone, never the class, and the picture shows them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


class Phantom(ABC):
    """A simulated population of cases, what a picture of each looks like, and the model that explains them.

    Attributes:
        name: Of the phantom; the table is called `<name>.csv`, the model file `<name>.py`.
        label: The column of the class.
        cases: How many cases are simulated by default.
        size: Side of a picture by default, in pixels.

    Examples:
        >>> import numpy as np, pandas as pd, tempfile
        >>> from labelppl.phantoms import Phantom, simulate
        >>> class Spots(Phantom):
        ...     "Bright and dark spots."
        ...     name, label, cases, size = "spots", "spot", 10, 32
        ...     def sample(self, n, seed):
        ...         level = np.random.default_rng(seed).uniform(0, 255, n).round()
        ...         p = np.clip((level - 100) / 55, 0, 1)
        ...         y = np.random.default_rng(seed + 1).random(n) < p
        ...         return pd.DataFrame({
        ...             "id": [f"s{i}" for i in range(n)], "spot": np.where(y, "bright", "dark"),
        ...             "level": level, "p_true_dark": 1 - p, "p_true_bright": p})
        ...     def draw(self, case, seed, size):
        ...         noise = np.random.default_rng(seed).normal(case["level"], 5, (size, size))
        ...         return np.clip(noise, 0, 255).astype(np.uint8)
        ...     def model_file(self, misspecified):
        ...         return ("from labelppl import Label, Real\\n"
        ...                 "from labelppl.families import gaussian\\n"
        ...                 "spots = gaussian(spot=Label('dark', 'bright'), level=Real())\\n")
        >>> folder = simulate(Spots(), tempfile.mkdtemp())
        >>> sorted(path.name for path in folder.iterdir())
        ['images', 'spots.csv', 'spots.py']
    """

    name: ClassVar[str]
    label: ClassVar[str]
    cases: ClassVar[int] = 612
    size: ClassVar[int] = 128

    @abstractmethod
    def sample(self, n: int, seed: int) -> pd.DataFrame:
        """Simulate cases.

        Args:
            n: How many.
            seed: Of all random numbers; the same seed gives the same table.

        Returns:
            One row a case: `id`, the label, the measurements, and `p_true_<class>` for each class,
            the true p(Y|X), in the order of the classes.
        """

    @abstractmethod
    def draw(self, case: Mapping[str, Any], seed: int, size: int) -> Pixels:
        """Draw the picture of one case from its measurements alone.

        Args:
            case: The measurements by column.
            seed: Of whatever differs between two pictures of one case (pose, noise).
            size: Side in pixels.

        Returns:
            `(size, size)` grey or `(size, size, 3)` RGB; white is 255.
        """

    @abstractmethod
    def model_file(self, misspecified: bool) -> str:
        """The text of the label-model file that comes with the data.

        Args:
            misspecified: Write one that leaves out or misreads a measurement, so that its p(Y|Z)
                loses 5 to 10 points of accuracy however many cases it is fitted to.

        Raises:
            InputError: The phantom has no misspecified model.
        """

    @property
    def summary(self) -> str:
        """One line for the list of phantoms: the first line of its class's docstring."""
        return (type(self).__doc__ or self.name).strip().splitlines()[0]
