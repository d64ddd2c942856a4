"""What every B-mode phantom needs: speckle, a beam that weakens, a log-compressed envelope.

The echo at a pixel is the complex number  e = T · (h * (s·n) + m):  unresolved scatterers of
amplitude s (n is complex white Gaussian noise) blurred by the point spread function h, plus the
mirror-like echo m of surfaces, all weakened by T on the beam's way in and out. The envelope |e| is
Rayleigh-distributed where m = 0 (fully developed, multiplicative speckle) and Rician on surfaces;
the picture shows it on a logarithmic scale.

Source: Wagner, Smith, Sandrik & Lopez, IEEE Trans. Sonics Ultrason. 30 (1983) 156-163; Goodman,
*Speckle Phenomena in Optics*, ch. 2. Assumption: a linear array whose parallel beams run along one
image axis, and one point spread function for the whole picture.

Arrays are images, (rows, columns); levels are in decibels of amplitude, 0 dB = white.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

Field = NDArray[np.float32]
Echo = NDArray[np.complex64]


def amplitude(level_db: Field) -> Field:
    """Amplitudes (rows, columns) of levels in decibels: 10^(dB/20)."""
    return np.power(np.float32(10), level_db / np.float32(20))


def scatter(level_db: Field, grain: tuple[float, float], rng: np.random.Generator) -> Echo:
    """Speckle of tissue whose mean echo level is `level_db`, (rows, columns) complex.

    `grain` is the standard deviation, in pixels along (rows, columns), of the Gaussian point
    spread function. In uniform tissue the mean power is that of `level_db` whatever the grain.
    """
    scatterers = amplitude(level_db)
    pulse = np.zeros(level_db.shape)
    pulse[level_db.shape[0] // 2, level_db.shape[1] // 2] = 1
    energy = float((gaussian_filter(pulse, grain) ** 2).sum())
    parts = [
        gaussian_filter(
            scatterers * rng.standard_normal(level_db.shape, dtype=np.float32),
            grain,
            mode="reflect",
        )
        for _ in range(2)
    ]
    echo: Echo = ((parts[0] + 1j * parts[1]) / np.sqrt(2 * energy)).astype(np.complex64)
    return echo


def texture(shape: tuple[int, int], grain: tuple[float, float], rng: np.random.Generator) -> Field:
    """Smooth Gaussian noise (rows, columns) of unit variance, `grain` as in `scatter`."""
    noise = gaussian_filter(rng.standard_normal(shape, dtype=np.float32), grain, mode="wrap")
    smooth: Field = noise / noise.std()
    return smooth


def transmission(loss_db: Field, axis: int, width: float) -> Field:
    """Amplitude factor T (rows, columns) left after the way in and out along the beam's `axis`.

    `loss_db` is the two-way loss in each pixel, `width` the standard deviation of a beam's width in
    pixels, which softens the edges of shadows. Loss in a pixel darkens only the pixels behind it,
    so a bone's surface stays bright and casts its shadow.
    """
    behind = np.cumsum(loss_db, axis=axis, dtype=np.float32) - loss_db
    return gaussian_filter1d(amplitude(-behind), width, axis=1 - axis)


def log_compress(echo: Echo, dynamic_range_db: float, gain_db: float) -> NDArray[np.uint8]:
    """The picture (rows, columns): 0 dB is 255, `-dynamic_range_db` and below is 0.

    Levels outside the range saturate, as on a scanner.
    """
    level = 20 * np.log10(np.abs(echo) + np.float32(1e-8)) + gain_db
    return np.rint(np.clip(255 * (1 + level / dynamic_range_db), 0, 255)).astype(np.uint8)
