"""Online label smoothing for medical images (arXiv 2510.20011): smoothing that follows the student, against its relatives.

    python examples/online_label_smoothing.py --out out --quick                              # minutes
    python examples/online_label_smoothing.py --out out --data pneumonia/pneumonia.csv       # three networks at 224: a GPU

Hard labels, label smoothing, teacher-free distillation by oneself (tfkd-self) and by a virtual teacher (tfkd-reg), online
label smoothing, and the newer LS++ and MaxSup, on simulated organs (many classes, some confusable, some rare) and, with
--data, on a table `image, split, diagnosis` such as MedMNIST's pneumonia. The paper's RadImageNet is not at hand. Each seed has
training cases of its own; the epoch is chosen on a fifth of them. Writes results.json, results.md and the figures.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from labelppl.cli.one_line import OneLine
from matplotlib.figure import Figure
from studies.features import compactness, maps, separation
from studies.form import Form, sized
from studies.paired import difference, interval, score
from studies.phantom_worlds import Data, Table, World, train_arms
from studies.writing import Study, table, with_interval

from labelppl import evaluate_probs
from labelppl.students.load import load_student

ARMS = ("hard", "smooth", "tfkd-self", "tfkd-reg", "ols", "lspp", "maxsup")
TWO_CLASSES = tuple(arm for arm in ARMS if arm != "lspp")
PAIRS = (("ols", "hard"), ("ols", "smooth"), ("smooth", "hard"), ("maxsup", "hard"), ("lspp", "hard"),
         ("tfkd-reg", "hard"), ("tfkd-self", "hard"))  # fmt: skip
NETWORKS = "timm:resnet50,timm:mobilenetv2_100,timm:vgg19"
QUICK = Form(student="small", size=32, effort=0.2, seeds=2, test=600, share=0.4)
PAPER = Form(student=NETWORKS, size=224, effort=1.0, seeds=5, test=2000)
ORGANS = World("organs", 1500, 2000, {})
PNEUMONIA_CASES = 3000
VALIDATION = 0.2


@click.command(cls=OneLine)
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="A table of images.")
@click.option("--label", default="diagnosis", show_default=True, help="Its column of classes.")
@click.option("--arms", default=",".join(ARMS), show_default=True)
@sized(QUICK, PAPER)
def main(out: Path, form: Form, data: Path | None, label: str, arms: str) -> None:
    """Run the study of the third paper and write results.json, results.md and figures."""
    study = Study(out, "Online label smoothing (arXiv 2510.20011)", form)
    chosen = tuple(arms.split(","))
    for network in form.student.split(","):
        one = replace(form, student=network)
        place = out / network.replace(":", "-")
        organs = Data(ORGANS, out / "data", one)
        study.write(f"organs, {network}", *compare_arms(organs, chosen, place / "organs", one))
        if data is not None:
            rows = Table(data, label, one.of(PNEUMONIA_CASES), one.test)
            some = chosen if len(rows.test.classes) > 2 else tuple(set(chosen) & set(TWO_CLASSES))
            ordered = tuple(arm for arm in chosen if arm in some)
            made = compare_arms(rows, ordered, place / data.stem, one)
            study.write(f"{data.stem}, {network}", *made)
    click.echo(study.markdown())


def compare_arms(
    data: Data | Table, arms: tuple[str, ...], folder: Path, form: Form
) -> tuple[dict[str, Any], list[str], dict[str, Figure]]:
    """Numbers, tables and t-SNE of every arm on one set of data."""
    said = train_arms(data, arms, folder, form, hard_alone=True, validation=VALIDATION)
    test = data.test
    scores = {arm: score(predictions, test) for arm, predictions in said.items()}
    pooled = {arm: [_features(folder, seed, arm, form, data) for seed in range(form.seeds)] for arm in arms}  # fmt: skip
    numbers: dict[str, Any] = {"means": {}, "differences": {}}
    five = len(test.classes) > 5
    rows = []
    for arm in arms:
        whole = [evaluate_probs(p, test.labels, classes=test.classes, n_boot=0).values for p in said[arm]]  # fmt: skip
        own: dict[str, Any] = {key: interval(scores[arm][key]) for key in ("accuracy", "nll")}
        for key in ("ece", "aurc", *(("top5",) if five else ())):
            own[key] = float(np.mean([run[key] for run in whole]))
        own["compactness"] = float(np.mean([compactness(f, test.labels) for f in pooled[arm]]))
        own["separation"] = float(np.mean([separation(f, test.labels) for f in pooled[arm]]))
        numbers["means"][arm] = own
        cells = [with_interval(own["accuracy"]), f"{own['top5']:.3f}" if five else "",
                 with_interval(own["nll"])]  # fmt: skip
        cells += [f"{own[key]:.3f}" for key in ("ece", "aurc", "compactness", "separation")]
        rows.append([arm, *cells])
    gaps = []
    for one, other in PAIRS:
        if one in scores and other in scores:
            ours = {key: difference(scores, one, other, key) for key in ("accuracy", "nll")}
            numbers["differences"][f"{one} - {other}"] = ours
            gaps.append(
                [f"{one} − {other}", *(with_interval(own, sign=True) for own in ours.values())]
            )
    head = ["method", "top-1", "top-5", "NLL", "ECE", "AURC", "compactness", "separation"]
    text = (
        f"{data.count} training images a seed, {len(test)} test images, {len(test.classes)} classes, {form.seeds} seeds, images of "
        f"{form.size} pixels; 95 % intervals over seeds and test images."
    )
    shown = {arm: pooled[arm][0] for arm in ("hard", "smooth", "ols") if arm in pooled}
    name = f"tsne_{folder.name}_{form.student.replace(':', '-')}"
    tables = [text, table(head, rows), "Paired differences; bold where the interval excludes 0.",
              table(["difference", "top-1", "NLL"], gaps)]  # fmt: skip
    return numbers, tables, {name: maps(shown, test.labels, test.classes)}


def _features(folder: Path, seed: int, arm: str, form: Form, data: Data | Table) -> Any:
    """What enters the last layer of this student on the test images."""
    student = load_student(folder / f"seed-{seed}" / "parts" / f"{arm}-0", network=form.network())
    images = data.test.images
    assert images is not None
    return student.features(images)


if __name__ == "__main__":
    main()
