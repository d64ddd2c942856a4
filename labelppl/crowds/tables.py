"""Chinese-restaurant tables: what makes the parameters of a Beta or Dirichlet prior conjugate to counts.

    Gamma(a + n) / Gamma(a) = sum over t of |s(n, t)| a^t,      t | n, a ~ CRT(n, a)

where CRT(n, a) is the number of tables that n guests open when guest m + 1 opens one with probability a / (a + m). Given
t, the prior's parameter enters as a^t, and a Gamma prior on it is conjugate. Sources: Antoniak, Annals of Statistics 2
(1974); Escobar and West, JASA 90 (1995); Teh et al., JASA 101 (2006).
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array, Floats, Ints


class Guests:
    """The guests of many restaurants: whole numbers of 0 or more, of any shape; ready to be seated again and again."""

    def __init__(self, number: Array) -> None:
        self.number = number
        n = number.astype(np.int64).ravel()
        self._place = np.repeat(np.arange(len(n)), n)
        self._before = np.arange(n.sum()) - np.repeat(n.cumsum() - n, n)

    def tables(self, rng: np.random.Generator, strength: Array) -> Ints:
        """Draw CRT(guests, strength), in the shape of the guests, to which ``strength`` is broadcast."""
        a = np.broadcast_to(strength, self.number.shape).ravel()[self._place]
        # Guest m + 1 opens a table with probability a / (a + m).
        opens = rng.random(len(a)) * (a + self._before) < a
        tables = np.bincount(self._place[opens], minlength=self.number.size)
        return tables.reshape(self.number.shape)


def minus_log_beta(rng: np.random.Generator, strength: Array, guests: Array) -> Floats:
    """-log q with q ~ Beta(strength, guests), 0 where there is no guest; it adds to the rate of the strength's Gamma."""
    some = guests > 0
    out: Floats = np.zeros(guests.shape)
    shape = np.broadcast_to(strength, guests.shape)[some]
    # q = x / (x + y) of two Gammas; the ratio's logarithm does not underflow as q itself does.
    x, y = rng.standard_gamma(shape), rng.standard_gamma(guests[some])
    out[some] = np.log1p(y / np.maximum(x, 1e-300))
    return out
