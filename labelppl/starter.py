"""The commented model file that ``labelppl init`` writes: a working label model to be changed line by line."""

from __future__ import annotations

import keyword
from pathlib import Path

from .errors import InputError

STARTER_TEXT = '''"""WHAT IS DIAGNOSED, from which measurements. Source: …

Say here where the measurements and the priors come from; whoever reads the labels will ask.
"""

from math import radians

import pyro
import pyro.distributions as dist
import torch

from labelppl import Angle, Label, Ratio, label_model
from labelppl.distributions import Beta, VonMises  # Pyro's, with what ">60" needs

# The table {stem}.csv needs a column for each name below: the class in `diagnosis` (empty where unknown), the
# measurements in the units declared here (empty where not measured, ">60" or "<20" where only a limit is known).
# Optional columns: id, image (path relative to the table), group (patient), split (train, val or test).
# Other kinds of measurement: Real("mm"), Positive("mm"), Count(), Category("left", "right"),
# Ordinal("none", "mild", "severe"), Vector(a=Real(), b=Real()), Votes(), VoteCounts(), Ranking(), Stated().


@label_model(
    diagnosis=Label("normal", "abnormal"),
    angle=Angle("deg", low=20, high=90),
    share=Ratio(),
)
def {stem}(cases):
    # Parameters: what is not known about the population, with what is believed before seeing the table. Priors that
    # differ between the classes, in their order above, also settle which class is which where labels are missing.
    prevalence = pyro.sample("prevalence", dist.Dirichlet(torch.ones(2)))
    with pyro.plate("class", 2):
        # Angles reach the model in radians, whatever the unit of the column.
        angle_mean = pyro.sample(
            "angle_mean", dist.Normal(torch.tensor([radians(62), radians(52)]), radians(10))
        )
        angle_kappa = pyro.sample("angle_kappa", dist.LogNormal(4.5, 0.7))  # about 1 / SD^2, in radians
        share_mean = pyro.sample("share_mean", dist.Beta(torch.tensor([11.0, 9.0]), 9.0))
        share_size = pyro.sample("share_size", dist.LogNormal(3.3, 0.8))
    # One case: a site named like a declared measurement is that column. Write no obs= and no mask: labelppl fills in
    # what was measured, and integrates out what was not.
    with cases:
        y = pyro.sample("diagnosis", dist.Categorical(prevalence))
        pyro.sample("angle", VonMises(angle_mean[y], angle_kappa[y]))
        a = share_mean[y] * share_size[y]
        b = (1 - share_mean[y]) * share_size[y]
        pyro.sample("share", Beta(a, b))
'''


def starter(name: str) -> str:
    """The text of a model file whose function is called ``name``; InputError if that is no Python name."""
    if not (name.isascii() and name.isidentifier()) or keyword.iskeyword(name):
        raise InputError(
            f"{name}.py: the file's stem names the function, so it must be a Python name; use letters, digits and _"
        )
    return STARTER_TEXT.replace("{stem}", name)


def write_starter(path: str | Path) -> Path:
    """Write a starter to ``path``; InputError rather than overwrite."""
    path = Path(path)
    if path.suffix != ".py":
        raise InputError(f"{path}: expected a file name ending in .py, such as {path.stem}.py")
    text = starter(path.stem)
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder; make it first")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise InputError(f"{path}: already there; choose another name or remove it") from error
    return path
