"""The paper's CNN: its size, its pooling order, any image size."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import max_pool2d

from labelppl.errors import InputError
from labelppl.students.cnn import PaperCNN
from labelppl.students.network import Shape, build_network


@pytest.mark.parametrize(("channels", "parameters"), [(1, 10_763_001), (3, 10_763_577)])
def test_parameters_at_128(channels: int, parameters: int) -> None:
    network = PaperCNN(channels=channels, height=128, width=128, outputs=1)
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (64, 96)])
@pytest.mark.parametrize("outputs", [1, 10])
def test_any_size_and_number_of_classes(size: tuple[int, int], outputs: int) -> None:
    network = build_network("cnn", Shape(3, *size, outputs))
    assert network(torch.randn(2, 3, *size)).shape == (2, outputs)


def test_too_small_is_refused() -> None:
    with pytest.raises(InputError, match="at least 32x32"):
        PaperCNN(channels=1, height=31, width=64, outputs=1)


def test_pooling_before_relu_is_the_papers_order() -> None:
    network = build_network("cnn", Shape(1, 64, 64, 1), seed=3)
    nn.init.normal_(network.output.weight)
    images = torch.randn(4, 1, 64, 64)
    ours = network(images).sum()
    gradients = torch.autograd.grad(ours, list(network.parameters()))
    x = images
    for layer in network.features:
        if isinstance(layer, nn.Conv2d):
            x = max_pool2d(torch.relu(layer(x)), 2)
    theirs = network.output(network.head(x)).sum()
    torch.testing.assert_close(ours, theirs)
    for one, two in zip(
        gradients, torch.autograd.grad(theirs, list(network.parameters())), strict=True
    ):
        torch.testing.assert_close(one, two)


def test_starts_from_equal_probabilities() -> None:
    network = build_network("cnn", Shape(1, 32, 32, 3))
    assert torch.equal(network(torch.randn(5, 1, 32, 32)), torch.zeros(5, 3))
