"""The weight prior against its equation, the CHECKs of docs/methods.md §1 and brute force."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from torch import Tensor, nn

from labelppl.errors import InputError
from labelppl.targets.hard import Hard
from labelppl.targets.target_data import TargetData
from labelppl.training.schedule import Schedule
from labelppl.training.source import Resident
from labelppl.training.train import train
from labelppl.training.weight_prior import STIFF, WeightPrior, diagonal_fisher, step_sizes


class Intercept(nn.Module):
    """One sigmoid neuron that sees nothing of the image: logit = b."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.tensor([start], dtype=torch.float64))

    def forward(self, images: Tensor) -> Tensor:
        return self.bias.expand(len(images), 1)


def _logit(p: float) -> float:
    return math.log(p / (1 - p))


def _fit(lam: float, copies: int = 1, **options: Any) -> float:
    """p(Y=1) of the trainer's MAP for 2 positives and 3 negatives, theta_p = logit .73."""
    hard = torch.tensor([1, 1, 0, 0, 0]).repeat(copies)
    network = Intercept(_logit(0.73))
    schedule = Schedule(
        **{"epochs": 200, "batch_size": len(hard), "optimiser": "sgd", "momentum": 0.0, "lr": 1.0}
        | options
    )
    source = Resident(torch.zeros(len(hard), 1, 1, 1), lambda x: x)
    prior = WeightPrior.around(network, lam)
    train(network, source, TargetData(hard=hard, classes=2), Hard(), schedule, prior=prior)
    return float(torch.sigmoid(network.bias.detach()))


INTERCEPT = {0.0: 0.4, 0.1: 0.448116, 1.0: 0.613325, 10.0: 0.714239, math.inf: 0.73}


@pytest.mark.parametrize("lam", INTERCEPT)
def test_intercept_only_check_of_the_methods_page(lam: float) -> None:
    assert _fit(lam) == pytest.approx(INTERCEPT[lam], abs=1e-6)


@pytest.mark.parametrize("lam", [0.1, 1.0, 10.0])
@pytest.mark.parametrize(
    "optimiser",
    [
        {"optimiser": "sgd", "momentum": 0.9, "lr": 0.3},
        {"optimiser": "adam", "lr": 0.1, "epochs": 300},
    ],
    ids=["momentum", "adam"],
)
def test_every_optimiser_ends_at_the_same_optimum(lam: float, optimiser: dict[str, Any]) -> None:
    assert _fit(lam, **optimiser) == pytest.approx(INTERCEPT[lam], abs=2e-5)


def test_duplicating_data_and_lambda_changes_nothing() -> None:
    assert _fit(4.0, copies=4) == pytest.approx(_fit(1.0), abs=1e-9)


@pytest.mark.parametrize("lam", [1e3, 1e6])
def test_stiff_lambda_is_stable_and_exact(lam: float) -> None:
    """Here gradient descent on the penalty would diverge: lr 2 lam / m >= 400."""
    expected = brentq(
        lambda b: 5 / (1 + math.exp(-b)) - 2 + 2 * lam * (b - _logit(0.73)), -5, 5, xtol=1e-14
    )
    assert _fit(lam) == pytest.approx(1 / (1 + math.exp(-expected)), abs=1e-9)


def test_proximal_and_penalty_agree() -> None:
    """The same optimum by either way, where both are stable, for every optimiser."""
    hard = torch.tensor([1, 1, 0, 0, 0])
    source = Resident(torch.zeros(5, 1, 1, 1), lambda x: x)
    for optimiser, lr, epochs in (("sgd", 0.3, 200), ("adam", 0.1, 300)):
        schedule = Schedule(epochs=epochs, batch_size=5, optimiser=optimiser, lr=lr)  # type: ignore[arg-type]
        ends = []
        for proximal in (True, False):
            network = Intercept(1.0)
            prior = WeightPrior.around(network, 1.0, proximal=proximal)
            done = train(
                network, source, TargetData(hard=hard, classes=2), Hard(), schedule, prior=prior
            )
            assert done.proximal is proximal
            ends.append(float(network.bias.detach()))
        assert ends[0] == pytest.approx(ends[1], abs=1e-4)


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2)
    ).double()


def _moved(network: nn.Module) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))
    network[1].running_mean.add_(5)


@settings(max_examples=25, deadline=None)
@given(
    lam=st.floats(0, 1e4),
    cuts=st.sets(st.integers(1, 11), max_size=6),
    seed=st.integers(0, 1000),
)
def test_mean_loss_objective_is_the_sum_over_m(lam: float, cuts: set[int], seed: int) -> None:
    """For any partition into batches, averaged by batch size, and to machine precision."""
    m = 12
    network = _network()
    prior = WeightPrior.around(network, lam)
    _moved(network)
    network.eval()
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(m, 1, 4, 4, generator=generator, dtype=torch.float64)
    y = torch.randint(0, 2, (m,), generator=generator)
    losses = nn.functional.cross_entropy(network(x), y, reduction="none")
    moved = sum(((p - prior.mean[n]) ** 2).sum() for n, p in network.named_parameters())
    whole = (losses.sum() + lam * moved) / m
    parts = np.split(np.arange(m), sorted(cuts))
    batches = sum(len(p) * (losses[p].mean() + prior.penalty(network, m)) for p in parts) / m
    assert float(batches.detach()) == pytest.approx(float(whole.detach()), rel=1e-13)


@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_and_value_against_autograd_and_buffers_untouched(weighted: bool) -> None:
    network = _network()
    fisher = {n: torch.rand_like(p) for n, p in network.named_parameters()} if weighted else None
    prior = WeightPrior.around(network, 3.0, fisher=fisher)
    _moved(network)
    running = network[1].running_mean.clone().requires_grad_()
    network[1].running_mean = running
    penalty = prior.penalty(network, 7)
    assert torch.autograd.grad(penalty, running, allow_unused=True, retain_graph=True) == (None,)
    parameters = dict(network.named_parameters())
    gradients = torch.autograd.grad(penalty, list(parameters.values()))
    for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
        parameter.grad = torch.zeros_like(parameter)
        weight = 1.0 if fisher is None else fisher[name]
        delta = (parameter - prior.mean[name]).detach()
        torch.testing.assert_close(gradient, 2 * 3.0 / 7 * weight * delta)
    prior.add_gradient(network, 7)
    for parameter, gradient in zip(parameters.values(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)
    assert prior.record()["penalised"] == sum(p.numel() for p in parameters.values())


@pytest.mark.parametrize("weighted", [False, True])
def test_shrink_is_the_minimiser_of_the_proximal_problem(weighted: bool) -> None:
    network = _network()
    fisher = {n: torch.rand_like(p) for n, p in network.named_parameters()} if weighted else None
    prior = WeightPrior.around(network, 50.0, fisher=fisher)
    _moved(network)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.2, momentum=0.5)
    start = {n: p.detach().clone() for n, p in network.named_parameters()}
    prior.shrink(network, optimiser, 8)
    after = {n: p.detach().clone().requires_grad_() for n, p in network.named_parameters()}
    step = 0.2 / (1 - 0.5)
    for name, value in after.items():
        weight = 1.0 if fisher is None else fisher[name]
        objective = ((value - start[name]) ** 2).sum() / (2 * step) + (
            50.0 / 8 * weight * (value - prior.mean[name]) ** 2
        ).sum()
        (gradient,) = torch.autograd.grad(objective, value)
        assert float(gradient.abs().max()) < 1e-10


def test_adam_step_sizes_are_its_own() -> None:
    weight = nn.Parameter(torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64))
    optimiser = torch.optim.Adam([weight], lr=0.1, betas=(0.0, 0.9))
    for gradient in ([1.0, 2.0, 3.0], [0.5, 0.1, -2.0]):
        weight.grad = torch.tensor(gradient, dtype=torch.float64)
        before = weight.detach().clone()
        optimiser.step()
        moved = (before - weight.detach()) / weight.grad
    torch.testing.assert_close(step_sizes(optimiser)[weight], moved)


def test_exclusion_and_fisher() -> None:
    network = _network()
    names = [n for n, _ in network.named_parameters()]
    fisher = {n: torch.full_like(p, 2.0) for n, p in network.named_parameters()}
    prior = WeightPrior.around(network, 1.0, exclude=("1.*",), fisher=fisher)
    _moved(network)
    expected = sum(
        2 * float(((p.detach() - prior.mean[n]) ** 2).sum())
        for n, p in network.named_parameters()
        if not n.startswith("1.")
    )
    assert float(prior.penalty(network, 1).detach()) == pytest.approx(expected)
    assert len(names) == 6
    record = prior.record()
    assert (record["exclude"], record["fisher"]) == (["1.*"], True)


def test_diagonal_fisher_is_the_mean_squared_gradient() -> None:
    rows = torch.randn(9, 4)
    found = diagonal_fisher(({"w": row} for row in rows), 9)
    expected = (rows**2).mean(0)
    torch.testing.assert_close(found["w"], expected / expected.mean())


def test_bad_priors_are_refused() -> None:
    network = _network()
    with pytest.raises(InputError, match="lambda: got -1"):
        WeightPrior.around(network, -1.0)
    with pytest.raises(InputError, match="lambda: got nan"):
        WeightPrior.around(network, math.nan)
    with pytest.raises(InputError, match="matches no parameter"):
        WeightPrior.around(network, 1.0, exclude=("head.*",))
    with pytest.raises(InputError, match="Fisher weights"):
        WeightPrior.around(network, 1.0, fisher={})


def _sgd(network: nn.Module, lr: float, momentum: float = 0.0) -> torch.optim.SGD:
    return torch.optim.SGD(network.parameters(), lr=lr, momentum=momentum)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("largest", [1.0, 4.0])
def test_sgd_is_proximal_from_where_gradient_descent_on_the_penalty_is_unstable(
    momentum: float, largest: float
) -> None:
    """lr / (1 - momentum) * 2 lambda max F / m >= 2, just inside and just outside."""
    network, m, lr = _network(), 10, 0.1
    fisher = {n: torch.rand_like(p) for n, p in network.named_parameters()}
    next(iter(fisher.values())).flatten()[0] = largest
    edge = STIFF * m * (1 - momentum) / (2 * lr * largest)
    weights = None if largest == 1.0 else fisher
    for factor, expected in ((1 - 1e-9, False), (1 + 1e-9, True)):
        prior = WeightPrior.around(network, edge * factor, fisher=weights)
        assert prior.is_proximal(_sgd(network, lr, momentum), lr, m) is expected
    assert STIFF == 2.0


@pytest.mark.parametrize("at", [0, 1])
def test_the_group_with_the_most_momentum_decides(at: int) -> None:
    network = _network()
    groups = [{"params": [*network[0].parameters()]}, {"params": [*network[3].parameters()]}]
    groups[at]["momentum"] = 0.9
    optimiser = torch.optim.SGD(groups, lr=0.1)
    edge = STIFF * 10 * (1 - 0.9) / (2 * 0.1)
    for factor, expected in ((1 - 1e-9, False), (1 + 1e-9, True)):
        prior = WeightPrior.around(network, edge * factor)
        assert prior.is_proximal(optimiser, 0.1, 10) is expected


def test_fisher_of_what_is_left_free_does_not_count_as_stiff() -> None:
    network = _network()
    fisher = {
        n: torch.full_like(p, 1e6 if n.startswith("3.") else 1.0)
        for n, p in network.named_parameters()
    }
    prior = WeightPrior.around(network, 1.0, fisher=fisher, exclude=("3.*",))
    assert not prior.is_proximal(_sgd(network, 0.1), 0.1, 10)
    assert WeightPrior.around(network, 1.0, fisher=fisher).is_proximal(_sgd(network, 0.1), 0.1, 10)


def test_adam_is_proximal_and_what_is_asked_for_goes_first() -> None:
    network = _network()
    prior = WeightPrior.around(network, 1e-9)
    for kind in (torch.optim.Adam, torch.optim.AdamW):
        assert prior.is_proximal(kind(network.parameters()), 1e-3, 10)
    asked = WeightPrior.around(network, 1e9, proximal=False)
    assert not asked.is_proximal(_sgd(network, 10.0), 10.0, 1)
    asked = WeightPrior.around(network, 1e-9, proximal=True)
    assert asked.is_proximal(_sgd(network, 1e-9), 1e-9, 1)


def test_the_penalty_of_an_infinite_lambda_is_0_at_theta_p_and_infinite_elsewhere() -> None:
    network = _network()
    prior = WeightPrior.around(network, math.inf)
    assert float(prior.penalty(network, 5).detach()) == 0
    with torch.no_grad():
        next(network.parameters()).view(-1)[0] += 1e-9
    assert float(prior.penalty(network, 5).detach()) == math.inf
    free = WeightPrior.around(network, math.inf, exclude=("*",))
    _moved(network)
    assert float(free.penalty(network, 5).detach()) == 0


@pytest.mark.parametrize("lam", [0.0, -1e-12])
def test_lambda_is_0_or_more(lam: float) -> None:
    if lam < 0:
        with pytest.raises(InputError, match="expected 0, a positive number or inf"):
            WeightPrior.around(_network(), lam)
    else:
        network = _network()
        prior = WeightPrior.around(network, lam)
        _moved(network)
        assert float(prior.penalty(network, 3).detach()) == 0


def test_layers_hold_what_they_name_and_exclude_takes_away() -> None:
    network = _network()
    prior = WeightPrior.around(network, 2.0, layers=("0.*", "3.*"), exclude=("*.bias",))
    assert prior.penalised == ("0.weight", "3.weight")
    record = prior.record()
    assert record["layers"] == ["0.*", "3.*"]
    assert record["exclude"] == ["*.bias"]
    assert record["penalised"] == 27 + 24
    assert (record["lam"], record["proximal"]) == (2.0, None)
    assert WeightPrior.around(network, 2.0).penalised == tuple(
        n for n, _ in network.named_parameters()
    )
    for option in ("layers", "exclude"):
        with pytest.raises(
            InputError,
            match=f"{option} 'head' matches no parameter; expected for instance '0.weight'",
        ):
            WeightPrior.around(network, 1.0, **{option: ("head",)})


def test_what_is_left_free_gets_neither_gradient_nor_shrinkage() -> None:
    network = _network()
    prior = WeightPrior.around(network, 5.0, layers=("0.*",))
    _moved(network)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    prior.add_gradient(network, 4)
    for name, parameter in network.named_parameters():
        assert bool((parameter.grad != 0).any()) is name.startswith("0.")
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    prior.shrink(network, _sgd(network, 0.1), 4)
    for name, parameter in network.named_parameters():
        if name.startswith("0."):
            expected = prior.mean[name] + (before[name] - prior.mean[name]) / (
                1 + 0.1 * 2 * 5.0 / 4
            )
            torch.testing.assert_close(parameter.detach(), expected)
        else:
            assert torch.equal(parameter.detach(), before[name])


def test_a_parameter_without_gradient_is_left_alone() -> None:
    network = _network()
    prior = WeightPrior.around(network, 5.0)
    _moved(network)
    for parameter in network.parameters():
        parameter.grad = None
    prior.add_gradient(network, 4)
    assert all(p.grad is None for p in network.parameters())
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    some = torch.optim.Adam(network[3].parameters(), lr=0.1)
    prior.shrink(network, some, 4)  # Adam has not seen any gradient yet, and never sees layer 0
    assert all(torch.equal(before[n], p.detach()) for n, p in network.named_parameters())


def test_fisher_weights_must_be_there_of_the_right_shape_and_not_negative() -> None:
    network = _network()
    right = {n: torch.zeros_like(p) for n, p in network.named_parameters()}
    WeightPrior.around(network, 1.0, fisher=right)
    for name, wrong in (
        ("0.weight", torch.zeros(2)),
        ("0.bias", torch.full((3,), -1e-9)),
        ("3.bias", None),
    ):
        fisher = {k: v for k, v in right.items() if k != name} | (
            {} if wrong is None else {name: wrong}
        )
        with pytest.raises(
            InputError, match=f"Fisher weights of '{name}': expected non-negative numbers of shape"
        ):
            WeightPrior.around(network, 1.0, fisher=fisher)
        WeightPrior.around(network, 1.0, fisher=fisher, exclude=(name,))


def test_step_sizes_are_those_of_a_lasting_gradient() -> None:
    """After many updates by one gradient, a weight moves step size times gradient per update."""
    for momentum, nesterov in ((0.0, False), (0.9, False), (0.9, True)):
        weight = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
        optimiser = torch.optim.SGD([weight], lr=0.01, momentum=momentum, nesterov=nesterov)
        for _ in range(400):
            weight.grad = torch.tensor([1.0, -3.0], dtype=torch.float64)
            before = weight.detach().clone()
            optimiser.step()
        step = step_sizes(optimiser)[weight]
        torch.testing.assert_close(before - weight.detach(), step * weight.grad)
        assert step == pytest.approx(0.01 / (1 - momentum))


def test_every_group_has_its_own_step_size() -> None:
    one, two = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    groups = [{"params": [one], "lr": 0.1}, {"params": [two], "lr": 0.4, "momentum": 0.5}]
    sizes = step_sizes(torch.optim.SGD(groups, lr=1.0))
    assert (sizes[one], sizes[two]) == (pytest.approx(0.1), pytest.approx(0.8))


def test_fisher_is_scaled_to_mean_1_over_all_weights() -> None:
    rows = [
        {"a": torch.tensor([1.0, 3.0]), "b": torch.tensor([[2.0]])},
        {"a": torch.tensor([1.0, 1.0]), "b": torch.tensor([[0.0]])},
    ]
    weights = diagonal_fisher(iter(rows), 2)
    raw = {"a": torch.tensor([1.0, 5.0]), "b": torch.tensor([[2.0]])}
    for name, value in raw.items():
        torch.testing.assert_close(weights[name], value / (8 / 3))
    assert sum(float(v.sum()) for v in weights.values()) == pytest.approx(3)
    with pytest.raises(InputError, match="every Fisher weight is 0; train step 1 first"):
        diagonal_fisher(iter([{"a": torch.zeros(2)}]), 1)


def test_around_copies_the_weights_it_stands_on() -> None:
    network = _network()
    prior = WeightPrior.around(network, 1.0)
    start = {n: p.detach().clone() for n, p in network.named_parameters()}
    _moved(network)
    assert all(torch.equal(prior.mean[n], start[n]) for n in start)
    assert not any(v.requires_grad for v in prior.mean.values())
