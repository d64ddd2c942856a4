"""The ladder stops at the first engine that qualifies and tells what came before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from labelppl.errors import FailedWork
from labelppl.inference import auto as ladder
from labelppl.inference.auto import auto
from labelppl.inference.base import Draws


def test_laplace_suffices_for_a_gaussian(correlated: tuple[Any, Tensor, Tensor]) -> None:
    found = auto(correlated[0])
    assert found.engine == "laplace"
    assert found.diagnostics["tried"] == "laplace qualified"


def test_a_closed_form_comes_first(gaussian: Callable[[Tensor, Tensor], Any]) -> None:
    density = gaussian(torch.zeros(1).double(), torch.eye(1).double())
    found = auto(density, sampler=lambda n, seed: torch.zeros(n, 1, dtype=torch.float64))
    assert (found.engine, found.diagnostics["tried"]) == ("exact", "exact qualified")


def test_eight_schools_climbs_past_laplace(
    reference: Any, agree: Callable[[Any, Any], None]
) -> None:
    if "tau" not in reference.density.coordinates:
        pytest.skip("only eight schools is hard enough")
    found = auto(reference.density, seed=0)
    assert found.engine in ("chains", "nuts")
    assert str(found.diagnostics["tried"]).startswith("laplace refused (Pareto k")
    assert found.ok, found.problems
    agree(reference, found)


def _engine(name: str, problems: tuple[str, ...] = (), fails: bool = False) -> Any:
    def run(density: Any, **options: Any) -> Draws:
        if fails:
            raise FailedWork(f"{name} broke")
        return Draws(name, torch.zeros(1, 1, 1), problems=problems)

    return run


def test_nothing_qualifies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "laplace", _engine("laplace", ("k", "ess")))
    monkeypatch.setattr(ladder, "chains", _engine("chains", ("rhat",)))
    monkeypatch.setattr(ladder, "nuts", _engine("nuts", fails=True))
    found = auto(_Small())
    assert (found.engine, found.problems) == ("chains", ("rhat",))
    tried = "laplace refused (k; ess), chains refused (rhat), nuts failed (nuts broke)"
    assert found.diagnostics["tried"] == tried


def test_nothing_can_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("laplace", "chains", "nuts"):
        monkeypatch.setattr(ladder, name, _engine(name, fails=True))
    with pytest.raises(FailedWork, match=r"no engine could draw.*nuts broke"):
        auto(_Small())


@pytest.mark.parametrize(("dim", "first"), [(1000, "laplace"), (1001, "svi")])
def test_many_coordinates_go_without_a_dense_hessian(
    monkeypatch: pytest.MonkeyPatch, dim: int, first: str
) -> None:
    for name in ("laplace", "svi", "chains"):
        monkeypatch.setattr(ladder, name, _engine(name))
    assert auto(_Small(dim)).engine == first


class _Small:
    def __init__(self, dim: int = 1) -> None:
        self.dim = dim
        self.coordinates = tuple(f"x{i}" for i in range(dim))

    def log_prob(self, u: Tensor) -> Tensor:
        return -0.5 * u.square().sum(-1)

    def start(self, n: int, seed: int) -> Tensor:
        return torch.zeros(n, self.dim, dtype=torch.float64)
