"""torchvision, which timm imports, fails next to a CPU-only torch unless its operators have schemas."""

from __future__ import annotations

import pytest
import torch

_LIBRARIES = []


@pytest.fixture(scope="session")
def timm() -> object:
    """timm, or a skip with the reason."""
    if not hasattr(torch.ops.torchvision, "nms"):
        schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms" + schema)
        library.define("qnms" + schema)
        _LIBRARIES.append(library)
    return pytest.importorskip("timm", reason="the [timm] extra is not installed")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
