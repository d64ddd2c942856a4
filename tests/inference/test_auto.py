"""The ladder stops at the first engine that qualifies and tells what came before it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from labelppl.errors import FailedWork, InputError
from labelppl.inference import engines
from labelppl.inference.auto import auto, run_engines
from labelppl.inference.base import Draws
from labelppl.inference.engines import ENGINES, Rung, rungs_of


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


def _replace(monkeypatch: pytest.MonkeyPatch, **rungs: Any) -> None:
    """Other engines under the names of the ladder."""
    others = {name: Rung(name, run) for name, run in rungs.items()}
    monkeypatch.setattr(engines, "ENGINES", {**ENGINES, **others})


def _engine(name: str, problems: tuple[str, ...] = (), fails: bool = False) -> Any:
    def run(density: Any, **options: Any) -> Draws:
        if fails:
            raise FailedWork(f"{name} broke")
        return Draws(name, torch.zeros(1, 1, density.dim), problems=problems)

    return run


def test_nothing_qualifies(monkeypatch: pytest.MonkeyPatch) -> None:
    _replace(
        monkeypatch,
        laplace=_engine("laplace", ("k", "ess")),
        chains=_engine("chains", ("rhat",)),
        nuts=_engine("nuts", fails=True),
    )
    lines: list[str] = []
    draws = auto(_Small(), say=lines.append)
    assert (draws.engine, draws.problems) == ("chains", ("rhat",))
    tried = "laplace refused (k; ess), chains refused (rhat), nuts failed (nuts broke)"
    assert draws.diagnostics["tried"] == tried
    # One line when an engine starts, one when it ends.
    assert [line.split(":")[0] for line in lines[::2]] == [
        "laplace starts",
        "chains starts",
        "nuts starts",
    ]
    assert [line.partition(" after ")[0] for line in lines[1::2]] == [
        "laplace refused (k; ess)",
        "chains refused (rhat)",
        "nuts failed (nuts broke)",
    ]


def test_nothing_can_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    _replace(monkeypatch, **{n: _engine(n, fails=True) for n in ("laplace", "chains", "nuts")})
    with pytest.raises(FailedWork, match=r"no engine could draw.*nuts broke"):
        auto(_Small())


@pytest.mark.parametrize(("dim", "first"), [(1000, "laplace"), (1001, "svi")])
def test_many_coordinates_go_without_a_dense_hessian(
    monkeypatch: pytest.MonkeyPatch, dim: int, first: str
) -> None:
    _replace(monkeypatch, **{name: _engine(name) for name in ("laplace", "svi", "chains")})
    assert auto(_Small(dim)).engine == first


def test_the_start_line_tells_seconds_and_bytes_of_a_long_engine(
    gaussian: Callable[[Tensor, Tensor], Any],
) -> None:
    class Wide(_Small):
        numbers = 1000

    lines: list[str] = []
    auto(Wide(5), say=lines.append)
    assert re.fullmatch(r"laplace starts: 5 parameters, about [\d.]+ (s|min|h), \d+ MB", lines[0])
    assert lines[1].startswith("laplace qualified after ")


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (torch.zeros(1, 4, 1), "it returned Tensor, expected labelppl.inference.Draws"),
        (Draws("mine", torch.zeros(4, 1)), r"shape \(4, 1\), expected \(chains, draws, 1\)"),
        (Draws("mine", torch.zeros(1, 4, 2)), r"expected \(chains, draws, 1\)"),
        (
            Draws("mine", torch.zeros(1, 4, 1), log_weights=torch.zeros(4)),
            r"its log_weights have the shape \(4,\), expected \(1, 4\)",
        ),
    ],
)
def test_what_is_not_draws_is_refused(returned: Any, message: str) -> None:
    def mine(density: Any, *, seed: int, progress: Any = None) -> Any:
        return returned

    with pytest.raises(InputError, match=message):
        run_engines(rungs_of(mine, _Small()), _Small(), seed=0)


def test_draws_that_are_not_finite_are_a_problem() -> None:
    def mine(density: Any, *, seed: int, progress: Any = None) -> Draws:
        return Draws("mine", torch.full((1, 4, 1), torch.nan))

    assert run_engines(rungs_of(mine, _Small()), _Small(), seed=0).problems == (
        "some draws are not finite",
    )


class _Small:
    numbers = 1

    def __init__(self, dim: int = 1) -> None:
        self.dim = dim
        self.coordinates = tuple(f"x{i}" for i in range(dim))

    def log_prob(self, u: Tensor) -> Tensor:
        return -0.5 * u.square().sum(-1)

    def start(self, n: int, seed: int) -> Tensor:
        return torch.zeros(n, self.dim, dtype=torch.float64)

    def prior_draws(self, n: int, seed: int) -> Tensor:
        return torch.zeros(n, self.dim, dtype=torch.float64)
