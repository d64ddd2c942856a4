"""Label models run in float64: constants the expert writes as ``torch.ones(2)`` follow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def float64_defaults() -> Iterator[None]:
    """New tensors are float64 inside; the caller's default returns afterwards."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
