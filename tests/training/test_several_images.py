"""Cases with several images: pooled logits against a naive loop, what leaves them alone, and one image as ever."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from labelppl.distillation.last_layer import last_layer_posterior
from labelppl.students.logits import class_logits
from labelppl.students.pooling import CaseBatch, Pool, case_logits
from labelppl.targets.hard import Hard
from labelppl.targets.mixup import Mixup
from labelppl.targets.prob import Prob
from labelppl.targets.target_data import TargetData
from labelppl.training.held import predict_logits
from labelppl.training.optimum import distance_to_optimum
from labelppl.training.schedule import Schedule
from labelppl.training.source import ByCase, Resident
from labelppl.training.train import train
from labelppl.training.weight_prior import WeightPrior

COUNTS = np.array([1, 3, 2, 1, 4, 2, 1, 1, 5, 2])
STARTS = np.concatenate([[0], np.cumsum(COUNTS)])
CPU = torch.device("cpu")
QUICK = Schedule(epochs=3, batch_size=4, lr=0.05, optimiser="sgd", precision="32")


def _images(seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(
        0, 256, (int(COUNTS.sum()), 1, 6, 6), generator=generator, dtype=torch.uint8
    )


def _source(pixels: Tensor, starts: Any = STARTS, pool: Pool = "mean") -> ByCase:
    return ByCase(Resident(pixels, lambda x: x.float() / 128 - 1), starts, pool)


def _network(outputs: int, seed: int = 1) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(36, 5), nn.Tanh(), nn.Linear(5, outputs))


def _evidence(classes: int = 3) -> TargetData:
    generator = torch.Generator().manual_seed(2)
    soft = torch.rand(len(COUNTS), classes, generator=generator, dtype=torch.float64)
    soft /= soft.sum(1, keepdim=True)
    return TargetData(hard=torch.arange(len(COUNTS)) % classes, soft=soft)


def _naive(network: nn.Module, pixels: Tensor, pool: Pool) -> Tensor:
    """Case after case, image after image."""
    rows = []
    for first, last in pairwise(STARTS):
        outputs = network(pixels[first:last].float() / 128 - 1)
        own = outputs if pool == "mean" else outputs[:, :-1]
        weight = torch.full((len(own),), 1 / len(own))
        if pool == "attention":
            weight = outputs[:, -1].softmax(0)
        rows.append((class_logits(own) * weight[:, None]).sum(0))
    return torch.stack(rows).detach()


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("pool", ["mean", "attention"])
def test_pooled_logits_are_those_of_a_naive_loop(outputs: int, pool: Pool) -> None:
    network, pixels = _network(outputs + (pool == "attention")), _images()
    got = predict_logits(network, _source(pixels, pool=pool), CPU)
    torch.testing.assert_close(got, _naive(network, pixels, pool), rtol=1e-5, atol=1e-6)


def test_the_mean_logit_of_three_views() -> None:
    """sigmoid((2 - 1 + .5) / 3), which is neither the mean of the probabilities, .59073, nor a noisy-or, .96710."""
    batch = CaseBatch(torch.tensor([[2.0], [-1.0], [0.5]]), torch.zeros(3, dtype=torch.int64), 1, "mean")  # fmt: skip
    assert float(case_logits(nn.Identity(), batch).softmax(1)[0, 1]) == pytest.approx(0.62246, abs=5e-6)  # fmt: skip


@pytest.mark.parametrize("pool", ["mean", "attention"])
def test_the_order_of_images_says_nothing(pool: Pool) -> None:
    network, pixels = _network(3 + (pool == "attention")), _images()
    turned = torch.cat([part.flip(0) for part in pixels.split(COUNTS.tolist())])
    one, two = (predict_logits(network, _source(p, pool=pool), CPU) for p in (pixels, turned))
    torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)


def test_an_image_that_is_there_twice_says_nothing_more_under_the_mean() -> None:
    """All images of a case doubled: the same logits, and the same training."""
    network, pixels = _network(3), _images()
    doubled = torch.cat([part.repeat(2, 1, 1, 1) for part in pixels.split(COUNTS.tolist())])
    sources = (_source(pixels), _source(doubled, 2 * STARTS))
    torch.testing.assert_close(
        *(predict_logits(network, source, CPU) for source in sources), rtol=1e-5, atol=1e-6
    )
    networks = [_network(3), _network(3)]
    for own, source in zip(networks, sources, strict=True):
        train(own, source, _evidence(), Prob(), QUICK, device="cpu")
    for one, two in zip(*(own.parameters() for own in networks), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("step", ["step 1", "step 2"])
def test_one_image_a_case_trains_as_ever(step: str) -> None:
    """The pooled path with one image each: the same numbers as the plain one, prior included."""
    pixels, evidence = _images()[: len(COUNTS)], _evidence()
    plain = Resident(pixels, lambda x: x.float() / 128 - 1)
    networks = [_network(3), _network(3)]
    for own, source in zip(networks, (plain, _source(pixels, np.arange(11))), strict=True):
        prior = WeightPrior.around(own, 0.5) if step == "step 2" else None
        train(own, source, evidence, Hard(), QUICK, prior=prior, device="cpu")
    for one, two in zip(*(own.parameters() for own in networks), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-7)


def test_the_objective_has_one_term_for_each_case() -> None:
    """Eq. 5 over the pooled logits, by hand."""
    network, pixels, evidence = _network(3), _images(), _evidence()
    prior = WeightPrior.around(network, 1.0)
    at = distance_to_optimum(network, _source(pixels), evidence, Hard(), prior)
    log_q = _naive(network, pixels, "mean").log_softmax(1)
    by_hand = -log_q.gather(1, evidence.hard[:, None]).sum()
    assert at.objective == pytest.approx(float(by_hand), rel=1e-5)


def test_batches_and_parts_of_the_cases_keep_their_images() -> None:
    pixels = torch.arange(int(COUNTS.sum()), dtype=torch.uint8)[:, None, None, None]
    source = ByCase(Resident(pixels, lambda x: x), STARTS, "mean")
    chosen = torch.tensor([8, 1, 0])
    for where, rows in ((source, chosen), (source.take(chosen), torch.arange(3))):
        (batch,) = where.batches([rows], CPU)
        expected = [(case, row) for case, i in enumerate(chosen.tolist())
                    for row in range(STARTS[i], STARTS[i + 1])]  # fmt: skip
        got = zip(batch.case.tolist(), batch.pixels.flatten().tolist(), strict=True)
        assert list(got) == expected
        assert batch.cases == 3


def test_attention_learns_which_image_tells() -> None:
    """Two images a case, one of which shows the class; the mean of both is no better informed than half."""
    rng = np.random.default_rng(0)
    hard = rng.integers(0, 2, 60)
    shown = rng.integers(0, 2, 60)
    pixels = rng.normal(size=(60, 2, 1, 6, 6)).astype(np.float32) / 4
    for i in range(60):
        pixels[i, shown[i], 0, 0, :3] += 2.0
        pixels[i, shown[i], 0, 3:] += 0.5 if hard[i] else -0.5
        pixels[i, 1 - shown[i], 0, 3:] += rng.choice([-0.5, 0.5])
    flat = torch.from_numpy(pixels.reshape(120, 1, 6, 6))
    data = TargetData(hard=torch.from_numpy(hard), classes=2)
    nll = {}
    for pool in ("mean", "attention"):
        source = ByCase(Resident(flat, lambda x: x), np.arange(61) * 2, pool)
        network = _network(1 + (pool == "attention"))
        schedule = Schedule(epochs=60, batch_size=20, lr=0.02, precision="32")
        nll[pool] = train(network, source, data, Hard(), schedule, device="cpu").history[-1].loss
    assert nll["attention"] < 0.5 * nll["mean"]


def test_a_batch_in_half_precision_is_pooled_in_single() -> None:
    batch = CaseBatch(torch.ones(400, 1), torch.zeros(400, dtype=torch.int64), 1, "mean")
    third = case_logits(lambda x: torch.full((400, 3), 1 / 3, dtype=torch.bfloat16), batch)  # type: ignore[arg-type]
    assert third.dtype == torch.float32
    assert third[0, 0].item() == pytest.approx(1 / 3, abs=1e-3)


def test_the_last_layer_posterior_is_about_cases() -> None:
    """Its precision is that of one case with the mean of the features; attention has none."""
    network, pixels, evidence = _network(3), _images(), _evidence()
    prior = WeightPrior.around(network, 1.0)
    got = last_layer_posterior(network, "softmax", _source(pixels), evidence.hard, prior)
    assert got.posterior is not None
    with torch.no_grad():
        inner = network[:3](pixels.float() / 128 - 1)  # type: ignore[index]
        phi = torch.stack([part.mean(0) for part in inner.split(COUNTS.tolist())]).double()
        features, phi = phi, torch.cat([phi, torch.ones(len(phi), 1, dtype=torch.float64)], 1)
        q = _naive(network, pixels, "mean").double().softmax(1)
    w = torch.diag_embed(q) - q[:, :, None] * q[:, None]
    precision = torch.einsum("nkl,ni,nj->kilj", w, phi, phi).reshape(18, 18)
    precision += 2 * torch.eye(18, dtype=torch.float64)
    inverse = precision.inverse().reshape(3, 6, 3, 6)
    expected = torch.einsum("ni,kilj,nj->nkl", phi, inverse, phi)
    covariance = got.posterior.covariance(features.float(), 3)
    torch.testing.assert_close(covariance, expected, rtol=1e-4, atol=1e-5)
    none = last_layer_posterior(
        network, "softmax", _source(pixels), evidence.hard, prior, "attention"
    )
    assert none.posterior is None
    assert "attention" in none.note


def test_targets_that_mix_images_say_so() -> None:
    assert Mixup().needs_one_image
    assert not Prob().needs_one_image
