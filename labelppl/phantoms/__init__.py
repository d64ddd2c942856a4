"""Simulated data sets whose true p(Y|X) is known; needs numpy, scipy, pandas and pillow only.

One phantom a file: `hip` (drawn by `hip_image`), `liver`, `glaucoma`, `ellipses`, `organs`. What a
phantom is says `phantom`; `simulate` writes the folder of one, also of the user's own. The physics
that ultrasound phantoms share is in `ultrasound`.
"""

from __future__ import annotations

from .ellipses import Ellipses
from .glaucoma import Glaucoma
from .hip import HipPopulation
from .liver import Liver
from .organs import Organs
from .phantom import Phantom
from .simulate import PHANTOMS, find_phantom, simulate

__all__ = [
    "PHANTOMS",
    "Ellipses",
    "Glaucoma",
    "HipPopulation",
    "Liver",
    "Organs",
    "Phantom",
    "find_phantom",
    "simulate",
]
