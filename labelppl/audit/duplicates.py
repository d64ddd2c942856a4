"""Images that are the same, or nearly so, on two sides of a split: such a test case is no test.

Every image is reduced to a small grey picture, shifted to mean 0 and scaled to length 1. Two images are near duplicates
where these pictures correlate above `NEAR`: that survives another file format, resizing, recompression, and changes of
brightness and contrast; it does not survive a turn, a mirror or a crop. Identical files are found by their digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from ..arrays import Array, Floats
from ..errors import InputError
from ..images.decode import decode

#: Side of the small picture, in pixels.
SIDE = 48
#: Correlation of two small pictures above which they are near duplicates.
NEAR = 0.98
#: Rows of one product of small pictures with all others.
PAIR_ROWS = 1024


@dataclass(frozen=True)
class Duplicates:
    """Pairs of images that are the same or nearly so.

    Attributes:
        frame: ``id``, ``other``, their ``split`` and ``other_split``, ``same_file``, ``correlation``, and ``across``: whether
            the two are on different sides of a split.
        unreadable: ids whose image could not be decoded, with the reason.

    Examples:
        >>> near_duplicates([], [], np.array([])).to_frame().empty
        True
    """

    frame: pd.DataFrame
    unreadable: tuple[tuple[str, str], ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """One row per pair, those across splits first."""
        return self.frame


def small_picture(path: Path) -> Floats:
    """The image as a grey picture of `SIDE` x `SIDE` pixels, flattened, with mean 0 and length 1; zeros if it is flat."""
    pixels = np.asarray(decode(path), dtype=np.float32)
    grey = pixels if pixels.ndim == 2 else pixels.mean(-1)
    small = np.asarray(
        Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BOX), dtype=np.float64
    ).ravel()
    small = small - small.mean()
    length = float(np.linalg.norm(small))
    return small / length if length > 0 else small


def near_duplicates(
    ids: Sequence[str], paths: Sequence[Path], split: Array, groups: Array | None = None
) -> Duplicates:
    """Find pairs of images that are the same or nearly so.

    Pairs of one group on one side of a split are left out: two pictures of one patient may well look alike.

    Args:
        ids: (cases,) names.
        paths: (cases,) image files.
        split: (cases,) train, val or test.
        groups: (cases,) patients, or None.

    Returns:
        The pairs, those across splits first.

    Examples:
        >>> import tempfile
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
        >>> Image.fromarray(noise).save(folder / "a.png")
        >>> Image.fromarray(noise // 2 + 60).save(folder / "b.png")  # darker and with less contrast
        >>> paths = [folder / "a.png", folder / "b.png"]
        >>> pairs = near_duplicates(["a", "b"], paths, np.array(["train", "test"])).to_frame()
        >>> pairs[["id", "other", "across"]].values.tolist()
        [['a', 'b', True]]
    """
    small = np.zeros((len(paths), SIDE * SIDE), dtype=np.float32)
    digest = np.empty(len(paths), dtype=object)
    unreadable = []
    for i, path in enumerate(paths):
        try:
            small[i] = small_picture(path)
            digest[i] = hashlib.sha256(path.read_bytes()).hexdigest()
        except (InputError, OSError) as error:
            digest[i] = f"unreadable {i}"
            unreadable.append((str(ids[i]), str(error)))
    pairs = []
    for first in range(0, len(paths), PAIR_ROWS):
        product = small[first : first + PAIR_ROWS] @ small.T
        for a, b in np.argwhere(product > NEAR):
            one, other = first + int(a), int(b)
            if other > one and (
                split[one] != split[other] or groups is None or groups[one] != groups[other]
            ):
                pairs.append((one, other, min(1.0, float(product[a, b]))))
    frame = pd.DataFrame(
        {
            "id": [str(ids[i]) for i, _, _ in pairs],
            "other": [str(ids[j]) for _, j, _ in pairs],
            "split": [str(split[i]) for i, _, _ in pairs],
            "other_split": [str(split[j]) for _, j, _ in pairs],
            "same_file": [bool(digest[i] == digest[j]) for i, j, _ in pairs],
            "correlation": [r for _, _, r in pairs],
        }
    )
    frame["across"] = frame["split"] != frame["other_split"]
    order = np.lexsort(
        (-frame["correlation"].to_numpy(dtype=float), ~frame["across"].to_numpy(dtype=bool))
    )
    return Duplicates(frame.iloc[order].reset_index(drop=True), tuple(unreadable))
