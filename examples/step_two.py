"""Where step 2 matters: misspecified phantoms, right ones, and a hundred cases.

    python examples/step_two.py --out out --quick
    python examples/step_two.py --out out --student small --size 32 --test 4000
    python examples/step_two.py --out out --student small --size 32 --data cifar10h.csv --parts "few images"

Methods: hard labels; prob, step 1 alone; reg, step 2 under the prior on weights (Eq. 5 of Vega et al. 2021); rat,
residual-as-teacher; fseb, step 2 under a prior on predictions. Lambda is chosen as `compare` does by default; the parts
`evidence ...` hold the choice by the evidence against it. Writes
results.json and results.md; what was trained is kept in `out` and not trained again.
"""

from __future__ import annotations

from pathlib import Path

import click
from labelppl.cli.one_line import OneLine
from studies.evidence import OF_PHANTOMS, image_evidence, phantom_evidence
from studies.form import Form, sized
from studies.step_two import WORLDS, few_glaucoma, few_images, one_world
from studies.writing import Study

EVIDENCE = tuple(f"evidence {name}" for name in OF_PHANTOMS)
OF_IMAGES = ("few images", "evidence images")
PARTS = (*WORLDS, "few glaucoma", *EVIDENCE, *OF_IMAGES)
QUICK = Form(student="small", size=32, effort=0.1, seeds=2, test=500, share=0.2)
WHOLE = Form(student="cnn", size=128, effort=1.0, seeds=5, test=4000)


@click.command(cls=OneLine)
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="cifar10h.csv.")
@click.option("--pair", default="cat,dog", show_default=True, help="Its two classes.")
@click.option(
    "--phantoms", default=41, show_default=True, help="Seed of the phantoms, and of which images."
)
@click.option("--parts", default=",".join((*WORLDS, "few glaucoma", *EVIDENCE)), show_default=True)
@sized(QUICK, WHOLE)
def main(out: Path, form: Form, data: Path | None, pair: str, phantoms: int, parts: str) -> None:
    """Train all methods and write results.json and results.md."""
    chosen = {part.strip() for part in parts.split(",")}
    unknown = chosen - set(PARTS)
    if unknown:
        raise click.BadParameter(f"got {unknown.pop()!r}, expected some of {', '.join(PARTS)}")
    one, _, other = pair.partition(",")
    for part in OF_IMAGES:
        if part in chosen and data is None:
            raise click.BadParameter(f"the part {part!r} needs --data cifar10h.csv")
    study = Study(out, "Where step 2 matters", form)
    for name, world in WORLDS.items():
        if name in chosen:
            study.write(name, *one_world(name, world, out, form, phantoms), {})
    if "few glaucoma" in chosen:
        study.write("few glaucoma", *few_glaucoma(out, form, phantoms), {})
    if "few images" in chosen and data is not None:
        numbers, tables = few_images(data, (one, other), out, form, phantoms)
        study.write(f"few images, {one} and {other}", numbers, tables, {})
    for name in OF_PHANTOMS:
        if f"evidence {name}" in chosen:
            study.write(f"evidence {name}", *phantom_evidence(name, out, form, phantoms), {})
    if "evidence images" in chosen and data is not None:
        study.write("evidence images", *image_evidence(data, out, form, phantoms), {})
    click.echo(study.markdown())


if __name__ == "__main__":
    main()
