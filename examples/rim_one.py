"""RIM-ONE r3 (the reader's own copy) as a table of measured cup-to-disc ratios, and the first paper's comparison on it.

    python examples/rim_one.py --data "RIM-ONE r3" --out rim
    labelppl compare --model glaucoma --data rim/rim_one.csv --methods hard,paper-soft,prob,reg --image-size 128 --out rim/compare

The database (Fumero et al. 2015; 85 healthy eyes, 74 with glaucoma or suspect) must not be handed on, so that nothing of it is
here. Its folder holds `Healthy` and `Glaucoma and suspects`, each with `Stereo Images/NAME.jpg`, whose left half is the picture that
the experts outlined, and `Average_masks`, `Expert1_masks` and `Expert2_masks` with `NAME…-Cup-….png` and `NAME…-Disc-….png`. A ratio
is the extent of the cup over that of the disc, in pixels, downwards and across. Both eyes of a patient (N-1-L, N-1-R)
are one group. The paper does not say which outlines it measured: the experts' average is the default.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pandas as pd
from labelppl.cli.one_line import OneLine
from PIL import Image

from labelppl import InputError
from labelppl.runs import new_folder

FOLDERS = {"Healthy": "normal", "Glaucoma and suspects": "suspect"}
MASKS = {"average": "Average_masks", "first": "Expert1_masks", "second": "Expert2_masks"}


@click.command(cls=OneLine)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="Folder with `Healthy` and `Glaucoma and suspects`.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="New folder.")
@click.option("--outlines", type=click.Choice(list(MASKS)), default="average", show_default=True)
@click.option("--size", default=256, show_default=True, help="Height of the pictures, in pixels.")
def main(data: Path, out: Path, outlines: str, size: int) -> None:
    """Write rim_one.csv (id, image, group, diagnosis, vertical, horizontal) and its pictures."""
    pictures = [
        (path, label)
        for name, label in FOLDERS.items()
        for path in sorted((data / name / "Stereo Images").glob("*.jpg"))
    ]
    if not pictures:
        raise InputError(f"{data}: no picture in Healthy/Stereo Images, expected RIM-ONE r3")
    with new_folder(out) as part:
        (part / "images").mkdir()
        rows = []
        for path, label in pictures:
            masks = path.parents[1] / MASKS[outlines]
            cup, disc = (extent(_mask(masks, path.stem, what)) for what in ("Cup", "Disc"))
            name = f"images/{path.stem}.png"
            with Image.open(path) as stereo:
                half = stereo.convert("RGB").crop((0, 0, stereo.width // 2, stereo.height))
                half.resize((round(half.width * size / half.height), size)).save(part / name)
            rows.append(
                {
                    "id": path.stem,
                    "image": name,
                    "group": path.stem.rpartition("-")[0] or path.stem,
                    "diagnosis": label,
                    "vertical": round(cup[0] / disc[0], 4),
                    "horizontal": round(cup[1] / disc[1], 4),
                }
            )
        table = pd.DataFrame(rows)
        table.to_csv(part / "rim_one.csv", index=False)
    click.echo(table.groupby("diagnosis")[["vertical", "horizontal"]].agg(["count", "mean", "std"]))
    click.echo(
        f"next: labelppl compare --model glaucoma --data {out / 'rim_one.csv'} --image-size 128"
    )


def extent(mask: np.ndarray) -> tuple[int, int]:
    """How many rows and how many columns the white part of a mask (height, width) spans."""
    white = mask > mask.max() / 2
    rows, columns = np.flatnonzero(white.any(1)), np.flatnonzero(white.any(0))
    return int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)


def _mask(folder: Path, stem: str, what: str) -> np.ndarray:
    """The outline of cup or disc as pixels (height, width)."""
    files = sorted(folder.glob(f"{stem}-*{what}-*.png")) + sorted(folder.glob(f"{stem}-{what}.png"))
    if len(files) != 1:
        raise InputError(
            f"{folder}: got {len(files)} files {stem}-…{what}-….png, expected one; choose other --outlines"
        )
    with Image.open(files[0]) as picture:
        pixels = np.asarray(picture.convert("L"))
    if pixels.max() == pixels.min():
        raise InputError(f"{files[0]}: one colour all over, expected a white shape on black")
    return pixels


if __name__ == "__main__":
    main()
