"""Every schedule's rates, averages, clipping and accumulation against their definitions."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from labelppl.errors import InputError
from labelppl.targets.hard import Hard
from labelppl.targets.target_data import TargetData
from labelppl.training.average import Average
from labelppl.training.optimiser import make_optimiser, set_rate
from labelppl.training.schedule import Schedule
from labelppl.training.source import Resident
from labelppl.training.train import train
from labelppl.training.weight_prior import WeightPrior


def test_the_rate_rises_and_falls_as_named() -> None:
    cosine = Schedule(epochs=10, lr=2.0, warmup=0.2)
    rates = [cosine.rate(i, 100) for i in range(100)]
    assert rates[:20] == pytest.approx([2 * (i + 1) / 20 for i in range(20)])
    assert rates[20] == 2.0
    assert rates[60] == pytest.approx(2 * (0.01 + 0.99 * (1 + math.cos(math.pi / 2)) / 2))
    assert rates[99] == pytest.approx(0.02, rel=0.05)
    constant = Schedule(epochs=10, decay="constant", warmup=0.0)
    assert {constant.rate(i, 100) for i in range(100)} == {1e-3}
    step = Schedule(epochs=10, decay="step", cycle=4, drop=0.5, warmup=0.0, lr=1.0)
    assert [step.rate(i, 100) for i in (1, 39, 40, 79, 80, 99)] == [1, 1, 0.5, 0.5, 0.25, 0.25]


def test_warm_restarts_begin_anew_and_last_longer() -> None:
    schedule = Schedule(
        epochs=7, decay="restarts", cycle=1, cycle_factor=2, lr=1.0, warmup=0.0, floor=0.0
    )
    rates = [schedule.rate(i, 70) for i in range(70)]
    starts = [i for i in range(1, 70) if rates[i] > rates[i - 1]]
    assert starts == [10, 30]
    assert all(rates[i] == 1.0 for i in (1, *starts) if i in starts)
    assert rates[5] == pytest.approx(0.5)
    assert rates[20] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("field", "inside", "outside"),
    [
        ("epochs", 1, 0), ("batch_size", 1, 0), ("lr", 1e-12, 0.0), ("momentum", 0.999, 1.0),
        ("weight_decay", 0.0, -1e-9), ("warmup", 0.999, 1.0), ("floor", 1.0, 1.001), ("cycle", 1, 0),
        ("cycle_factor", 1, 0), ("drop", 1.0, 1.001), ("clip", 1e-9, 0.0), ("accumulate", 1, 0),
        ("ema", 0.0, 1.0), ("patience", 1, 0), ("optimiser", "adamw", "lion"),
        ("decay", "restarts", "linear"), ("precision", "bf16", "16"),
    ],
)  # fmt: skip
def test_each_value_just_inside_and_just_outside(field: str, inside: Any, outside: Any) -> None:
    assert getattr(Schedule(**{field: inside}), field) == inside
    with pytest.raises(InputError, match=f"schedule: {field}: got "):
        Schedule(**{field: outside})


def _problem(dropout: float = 0.0) -> tuple[nn.Module, Resident, TargetData]:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(24, 1, 3, 3, generator=generator)
    hard = torch.randint(0, 3, (24,), generator=generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(9, 3))
    return network, Resident(pixels, lambda x: x), TargetData(hard=hard, classes=3)


def _trained(schedule: Schedule, **options: Any) -> dict[str, torch.Tensor]:
    network, source, evidence = _problem()
    train(network, source, evidence, Hard(), schedule, device="cpu", **options)
    return {n: p.detach().clone() for n, p in network.named_parameters()}


def test_accumulation_changes_nothing_but_memory() -> None:
    whole = _trained(Schedule(epochs=3, batch_size=8, lr=0.1, optimiser="sgd", precision="32"))
    parts = _trained(
        Schedule(epochs=3, batch_size=8, lr=0.1, optimiser="sgd", accumulate=3, precision="32")
    )
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-5, atol=1e-6)


def test_clipping_bounds_each_update() -> None:
    schedule = Schedule(
        epochs=1, batch_size=24, lr=1.0, optimiser="sgd", momentum=0.0, warmup=0.0, clip=1e-3,
        precision="32",
    )  # fmt: skip
    start = dict(_problem()[0].named_parameters())
    moved = _trained(schedule)
    length = math.sqrt(sum(float((moved[n] - start[n]).detach().square().sum()) for n in moved))
    assert length == pytest.approx(1e-3, rel=1e-4)


def test_weight_decay_shrinks_step_1_and_is_refused_beside_a_prior() -> None:
    free = _trained(Schedule(epochs=20, lr=0.05))
    decayed = _trained(Schedule(epochs=20, lr=0.05, optimiser="adamw", weight_decay=1.0))
    assert float(decayed["2.weight"].norm()) < 0.7 * float(free["2.weight"].norm())
    network, source, evidence = _problem()
    schedule = Schedule(weight_decay=1e-4)
    with pytest.raises(InputError, match=r"weight_decay: got 0\.0001 beside"):
        train(network, source, evidence, Hard(), schedule, prior=WeightPrior.around(network, 1.0))
    assert schedule.for_map() == Schedule()


def test_the_moving_average_is_what_is_kept() -> None:
    network = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(0.0)
    average = Average(network, 0.5)
    expected = 0.0
    for n, value in enumerate((1.0, 3.0, -2.0, 5.0), 1):
        with torch.no_grad():
            network.weight.fill_(value)
        average.update(network)
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * value
    assert float(average.values["weight"]) == pytest.approx(expected)
    with average.in_force(network):
        assert float(network.weight.detach()) == pytest.approx(expected)
    assert float(network.weight.detach()) == 5.0
    again = Average(network, 0.5)
    again.restore(average.state())
    assert (again.updates, float(again.values["weight"])) == (4, pytest.approx(expected))
    plain = _trained(Schedule(epochs=4, batch_size=8))
    kept = _trained(Schedule(epochs=4, batch_size=8, ema=0.9))
    assert not torch.equal(plain["2.weight"], kept["2.weight"])


def test_layers_have_rates_of_their_own() -> None:
    network = _problem()[0]
    optimiser = make_optimiser(network, Schedule(optimiser="sgd"), (("*.bias", 0.1), ("*", 2.0)))
    set_rate(optimiser, 0.5)
    rates = {id(p): g["lr"] for g in optimiser.param_groups for p in g["params"]}
    assert rates[id(network[2].weight)] == 1.0
    assert rates[id(network[2].bias)] == 0.05
    with pytest.raises(InputError, match="expected a factor > 0"):
        make_optimiser(network, Schedule(), (("*", 0.0),))


def test_case_weights_weigh_the_objective() -> None:
    """A case of weight 2 counts as two cases."""
    _, source, evidence = _problem()
    options = Schedule(epochs=2, batch_size=64, lr=0.1, optimiser="sgd", precision="32")
    twice = torch.cat([torch.arange(24), torch.arange(12)])
    images = source.take(twice)
    heavy = TargetData(
        hard=evidence.hard, weights=torch.ones(24).index_fill(0, torch.arange(12), 2.0), classes=3
    )
    repeated = TargetData(hard=evidence.hard[twice], classes=3)
    first, second = _problem()[0], _problem()[0]
    train(first, source, heavy, Hard(), options, device="cpu")
    train(second, images, repeated, Hard(), options, device="cpu")
    for one, two in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)
    with pytest.raises(InputError, match="weights, row 3: got 0"):
        TargetData(
            hard=evidence.hard,
            weights=torch.ones(24).index_fill(0, torch.tensor([3]), 0.0),
            classes=3,
        )
