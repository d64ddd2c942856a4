"""Pictures of every phantom for docs/phantoms.md: six cases, those whose p(Y|X) is clearest and least clear.

python benchmarks/phantom_sheets.py docs/pictures
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from labelppl.phantoms import PHANTOMS, find_phantom

SIDE, GAP, SHOWN = 128, 4, 6


def sheet(name: str) -> Image.Image:
    """Six of 60 cases of seed 0, in the order of their p(Y|X) of the first class."""
    phantom = find_phantom(name)
    table = phantom.sample(60, 0)
    truths = [column for column in table if str(column).startswith("p_true_")]
    order = table[truths[0]].to_numpy().argsort(kind="stable")[::-1]
    strip = Image.new("RGB", (SHOWN * (SIDE + GAP) - GAP, SIDE), "white")
    for place, row in enumerate(order[np.linspace(0, 59, SHOWN).astype(int)]):
        picture = Image.fromarray(phantom.draw(table.iloc[row].to_dict(), int(row), SIDE))
        strip.paste(picture.convert("RGB"), (place * (SIDE + GAP), 0))
    return strip


if __name__ == "__main__":
    for phantom_name in PHANTOMS:
        sheet(phantom_name).save(Path(sys.argv[1]) / f"phantom-{phantom_name}.png", optimize=True)
