"""timm backbones: every named one trains in grey and colour; weights come whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from labelppl.errors import InputError
from labelppl.students.network import Shape, build_network

BACKBONES = ("resnet50", "mobilenetv2_100", "vgg19", "densenet121", "resnetv2_50")


@pytest.mark.parametrize(
    ("name", "channels"), [*((name, 1) for name in BACKBONES), ("resnet50", 3), ("densenet121", 3)]
)
def test_backbone_gives_logits_and_gradients(timm: Any, name: str, channels: int) -> None:
    network = build_network(f"timm:{name}", Shape(channels, 64, 64, 1)).train()
    logits = network(torch.randn(2, channels, 64, 64))
    assert logits.shape == (2, 1)
    (first,) = torch.autograd.grad(logits.sum(), [next(network.parameters())])
    assert first.shape[1] == channels
    assert torch.isfinite(first).all()


def test_same_seed_same_network(timm: Any) -> None:
    one, two, other = (
        build_network("timm:resnet18", Shape(1, 32, 32, 1), seed=s).conv1.weight for s in (1, 1, 2)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_vision_transformer_follows_the_image_size(timm: Any) -> None:
    network = build_network("timm:vit_tiny_patch16_224", Shape(3, 64, 64, 4))
    assert network(torch.randn(2, 3, 64, 64)).shape == (2, 4)


def test_weights_of_a_colour_backbone_fit_grey_images(timm: Any, tmp_path: Path) -> None:
    source = timm.create_model("resnet18", num_classes=1000)
    path = tmp_path / "resnet18.safetensors"
    save_file(source.state_dict(), path)
    grey = build_network("timm:resnet18", Shape(1, 64, 64, 3), weights=path).eval()
    colour = build_network("timm:resnet18", Shape(3, 64, 64, 3), weights=path).eval()
    torch.testing.assert_close(colour.layer4[1].conv2.weight, source.layer4[1].conv2.weight)
    x = torch.randn(2, 1, 64, 64)
    torch.testing.assert_close(
        grey.forward_features(x),
        colour.forward_features(x.expand(-1, 3, -1, -1)),
        atol=1e-4,
        rtol=1e-4,
    )


def test_weights_that_do_not_fit_are_refused(timm: Any, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    state = timm.create_model("resnet18").state_dict()
    del state["layer1.0.conv1.weight"]
    save_file(state, path)
    assert "layer1.0.conv1.weight" not in load_file(path)
    shape = Shape(3, 64, 64, 2)
    with pytest.raises(InputError, match=r"missing 'layer1\.0\.conv1\.weight'"):
        build_network("timm:resnet18", shape, weights=path)
    with pytest.raises(InputError, match="no such safetensors file"):
        build_network("timm:resnet18", shape, weights=tmp_path / "none.safetensors")
    path.write_bytes(b"not tensors")
    with pytest.raises(InputError, match="is not a safetensors file"):
        build_network("timm:resnet18", shape, weights=path)


@pytest.mark.parametrize("name", ["resnet5000", "timm:resnet5000", "timm:"])
def test_unknown_names_are_refused(timm: Any, name: str) -> None:
    with pytest.raises(InputError, match="expected"):
        build_network(name, Shape(3, 64, 64, 2))
