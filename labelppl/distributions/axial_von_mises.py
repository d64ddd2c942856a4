"""Von Mises law for an axis, where t and t + pi are the same finding.

    f(t) = exp(kappa cos 2(t - mu)) / (pi I0(kappa)),   one period [mu - pi/2, mu + pi/2]

the law of t when 2t is von Mises with mean 2 mu. Use it only for undirected lines; an angle between
lines with distinct ends is `HalfCircleVonMises`. Source: Mardia and Jupp (2000), 3.6.1.
"""

from __future__ import annotations

from .von_mises import Periodic


class AxialVonMises(Periodic):
    """Von Mises law of an undirected line, for which t and t + pi are the same; values (batch,), radians.

        f(t) = exp(kappa cos 2(t - mu)) / (pi I0(kappa))

    Any representative of an axis is accepted as a value. Source: Mardia and Jupp (2000), 3.6.1.

    Args:
        loc: The axis mu, radians, (batch,).
        concentration: kappa > 0, of the doubled angle, (batch,).
        validate_args: Whether parameters and values are checked; None as torch does.

    Examples:
        >>> law = AxialVonMises(0.0, 4.0)
        >>> [round(x, 3) for x in law.log_prob(torch.tensor([0.2, 0.2 + torch.pi])).tolist()]
        [0.115, 0.115]
    """

    folds = 2
