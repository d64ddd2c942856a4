"""The closed form is taken at its word, but for its shape and its support."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from labelppl.errors import FailedWork, InputError
from labelppl.inference.exact import exact


@pytest.fixture
def normal(gaussian: Callable[[Tensor, Tensor], Any]) -> Any:
    return gaussian(torch.ones(2).double(), torch.eye(2).double())


def _sample(draws: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 1 + torch.randn(draws, 2, generator=generator, dtype=torch.float64)


def test_draws_are_the_samplers(normal: Any) -> None:
    found = exact(normal, draws=100, seed=7, sampler=_sample)
    assert found.ok
    assert torch.equal(found.points[0], _sample(100, 7))
    assert found.log_weights is None


def test_without_a_closed_form_there_is_a_mend(normal: Any) -> None:
    with pytest.raises(InputError, match="use engine 'auto'"):
        exact(normal)


def test_a_wrong_shape_is_a_failure(normal: Any) -> None:
    with pytest.raises(FailedWork, match=r"\(5, 3\), expected \(5, 2\)"):
        exact(normal, draws=5, sampler=lambda draws, seed: torch.zeros(draws, 3).double())


def test_draws_outside_the_support_are_a_problem(normal: Any) -> None:
    found = exact(normal, draws=10, sampler=lambda n, s: torch.full((n, 2), torch.inf).double())
    assert any("not finite" in problem for problem in found.problems)
