"""``labelppl predict``: student + image files -> probabilities. Needs neither Pyro nor measurements."""

from __future__ import annotations

from pathlib import Path

import click

from labelppl.errors import InputError

from . import options
from .shared import teller


@click.command(epilog="Example: labelppl predict --run runs/hip new/*.png --out predictions.csv")
@click.option("--run", "run", type=options.FILE, help="Folder of a finished run.")
@click.option(
    "--onnx",
    "onnx",
    type=options.FILE,
    help="Instead of a run: an ONNX file of labelppl export. Needs no torch.",
)
@click.argument("images", nargs=-1, required=True, type=options.FILE)
@click.option(
    "--separator", metavar="CHAR", help="Between the cells of a text table  [default: a comma]."
)
@click.option(
    "--out",
    type=options.FILE,
    default=Path("predictions.csv"),
    show_default=True,
    help="Table to write.",
)
@click.option(
    "--dicom-sr",
    type=options.FILE,
    metavar="DIR",
    help="Also write a DICOM Structured Report per image into a new folder; the images must be DICOM files.",
)
@options.prevalence
@options.raw
@options.device
@options.own_student
@options.trust
def predict(
    run: Path | None,
    onnx: Path | None,
    images: tuple[Path, ...],
    separator: str | None,
    out: Path,
    dicom_sr: Path | None,
    prevalence: tuple[str, ...],
    raw: bool,
    device: str,
    student: str | None,
    trust: bool,
) -> None:
    """Classify images that the student has never seen: image files, folders of them, or one table with a column image.

    Writes id (of the table, else the path as given) and p_CLASS. Where held-out cases with soft labels measured it (the folds
    that chose lambda, or validation cases), lo_CLASS and hi_CLASS are a 90 % interval of p(Y|X). A student that was trained
    under a weight prior (0 < lam < inf) adds what the Laplace posterior of its last layer says: laplace_CLASS, p(Y|X) averaged
    over the weights; epistemic, the information in nats that knowing the weights would add. A Dirichlet student writes epistemic alone. Where labelppl recalibrate chose some, a map is applied, and set (classes
    joined by |) and answered are added.
    """
    from labelppl.jobs.predict import predict_job, predict_onnx_job

    shift = options.read_prevalence(prevalence)
    if (run is None) == (onnx is None):
        raise InputError("predict: give --run DIR or --onnx FILE, one of the two")
    if onnx is not None:
        stated = {"--raw": raw, "--device": device != "auto", "--student": student is not None}
        for name, is_stated in stated.items():
            if is_stated:
                raise InputError(f"{name}: belongs to --run; an ONNX file holds what was exported")
        return predict_onnx_job(
            onnx,
            images,
            out,
            prevalence=shift,
            say=teller(),
            dicom_sr=dicom_sr,
            separator=separator,
        )
    assert run is not None
    predict_job(
        run,
        images,
        out,
        prevalence=shift,
        raw=raw,
        device=device,
        student=student,
        trust=trust,
        say=teller(),
        dicom_sr=dicom_sr,
        separator=separator,
    )
    return None
