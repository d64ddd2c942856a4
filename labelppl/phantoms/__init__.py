"""Simulated data sets whose true p(Y|X) is known; needs numpy, scipy, pandas and pillow only.

A phantom is a population (`hip`), a picture drawn from the measurements alone (`hip_image`) and a
folder of both (`write`). The physics that another ultrasound phantom shares is in `ultrasound`.
"""

from __future__ import annotations

from .hip import HipPopulation
from .write import simulate_hip

__all__ = ["HipPopulation", "simulate_hip"]
