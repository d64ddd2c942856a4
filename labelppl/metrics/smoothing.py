"""Smoothing residuals over [0, 1]: the reflected Gaussian kernel behind smECE and the reliability curve.

Reflecting at 0 and 1 keeps all mass inside. It is what the cosine transform does, so smoothing is a
multiplication of its coefficients and thousands of resamples are smoothed at once.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.fft import dct, idct
from scipy.sparse import csr_array

from ..arrays import Floats

MESH = 256
STEPS = 2**12
"""Bandwidths tried are multiples of 1/STEPS."""


def residual_mass(forecast: Floats, residual: Floats, weights: Floats) -> Floats:
    """Return the mean residual spread over the cells of the mesh (replicates, mesh).

    `residual` is (cases,) or (replicates, cases). Each case is shared linearly between the two
    nearest cell centres; beyond the outermost centres the mesh is reflected, like the kernel.
    """
    cases = len(forecast)
    position = forecast * MESH - 0.5
    left = np.floor(position).astype(np.int64)
    share = position - left
    rows = np.tile(np.arange(cases), 2)
    cells = np.clip(np.concatenate([left, left + 1]), 0, MESH - 1)
    spread = csr_array((np.concatenate([1 - share, share]), (rows, cells)), shape=(cases, MESH))
    total = weights.sum(axis=1, keepdims=True)
    return np.asarray(((weights * residual) / total) @ spread)


def kernel_smooth(mass: Floats, width: float) -> Floats:
    """Return `mass` (replicates, mesh) after the kernel of `width`, in units of probability."""
    return np.asarray(idct(dct(mass, axis=1) * _spectrum(np.array([width])), axis=1))


def fixed_point(mass: Floats) -> tuple[Floats, Floats]:
    """Return smECE and its bandwidth σ*, both (replicates,), of `mass` (replicates, mesh)."""
    coefficients = dct(mass, axis=1)
    spectra = _all_spectra()
    low = np.zeros(len(mass), dtype=np.int64)
    step = STEPS
    while step > 1:
        step //= 2
        error = np.abs(idct(coefficients * spectra[low + step], axis=1)).sum(axis=1)
        low += np.where(error > (low + step) / STEPS, step, 0)
    # The width just above the fixed point: the smallest tried that exceeds its error.
    error = np.abs(idct(coefficients * spectra[low + 1], axis=1)).sum(axis=1)
    return error, (low + 1) / STEPS


def _spectrum(width: Floats) -> Floats:
    """Cosine coefficients of the kernel of each `width` (widths,), shape (widths, mesh)."""
    offset = np.arange(MESH + 1) / MESH
    scale = np.maximum(width, 1e-6)[:, None]
    # exp(-100) is already nothing, and exp is many times slower where it underflows.
    kernel = np.exp(np.maximum(-0.5 * np.square(offset / scale), -100.0))
    kernel[:, offset > 0.5] = 0.0
    kernel[:, offset == 0.5] *= 0.5
    spectrum = dct(kernel, type=1, axis=1)
    return np.asarray(spectrum[:, :MESH] / spectrum[:, :1])


@cache
def _all_spectra() -> Floats:
    return _spectrum(np.arange(STEPS + 1) / STEPS)
