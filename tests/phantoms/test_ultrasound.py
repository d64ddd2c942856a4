"""Speckle statistics, shadows and log compression against their closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from labelppl.phantoms.ultrasound import amplitude, log_compress, scatter, texture, transmission


def test_speckle_is_rayleigh_whatever_the_grain() -> None:
    for grain in ((0.4, 0.4), (1.5, 0.9)):
        level = np.full((512, 512), -20, dtype=np.float32)
        envelope = np.abs(scatter(level, grain, np.random.default_rng(0)))
        # About 512² / (4π σ_r σ_c) independent grains: 15,000 for the coarse one, so 3 % is > 3 SE.
        assert np.mean(envelope**2) == pytest.approx(0.01, rel=0.04)
        assert envelope.mean() / np.sqrt(np.mean(envelope**2)) == pytest.approx(
            np.sqrt(np.pi) / 2, rel=0.01
        )


def test_speckle_is_multiplicative() -> None:
    low, high = (
        scatter(np.full((64, 64), db, dtype=np.float32), (1, 1), np.random.default_rng(1))
        for db in (-30, -10)
    )
    np.testing.assert_allclose(np.abs(high), 10 * np.abs(low), rtol=1e-4)


def test_texture_has_unit_variance() -> None:
    smooth = texture((128, 128), (4, 1), np.random.default_rng(0))
    assert smooth.std() == pytest.approx(1, rel=1e-5)


def test_transmission_is_the_naive_product_of_losses() -> None:
    loss = np.random.default_rng(0).uniform(0, 2, (5, 7)).astype(np.float32)
    naive = np.ones((5, 7))
    for column in range(1, 7):
        naive[:, column] = naive[:, column - 1] * 10 ** (-loss[:, column - 1] / 20)
    np.testing.assert_allclose(transmission(loss, axis=1, width=0.01), naive, rtol=1e-5)
    np.testing.assert_allclose(transmission(loss.T, axis=0, width=0.01), naive.T, rtol=1e-5)


def test_log_compress_maps_decibels_to_grey_linearly() -> None:
    levels = np.array([[0, -15, -30, -60, -90, 6]], dtype=np.float32)
    picture = log_compress(amplitude(levels).astype(np.complex64), 60, gain_db=0)
    assert picture.tolist() == [[255, 191, 128, 0, 0, 255]]
    brighter = log_compress(amplitude(levels).astype(np.complex64), 60, gain_db=6)
    assert brighter.tolist() == [[255, 217, 153, 26, 0, 255]]
