"""Inference engines: one a file, each maps a density and a seed to draws."""

from .base import Density, Draws, Engine

__all__ = ["Density", "Draws", "Engine"]
