"""`CasePlate`: what a label model calls ``cases``; a `pyro.plate` that also knows the columns.

``with cases:`` is an ordinary plate. ``with cases as z:`` also gives the columns as inputs (``z.alpha``), which is how
discriminative models p(Y | Z) read them. The function stays plain Pyro: trace, Predictive, NUTS and SVI all run it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyro
from pyro.poutine.broadcast_messenger import BroadcastMessenger
from pyro.poutine.subsample_messenger import SubsampleMessenger
from torch import Tensor

from ..features import Ballots


class CasePlate(pyro.plate):
    """The plate over n cases, always the rightmost batch dimension.

    Args:
        size: How many cases.
        classes: Names of the classes, so that a model may size its parameters by ``len(cases.classes)``.
        columns: Feature name -> (cases, ...) in the model's unit, or `Ballots`; an entry read as ``z.<name>`` is noted
            in ``read``.
        broadcast: False leaves distributions at their own batch shape, which the density uses: a distribution that does
            not differ between cases is then evaluated once instead of once per case.

    Examples:
        >>> import pyro.distributions as dist
        >>> cases = CasePlate(3, ("a", "b"), {"x": torch.zeros(3)})
        >>> with cases as z:
        ...     y = pyro.sample("y", dist.Normal(z.x, 1.0))
        >>> y.shape, cases.read
        (torch.Size([3]), {'x'})
    """

    def __init__(
        self,
        size: int,
        classes: Sequence[str],
        columns: Mapping[str, Tensor | Ballots] | None = None,
        *,
        broadcast: bool = True,
    ) -> None:
        super().__init__("cases", size, dim=-1)
        self.classes = tuple(classes)
        self.broadcast = broadcast
        self.read: set[str] = set()
        self._columns = dict(columns or {})

    def __enter__(self) -> CasePlate:
        super().__enter__()
        return self

    def __getattr__(self, name: str) -> Any:
        columns = self.__dict__.get("_columns", {})
        if name in columns:
            self.read.add(name)
            return columns[name]
        raise AttributeError(f"cases has no column '{name}'; it has {', '.join(columns) or 'none'}")

    def _process_message(self, msg: dict[str, Any]) -> None:
        SubsampleMessenger._process_message(self, msg)
        if self.broadcast:
            BroadcastMessenger._pyro_sample(msg)


#: Names a column cannot have, since ``z.<name>`` is then an attribute of the plate itself.
RESERVED = frozenset(dir(CasePlate(1, ())))
